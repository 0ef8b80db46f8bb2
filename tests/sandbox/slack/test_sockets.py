"""Socket Mode with the real client: hello, envelopes, hand-overs, redelivery."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient


@pytest.fixture
async def link(slack, bot) -> AsyncIterator[AsyncSocketModeHandler]:
    slack.socket_mode = True
    handler = AsyncSocketModeHandler(bot.app, "xapp-1", web_client=bot.client)
    await handler.connect_async()
    await slack.eventually(lambda: slack.journal.of("socket.opened"))
    yield handler
    await handler.close_async()


async def test_a_command_comes_down_the_socket(slack, bot, link):
    @bot.app.command("/velero")
    async def velero(ack, body):
        await ack(f"you said {body['text']}")

    answer = await slack.person("ada").says("/velero status", in_="#ops")
    assert (answer.status, answer.text) == (200, "you said status")
    assert slack.sockets.sent[0]["accepts_response_payload"] is True


async def test_a_form_is_answered_through_the_socket(slack, bot, link):
    @bot.app.event("app_mention")
    async def mentioned(say):
        await say("hello")

    answer = await slack.person("ada").mentions("@velero hi", in_="#ops")
    assert (await answer.reply()).text == "hello"


async def test_nobody_connected(slack, bot):
    slack.socket_mode = True
    answer = await slack.person("ada").says("/velero status", in_="#ops")
    assert answer.error == "dispatch_failed"


async def test_the_client_comes_back_after_a_refresh(slack, bot, link):
    @bot.app.command("/velero")
    async def velero(ack):
        await ack("still here")

    await slack.sockets.disconnect("refresh_requested")
    await slack.eventually(lambda: len(slack.journal.of("socket.opened")) == 2 and slack.sockets.links)
    answer = await slack.person("ada").says("/velero status", in_="#ops")
    assert answer.text == "still here"


async def open_by_hand(slack, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    opened = await AsyncWebClient(token="xapp-1", base_url=slack.api_url, session=session).apps_connections_open(
        app_token="xapp-1"
    )
    socket = await session.ws_connect(opened["url"])
    assert (await socket.receive_json())["type"] == "hello"
    return socket


async def test_what_was_not_acknowledged_is_sent_to_the_next_connection(slack):
    slack.ack_limit = 0.05
    async with aiohttp.ClientSession() as session:
        first = await open_by_hand(slack, session)
        answer = await slack.person("ada").says("/velero status", in_="#ops")
        sent = await first.receive_json()
        await first.close()
        await slack.eventually(lambda: slack.journal.of("socket.closed"))
        second = await open_by_hand(slack, session)
        again = await second.receive_json()
        await second.send_json({"envelope_id": again["envelope_id"]})
        await slack.eventually(lambda: slack.journal.of("socket.acked"))
        await second.close()

    assert answer.error == "operation_timeout"
    assert again["envelope_id"] == sent["envelope_id"]
    assert (sent["retry_attempt"], again["retry_attempt"]) == (0, 1)


async def test_or_to_the_other_one(slack):
    async with aiohttp.ClientSession() as session:
        pair = [await open_by_hand(slack, session), await open_by_hand(slack, session)]
        answer = asyncio.create_task(slack.person("ada").says("/velero status", in_="#ops"))
        await slack.eventually(lambda: slack.sockets.sent)
        holder = next(n for n, link in enumerate(slack.sockets.links) if link.unacked)
        await pair[holder].close()
        other = pair[1 - holder]
        envelope = await other.receive_json()
        await other.send_json({"envelope_id": envelope["envelope_id"], "payload": {"text": "done"}})
        assert (await answer).text == "done"
        await other.close()


async def test_ten_connections_at_most(slack):
    async with aiohttp.ClientSession() as session:
        open_ones = [await open_by_hand(slack, session) for _ in range(10)]
        ticket = await AsyncWebClient(token="xapp-1", base_url=slack.api_url, session=session).apps_connections_open(
            app_token="xapp-1"
        )
        eleventh = await session.ws_connect(ticket["url"])
        assert (await eleventh.receive_json())["reason"] == "too_many_websockets"
        for socket in [*open_ones, eleventh]:
            await socket.close()


async def test_a_ticket_opens_one_connection(slack):
    async with aiohttp.ClientSession() as session:
        ticket = await AsyncWebClient(token="xapp-1", base_url=slack.api_url, session=session).apps_connections_open(
            app_token="xapp-1"
        )
        socket = await session.ws_connect(ticket["url"])
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(ticket["url"])
        await socket.close()


async def test_the_bot_token_opens_no_connection(client):
    with pytest.raises(SlackApiError, match="not_allowed_token_type"):
        await client.apps_connections_open(app_token="xoxb-1")
