"""Who may use the bot, and where the answer is visible."""

import pytest

CREATE = "backup create b1 --include-namespaces shop"


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"is_restricted": True}, "Guests can't run commands."),
        ({"is_ultra_restricted": True}, "Guests can't run commands."),
        ({"is_stranger": True}, "Members of other workspaces can't run commands."),
        ({"is_bot": True}, "Bots and workflows can't run commands."),
        ({"deleted": True}, "deactivated"),
    ],
)
async def test_they_are_refused(house, profile, words):
    house.slack.workspace.change_user("grace", **profile)
    answer = await house.grace.says(f"/velero {CREATE}")
    await answer.reply(words)
    assert house.prod.all("backups") == []


async def test_no_one_is_admitted_while_slack_cannot_identify_them(house):
    house.faults.refuse("internal_error", "users.info", times=None)
    answer = await house.grace.says(f"/velero {CREATE}")
    await answer.reply("Your identity can't be verified right now. Nothing was done.")
    assert house.prod.all("backups") == []


async def test_a_message_of_another_bot_is_no_command(house):
    other = house.slack.workspace.add_user("robot", is_bot=True)
    house.slack.workspace.channel("#ops").members.add(other.id)
    await house.slack.person("robot").mentions(f"@velero {CREATE}")
    await house.quiet()
    assert house.prod.all("backups") == []


async def test_an_edited_mention_does_not_run_twice(house):
    said = await house.grace.mentions(f"@velero {CREATE}")
    await house.sees("#ops", "backup create b1", "Completed")
    await house.grace.edits(said.message, "@velero backup create b2 --include-namespaces shop")
    await house.quiet()
    assert [b["metadata"]["name"] for b in house.prod.all("backups")] == ["b1"]


async def test_in_a_channel_without_the_bot_the_card_comes_directly_with_what_to_do(house):
    house.slack.workspace.add_channel("elsewhere", ["grace"], bot=False, is_private=True)
    await house.grace.says(f"/velero {CREATE} --cluster prod", in_="#elsewhere")
    card = await house.sees("@grace", "backup create b1", "Completed")
    assert "Invite it with /invite" in card.full_text
    await house.sees("@grace", "Backup b1 Completed")


async def test_in_an_archived_channel_too(house):
    house.slack.workspace.channel("#ops").is_archived = True
    await house.grace.says(f"/velero {CREATE}")
    card = await house.sees("@grace", "backup create b1", "Completed")
    assert "archived" in str(card.blocks)


async def test_in_a_direct_message(house):
    await house.grace.writes(f"{CREATE} --cluster prod")
    await house.sees("@grace", "backup create b1", "Completed")


async def test_a_slash_command_in_the_direct_message(house):
    await house.grace.says(f"/velero {CREATE} --cluster prod", in_="@velero")
    await house.sees("@grace", "backup create b1", "Completed")


async def test_in_a_thread_the_answer_stays_there(house):
    root, _ = await house.slack.acts.say(house.grace.user, house.slack.workspace.channel("#ops"), "look at this")
    answer = await house.grace.mentions("@velero whoami", thread=root)
    reply = await answer.reply("You are Grace.")
    assert reply.thread_ts == root.ts
    assert reply.ephemeral_for == house.grace.id


async def test_in_a_shared_channel_a_stranger_is_refused_and_ours_is_not(house):
    house.slack.workspace.channel("#ops").is_ext_shared = True
    house.slack.workspace.add_user("mallory", team_id="T999999999", is_stranger=True)
    house.slack.workspace.channel("#ops").members.add(house.slack.workspace.user("mallory").id)
    mallory = await house.slack.person("mallory").says(f"/velero {CREATE}")
    await mallory.reply("Members of other workspaces can't run commands.")
    await house.grace.says(f"/velero {CREATE}")
    await house.sees("#ops", "backup create b1", "Completed")


async def test_an_answer_whose_response_address_is_spent_is_whispered(house):
    answer = await house.grace.says("/velero backup create b1 --include-namespaces shop --ttl 3x")
    reply = await answer.reply("3x")
    assert reply.ephemeral_for == house.grace.id
