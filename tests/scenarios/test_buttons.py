"""A click is decided when it happens, for any person, however late or often."""

import json

CREATE = "/velero backup create b1 --include-namespaces shop"


async def done(house, line=CREATE):
    await house.grace.says(line)
    card = await house.sees("#ops", "backup create b1", "Completed")
    await house.quiet()
    return house.card("backup create b1") or card


async def test_pressed_by_another_it_is_their_right_that_counts(house):
    card = await done(house)
    await house.ada.clicks("Delete backup…", on=card)
    await house.ada.submits(values={"word": "b1"})
    await house.ada.hears("❌")
    await house.quiet()
    assert house.prod.all("deletebackuprequests") == []
    assert house.prod.get("backups", "b1") is not None


async def test_the_answer_to_a_click_is_the_clickers(house):
    card = await done(house)
    answer = await house.bob.clicks("View details", on=card)
    reply = await answer.reply("b1: Completed")
    assert reply.ephemeral_for == house.bob.id


async def test_confirmed_twice_it_deletes_once(house):
    card = await done(house)
    await house.grace.clicks("Delete backup…", on=card)
    form = await house.grace.sees_form()
    house.grace.fills(form, {"word": "b1"})
    await house.slack.acts.submit(house.grace.user, form)
    await house.slack.acts.submit(house.grace.user, form)
    await house.eventually(lambda: house.prod.get("backups", "b1") is None)
    await house.quiet()
    assert len(house.told("#ops", "backup delete b1")) == 1


async def test_on_a_message_from_before_it_is_answered_by_what_is_now(house):
    card = await done(house)
    await house.grace.clicks("Delete backup…", on=card)
    await house.grace.submits(values={"word": "b1"})
    await house.eventually(lambda: house.prod.get("backups", "b1") is None)
    await house.quiet()
    answer = await house.grace.clicks("View details", on=card, stale=True)
    await answer.reply("Backup `b1` doesn't exist in prod.")


async def test_after_a_restart_they_still_work(house):
    card = await done(house)
    await house.restart()
    answer = await house.grace.clicks("View logs", on=card)
    await answer.reply("Logs of b1: ")


async def test_one_that_this_version_does_not_know_says_so(house):
    card = await done(house)
    blocks = json.loads(json.dumps(card.blocks).replace("line:0", "gone:0"))
    for block in blocks:
        for element in block.get("elements", []):
            if element.get("action_id") == "gone:0":
                element["value"] = "{}"
    house.slack.workspace.update(card, blocks=tuple(blocks))
    answer = await house.grace.clicks("View details", on=house.slack.workspace.find(card.channel, card.ts))
    await answer.reply("This button no longer works.")


async def test_a_form_that_cannot_be_opened_says_so(house):
    card = await done(house)
    house.faults.refuse("expired_trigger_id", "views.open")
    answer = await house.grace.clicks("Delete backup…", on=card)
    await answer.reply("couldn't be opened")
