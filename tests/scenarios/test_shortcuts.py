"""Shortcuts: a form is a command line in fields; a message of the bot can be looked up."""

import json

import pytest


async def form(house, person, callback):
    await person.takes_shortcut(callback)
    return await person.sees_form()


async def test_back_up_now(house):
    view = await form(house, house.grace, "ask:backup")
    assert view.title == "Back up now"
    values = {"Cluster": "prod", "Namespaces": "shop, billing", "Backup name": "b1", "Keep for": "30d", "Reason": "before the move",
              "channel": house.world.channel("ops")}  # fmt: skip
    await house.grace.submits(view, values)
    card = await house.sees("#ops", "backup create b1", "Completed")
    assert "before the move" in str(card.blocks)
    spec = house.prod.get("backups", "b1")["spec"]
    assert (spec["includedNamespaces"], spec["ttl"]) == (["shop", "billing"], "720h0m0s")


@pytest.mark.parametrize(
    ("line", "title"), [("backup  create", "Back up now"), ("restore create ", "Restore from a backup")]
)
async def test_a_bare_command_opens_the_form(house, line, title):
    await house.grace.says(f"/velero {line}")
    view = await house.grace.sees_form()
    assert view.title == title


@pytest.mark.parametrize(("place", "cluster"), [("#ops", "prod"), ("#staging", "staging")])
async def test_the_cluster_of_the_channel_is_chosen_already(house, place, cluster):
    await house.grace.says("/velero backup create", in_=place)
    view = await house.grace.sees_form()
    await house.grace.submits(view, {"Namespaces": "shop", "Backup name": "b1", "channel": house.world.channel("ops")})
    await house.sees("#ops", "backup create b1", "Completed")
    assert [where.name for where in (house.prod, house.staging) if where.get("backups", "b1")] == [cluster]


async def test_without_a_channel_the_card_comes_to_the_person_alone(house):
    view = await form(house, house.grace, "ask:backup")
    name = view.values["name"]["name"]["value"]
    assert name.startswith("backup-")
    await house.grace.submits(view, {"Cluster": "prod", "Namespaces": "shop"})
    await house.sees("@grace", f"backup create {name}", "Completed")
    assert house.told("#ops", name) == []


async def test_a_restore_waits_for_approval_as_any_other(house):
    await house.backed_up("b1")
    view = await form(house, house.grace, "ask:restore")
    values = {"Cluster": "prod", "Backup": "b1", "Namespaces": "shop", "existing": "update", "safety": "true",
              "Reason": "a bad deploy", "channel": house.world.channel("ops")}  # fmt: skip
    await house.grace.submits(view, values)
    request = await house.sees("#approvals", "restore create", "Approval needed", "from backup `b1`")
    assert "-safety` and wait until it is Completed" in request.full_text
    assert "a bad deploy" in request.full_text
    assert house.prod.all("restores") == []
    await house.bob.clicks("Approve", on=request)
    (restore,) = await house.eventually(lambda: house.prod.all("restores"))
    assert restore["spec"]["existingResourcePolicy"] == "update"
    await house.ended("restores", restore["metadata"]["name"])


async def test_without_a_backup_it_is_the_newest_one(house):
    await house.backed_up("b1")
    await house.backed_up("b2", includedNamespaces=["billing"])
    view = await form(house, house.grace, "ask:restore")
    await house.grace.submits(view, {"Cluster": "prod", "Namespaces": "shop"})
    await house.sees("#approvals", "from backup `b1`")


@pytest.mark.parametrize(
    ("callback", "values", "block", "words"),
    [
        ("ask:backup", {"Namespaces": "shop", "Keep for": "soon"}, "ttl", "`soon` isn't a duration"),
        ("ask:backup", {"Namespaces": " , "}, "namespaces", "This field is required."),
        ("ask:backup", {"Namespaces": "shop", "Backup name": "  "}, "name", "This field is required."),
        ("ask:restore", {}, "backup", "Enter a backup, or namespaces"),
        ("ask:restore", {"Backup": "b1", "Restore into other namespaces": "shop"}, "mappings", "--namespace-mappings"),
    ],
)
async def test_an_invalid_input_is_reported_at_its_field(house, callback, values, block, words):
    view = await form(house, house.grace, callback)
    await house.grace.submits(view, {"Cluster": "prod", **values})
    assert words in view.errors[block]
    assert await house.grace.sees_form() is view
    await house.quiet()
    assert house.prod.all("backups") == house.prod.all("restores") == []


async def test_the_senders_permissions_apply(house):
    view = await form(house, house.ada, "ask:backup")
    await house.ada.submits(view, {"Cluster": "prod", "Namespaces": "billing", "channel": house.world.channel("ops")})
    await house.ada.hears("❌")
    await house.quiet()
    assert house.prod.all("backups") == []


async def test_nothing_in_a_box_can_become_another_flag(house):
    view = await form(house, house.grace, "ask:backup")
    values = {"Namespaces": "shop --include-cluster-resources", "Backup name": "b1", "Reason": "it's --dry-run 'now'"}
    await house.grace.submits(view, {"Cluster": "prod", **values, "channel": house.world.channel("ops")})
    await house.grace.hears("❌")
    await house.quiet()
    assert house.prod.all("backups") == []
    view = await form(house, house.grace, "ask:backup")
    values = {"Namespaces": "shop", "Backup name": "b2", "Reason": "it's --dry-run 'now'"}
    await house.grace.submits(view, {"Cluster": "prod", **values, "channel": house.world.channel("ops")})
    card = await house.sees("#ops", "backup create b2", "Completed")
    assert "it's --dry-run 'now'" in json.dumps(card.blocks)


async def test_people_of_another_workspace_are_offered_nothing(house):
    house.slack.workspace.change_user("grace", team_id="T999999999")
    house.bot.identity.forget()
    view = await form(house, house.grace, "ask:backup")
    assert "prod" not in json.dumps(view.blocks)
    await house.grace.submits(view, {"Namespaces": "shop", "channel": house.world.channel("ops")})
    await house.grace.hears("Members of other workspaces can't run commands.")
    assert house.prod.all("backups") == []


async def test_a_form_that_cannot_be_opened_says_so(house):
    house.faults.refuse("expired_trigger_id", "views.open")
    await house.grace.takes_shortcut("ask:backup")
    await house.sees("@grace", "couldn't be opened")


async def test_a_message_of_ours_shows_what_it_is_about(house):
    await house.grace.says("/velero backup create b1 --include-namespaces shop")
    card = await house.sees("#ops", "backup create b1", "Completed")
    await house.quiet()
    for message in (card, *house.thread(card)):
        answer = await house.grace.takes_shortcut("show", on=message)
        reply = await answer.reply("b1: Completed")
        assert reply.ephemeral_for == house.grace.id


async def test_a_notice_of_what_others_did_too(house):
    house.prod.velero.script("b1", outcome="partial", reason="a volume was lost", kind="backup")
    await house.backed_up("b1")
    news = await house.sees("#incidents", "Backup b1 PartiallyFailed")
    await (await house.grace.takes_shortcut("show", on=news)).reply("b1: PartiallyFailed")


async def test_a_message_of_a_person_is_about_nothing(house):
    said = await house.grace.mentions("good morning")
    answer = await house.grace.takes_shortcut("show", on=said.message)
    await answer.reply(
        "This message isn't about a backup, restore, schedule or storage location of a configured cluster."
    )


async def test_who_may_not_see_it_is_not_shown_it(house):
    await house.backed_up("billing-1", includedNamespaces=["billing"])
    house.prod.velero.script("billing-2", outcome="partial", reason="secret of billing", kind="backup")
    await house.backed_up("billing-2", includedNamespaces=["billing"])
    news = await house.sees("#incidents", "Backup billing-2 PartiallyFailed")
    reply = await (await house.ada.takes_shortcut("show", on=news)).reply("Backup `billing-2` doesn't exist")
    assert "secret of billing" not in reply.full_text


async def test_an_unknown_shortcut_does_nothing(house):
    answer = await house.grace.takes_shortcut("gone")
    assert answer.ack.status == 200
    await house.quiet()
    assert house.prod.all("backups") == []


@pytest.mark.parametrize("profile", [{"is_restricted": True}, {"is_ultra_restricted": True}, {"is_stranger": True}])
async def test_a_person_without_access_sees_no_names_of_clusters(house, profile):
    house.slack.workspace.change_user("bob", **profile)
    view = await form(house, house.bob, "ask:backup")
    assert "staging" not in json.dumps(view.blocks)
    house.bot.identity.forget()
    house.faults.refuse("internal_error", "users.info", times=None)
    view = await form(house, house.grace, "ask:restore")
    assert "staging" not in json.dumps(view.blocks)
