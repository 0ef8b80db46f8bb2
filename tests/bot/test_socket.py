"""Socket Mode against the emulated Slack: hand-overs, redelivery, dead connections, the end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.listeners import build_bolt_app
from bot.slack.socket import SocketMode, SocketTimeouts, payload_of
from bot.supervise import Loop, Loops
from sandbox.slack.emulator import SlackEmulator

TOKEN, APP_TOKEN = "xoxb-1", "xapp-1"
BRISK = SocketTimeouts(hello=1.0, heartbeat=5.0, linger=1.0, steady=0.0)


@dataclass
class Bot:
    """`gate` holds the listener back until a test lets it go; `heard` are the lines that reached it."""

    app: AsyncApp
    client: AsyncWebClient
    session: aiohttp.ClientSession
    heard: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    loops: Loops = field(default_factory=lambda: Loops(lambda: datetime.now(UTC)))
    loop: Loop | None = None

    def socket(self, patience: SocketTimeouts = BRISK, token: str = APP_TOKEN) -> SocketMode:
        made = SocketMode(self.app, self.client, self.session, lambda: token, patience)
        self.loop = self.loops.start("slack socket", made.round)
        return made


@pytest.fixture
async def slack() -> AsyncIterator[SlackEmulator]:
    slack = SlackEmulator(signing_secret="shh", bot_token=TOKEN, app_token=APP_TOKEN)
    slack.workspace.add_user("ada")
    slack.workspace.add_channel("ops", ["ada"])
    await slack.start()
    yield slack
    await slack.stop()


@pytest.fixture
async def bot(slack) -> AsyncIterator[Bot]:
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(token=TOKEN, base_url=slack.api_url, session=session, retry_handlers=[])
        made = Bot(build_bolt_app(client), client, session)
        made.gate.set()

        @made.app.command("/velero")
        async def velero(ack, body):
            made.heard.append(body["text"])
            await made.gate.wait()
            await ack(f"you said {body['text']}")

        yield made
        await made.loops.stop()


@pytest.fixture
async def connected(slack, bot) -> AsyncIterator[SocketMode]:
    socket = bot.socket()
    await slack.eventually(lambda: slack.sockets.links)
    yield socket
    await socket.close(1.0)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


def says(slack: SlackEmulator, line: str) -> Awaitable:
    return asyncio.ensure_future(slack.person("ada").says(f"/velero {line}", in_="#ops"))


async def test_a_command_is_answered_in_its_acknowledgement(slack, bot, connected):
    answer = await slack.person("ada").says("/velero status", in_="#ops")
    assert (answer.status, answer.text) == (200, "you said status")
    assert connected.fault == ""


async def test_at_a_warning_the_next_connection_is_there_before_the_old_one_ends(slack, bot, connected):
    await slack.sockets.disconnect("warning")
    await slack.eventually(lambda: len(slack.sockets.links) == 2)
    answers = [await slack.person("ada").says(f"/velero {n}", in_="#ops") for n in range(4)]
    assert [answer.body["text"] for answer in answers] == [f"you said {n}" for n in range(4)]
    await slack.eventually(lambda: len(slack.sockets.links) == 1)


@pytest.mark.parametrize("end", ["refresh_requested", "drop"])
async def test_a_running_command_survives_the_end_of_its_connection(slack, bot, connected, end):
    bot.gate.clear()
    asked = says(slack, "backup create")
    await until(lambda: bot.heard)
    await (slack.sockets.drop() if end == "drop" else slack.sockets.disconnect(end))
    await slack.eventually(lambda: slack.sockets.links)
    bot.gate.set()
    answer = await asked
    assert (answer.status, answer.text) == (200, "you said backup create")


async def test_requests_during_a_disconnect_are_redelivered(slack, bot):
    """Slack had sent it, and the bot was gone before it could say so."""
    slack.ack_limit = 10
    first = bot.socket()
    await slack.eventually(lambda: slack.sockets.links)
    bot.gate.clear()
    asked = says(slack, "status")
    await until(lambda: bot.heard)
    await bot.loops.stop()
    for link in list(slack.sockets.links):
        await link.socket.close()
    await first.close(0.01)
    bot.gate.set()
    bot.loops = Loops(lambda: datetime.now(UTC))
    second = bot.socket()
    answer = await asked
    assert answer.text == "you said status"
    assert [sent["retry_attempt"] for sent in slack.sockets.sent][-1] == 1
    await second.close(1.0)


async def test_events_are_acknowledged_without_a_payload(slack, bot, connected):
    @bot.app.event("app_mention")
    async def mentioned(say):
        await say("hello")

    answer = await slack.person("ada").mentions("@velero hi", in_="#ops")
    assert (await answer.reply()).text == "hello"
    assert answer.ack.body is None


async def test_at_shutdown_running_requests_are_acknowledged_and_no_new_ones_accepted(slack, bot, connected):
    bot.gate.clear()
    asked = says(slack, "status")
    await until(lambda: bot.heard)
    closing = asyncio.create_task(connected.close(2.0))
    await asyncio.sleep(0)
    slack.ack_limit = 0.3
    late = await slack.person("ada").says("/velero late", in_="#ops")
    bot.gate.set()
    await closing
    assert (await asked).body["text"] == "you said status"
    assert late.error
    assert bot.heard == ["status"]
    assert connected.connections == 0


async def test_a_wrong_token_is_named(slack, bot):
    socket = bot.socket(token="xapp-wrong")
    await until(lambda: bot.loop.reason)
    assert socket.fault == "Slack refuses a Socket Mode connection: invalid_auth."


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("link_disabled", "Socket Mode is turned off for the Slack app."),
        ("too_many_websockets", "Slack already has ten connections for this app. Stop other instances of the bot."),
    ],
)
async def test_an_error_that_needs_an_operator_is_reported_and_retried_slowly(slack, bot, connected, reason, words):
    await slack.sockets.disconnect(reason)
    await until(lambda: bot.loop.reason)
    assert connected.fault == words
    assert len(slack.journal.of("socket.opened")) == 1


async def test_connections_that_end_at_once_are_opened_less_and_less_often(slack, bot):
    socket = bot.socket(SocketTimeouts(steady=60.0, max_short=2, linger=0.1))
    for count in (1, 2, 3):
        await slack.eventually(
            lambda want=count: len(slack.journal.of("socket.opened")) == want and slack.sockets.links
        )
        await slack.sockets.disconnect("refresh_requested")
    await until(lambda: bot.loop.reason)
    assert len(slack.journal.of("socket.opened")) == 3
    await socket.close(0.1)


def deaf(greeting: dict | None) -> tuple[web.Application, list[web.WebSocketResponse]]:
    """A server that greets, then neither speaks nor answers pings."""
    opened: list[web.WebSocketResponse] = []

    async def socket(request: web.Request) -> web.StreamResponse:
        made = web.WebSocketResponse(autoping=False, timeout=0.1)
        await made.prepare(request)
        opened.append(made)
        if greeting is not None:
            await made.send_json(greeting)
        with suppress(asyncio.CancelledError):
            async for _ in made:
                pass
        return made

    async def address(request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "url": f"http://{request.host}/socket".replace("http", "ws")})

    app = web.Application()
    app.router.add_get("/socket", socket)
    app.router.add_post("/api/apps.connections.open", address)
    return app, opened


@pytest.mark.parametrize("greeting", [{"type": "hello"}, None])
async def test_a_connection_that_says_nothing_is_replaced(bot, greeting):
    app, opened = deaf(greeting)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    bot.client = AsyncWebClient(
        token=TOKEN, base_url=f"http://127.0.0.1:{runner.addresses[0][1]}/api/", session=bot.session, retry_handlers=[]
    )
    socket = bot.socket(SocketTimeouts(hello=0.1, heartbeat=0.1, linger=0.1, steady=0.0))
    await until(lambda: len(opened) >= 2)
    await socket.close(0.1)
    await bot.loops.stop()
    await runner.cleanup()


async def test_an_address_that_is_not_encrypted_is_not_used(bot):
    app, opened = deaf({"type": "hello"})
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    bot.client.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    socket = SocketMode(bot.app, _SaysHttps(bot.client), bot.session, lambda: APP_TOKEN, BRISK)
    bot.loop = bot.loops.start("slack socket", socket.round)
    await until(lambda: bot.loop.reason)
    assert socket.fault == "Slack returned an unencrypted Socket Mode address."
    assert opened == []
    await runner.cleanup()


class _SaysHttps(AsyncWebClient):
    """Reached without TLS by the test, and taken for a client of the real Slack."""

    def __init__(self, client: AsyncWebClient) -> None:
        super().__init__(token=TOKEN, base_url="https://slack.com/api/", session=client.session, retry_handlers=[])
        self._client = client

    async def apps_connections_open(self, **given):
        return await self._client.apps_connections_open(**given)


@pytest.mark.parametrize(
    ("status", "body", "content_type", "payload"),
    [
        (200, "", "text/plain", {}),
        (200, "hello", "text/plain", {"text": "hello"}),
        (200, '{"response_action":"clear"}', "application/json", {"response_action": "clear"}),
        (404, '{"error":"unhandled request"}', "application/json", None),
        (500, "", "text/plain", None),
    ],
)
def test_what_bolt_answers_is_the_payload(status, body, content_type, payload):
    answer = BoltResponse(status=status, body=body, headers={"content-type": content_type})
    assert payload_of(answer) == payload
