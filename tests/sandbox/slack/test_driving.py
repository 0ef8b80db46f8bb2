"""People act, the bot answers: one command, button or mention through the emulator."""

import asyncio

import pytest

from sandbox.slack.journal import NotSeen
from sandbox.slack.words import controls


def button(text: str, action: str, **more) -> dict:
    return {"type": "button", "text": {"type": "plain_text", "text": text}, "action_id": action, **more}


def with_buttons(*buttons: dict) -> list[dict]:
    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": "Restore *shop*?"}},
        {"type": "actions", "elements": list(buttons)},
    ]


async def test_a_command_reaches_the_bot_as_slack_sends_it(slack, bot):
    seen = {}

    @bot.app.command("/velero")
    async def velero(ack, body):
        seen.update(body)
        await ack("on it")

    ada = slack.person("ada")
    answer = await ada.says("/velero backup get shop", in_="#ops")

    assert (answer.status, answer.body, answer.error) == (200, "on it", "")
    assert [m.text for m in answer.ephemerals] == ["on it"]
    assert seen["text"] == "backup get shop"
    assert seen["user_id"] == ada.id
    assert seen["channel_name"] == "ops"
    assert not slack.person("grace").was_told("on it")


async def test_what_is_typed_arrives_escaped(slack, bot):
    texts = []

    @bot.app.command("/velero")
    async def velero(ack, body):
        texts.append(body["text"])
        await ack()

    ada = slack.person("ada")
    await ada.says("/velero ask @grace in #ops and #vault about a<b & https://example.com/x or velero.io", in_="#ops")
    await ada.says('/velero backup create x --labels "a=b"', in_="#ops", phone=True)
    await ada.says("/velero <@U1> & raw", in_="#ops", raw=True)

    grace, ops, vault = slack.person("grace").id, slack.workspace.channel("ops").id, slack.workspace.channel("vault").id
    assert texts == [
        (
            f"ask <@{grace}|grace> in <#{ops}|ops> and <#{vault}|> about a&lt;b &amp; <https://example.com/x>"
            " or <http://velero.io|velero.io>"
        ),
        "backup create x —labels “a=b”",
        "<@U1> & raw",
    ]


async def test_a_private_channel_and_a_direct_message_have_no_name(slack, bot):
    names = []

    @bot.app.command("/velero")
    async def velero(ack, body):
        names.append(body["channel_name"])
        await ack()

    await slack.person("ada").says("/velero status", in_="#vault")
    await slack.person("ada").says("/velero status", in_="@velero")
    assert names == ["privategroup", "directmessage"]


async def test_silence_for_too_long_is_told_to_the_person(slack, bot):
    slack.ack_limit = 0.05
    done = asyncio.Event()

    @bot.app.command("/velero")
    async def velero(ack):
        await done.wait()
        await ack("late")

    answer = await slack.person("ada").says("/velero status", in_="#ops")
    done.set()
    assert answer.error == "operation_timeout"
    assert slack.person("ada").was_told("/velero failed with the error “operation_timeout”")


async def test_an_unknown_command_is_a_dispatch_failure(slack, bot):
    answer = await slack.person("ada").says("/nothing", in_="#ops")
    assert (answer.status, answer.error) == (404, "dispatch_failed")


async def test_a_bot_that_is_down(slack):
    slack.connect("http://127.0.0.1:1/slack")
    answer = await slack.person("ada").says("/velero status", in_="#ops")
    assert (answer.status, answer.error) == (0, "dispatch_failed")


async def test_the_wrong_secret_is_refused_by_the_bot(slack, bot):
    slack.transport().secret = "wrong"
    answer = await slack.person("ada").says("/velero status", in_="#ops")
    assert answer.status == 401


async def test_a_button_is_pressed_as_soon_as_it_can_be_seen(slack, bot):
    pressed = {}

    @bot.app.command("/velero")
    async def velero(ack, client, body):
        await ack()
        await client.chat_postMessage(
            channel=body["channel_id"], text="Restore shop?", blocks=with_buttons(button("Approve", "ok", value="op1"))
        )

    @bot.app.action("ok")
    async def approve(ack, body, respond):
        pressed.update(body)
        await ack()
        await respond(text="Approved", replace_original=True)

    plan = await slack.person("ada").says("/velero restore create", in_="#ops")
    click = await slack.person("grace").clicks("Approve", on=plan)

    assert click.status == 200
    assert pressed["actions"][0]["value"] == "op1"
    assert pressed["message"]["text"] == "Restore shop?"
    assert pressed["container"]["message_ts"] == pressed["message"]["ts"]
    assert pressed["user"]["id"] == slack.person("grace").id
    assert [m.text for m in slack.messages("#ops")] == ["Approved"]
    assert not list(controls(slack.messages("#ops")[0].blocks))


async def test_an_entry_of_an_overflow_menu(slack, bot):
    chosen = []

    @bot.app.action("more")
    async def more(ack, body):
        chosen.append(body["actions"][0]["selected_option"]["value"])
        await ack()

    entries = [{"text": {"type": "plain_text", "text": text}, "value": text.lower()} for text in ("Describe", "Logs")]
    menu = {"type": "overflow", "action_id": "more", "options": entries}
    await bot.client.chat_postMessage(
        channel=slack.workspace.channel("ops").id,
        text="x",
        blocks=[{"type": "divider"}, {"type": "actions", "elements": [menu]}],
    )
    await slack.person("ada").clicks("Logs")
    await slack.person("ada").clicks("more", choose="Describe")
    assert chosen == ["logs", "describe"]


async def test_only_what_others_say_is_told(slack, bot):
    ada = slack.person("ada")
    await ada.mentions("is shop <safe>?", in_="#ops")
    assert not ada.was_told("safe")
    await bot.client.chat_postMessage(channel="#ops", text="shop &lt;safe&gt;")
    assert ada.was_told("<safe>")


async def test_a_stale_button_is_pressed_on_the_message_as_it_was(slack, bot):
    pressed = []

    @bot.app.action("ok")
    async def approve(ack, body):
        pressed.append(body["message"]["text"])
        await ack()

    channel = slack.workspace.channel("ops").id
    sent = await bot.client.chat_postMessage(channel=channel, text="v1", blocks=with_buttons(button("Go", "ok")))
    old = slack.messages("#ops")[0]
    await bot.client.chat_update(channel=channel, ts=sent["ts"], text="v2")

    with pytest.raises(NotSeen):
        await slack.person("ada").clicks("Go", on=old, deadline=0.01)
    await slack.person("ada").clicks("Go", on=old, stale=True)
    assert pressed == ["v1"]


async def test_a_mention_in_a_thread(slack, bot):
    events = []

    @bot.app.event("app_mention")
    async def mentioned(event, say):
        events.append(event)
        await say(text="all is well", thread_ts=event["thread_ts"])

    ada = slack.person("ada")
    root = (await ada.mentions("something is slow", in_="#ops")).message
    answer = await ada.mentions("@velero status", in_="#ops", thread=root)

    reply = await answer.reply("all is well")
    assert events[0]["text"] == f"<@{slack.workspace.bot.id}> status"
    assert events[0]["thread_ts"] == root.ts == reply.thread_ts
    assert slack.person("mallory").was_told("all is well")


async def test_an_edited_mention_is_told_again_with_the_same_ts(slack, bot):
    seen = []

    @bot.app.event("app_mention")
    async def mentioned(event):
        seen.append((event["ts"], "edited" in event))

    ada = slack.person("ada")
    first = await ada.mentions("@velero statu", in_="#ops")
    await ada.edits(first.message, "@velero status")
    assert seen == [(first.message.ts, False), (first.message.ts, True)]


async def test_a_direct_message(slack, bot):
    texts = []

    @bot.app.event("message")
    async def heard(event):
        texts.append((event["channel_type"], event["text"]))

    await slack.person("ada").writes("status")
    assert texts == [("im", "status")]


async def test_talk_that_does_not_name_the_bot_is_not_sent(slack, bot):
    assert (await slack.person("ada").mentions("lunch?", in_="#ops")).ack.reason == "not addressed"
    assert (
        await slack.person("ada").mentions("@velero hi", in_="#lounge")
    ).ack.reason == "the bot isn't in this channel"


async def test_the_request_url_is_verified_by_its_challenge(slack, bot):
    ack = await slack.verify_url()
    assert ack.status == 200
    assert ack.body["challenge"].startswith("X")


async def test_waiting_for_what_does_not_come_tells_what_did(slack):
    slack.workspace.post(slack.workspace.channel("ops").id, slack.workspace.bot.id, "hello")
    with pytest.raises(NotSeen, match=r"message\.posted.*hello"):
        await slack.person("ada").hears("goodbye", deadline=0.01)
