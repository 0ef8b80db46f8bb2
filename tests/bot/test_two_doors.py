"""Requests over HTTP and over a socket are stored as the same row; a slash command takes two paths through the code."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from slack_sdk.web.async_client import AsyncWebClient

from bot.http import HttpServer, Readiness
from bot.intake import Intake
from bot.slack.forms import Forms
from bot.slack.listeners import Listeners, build_bolt_app
from bot.slack.socket import SocketMode
from bot.supervise import Loops
from sandbox.slack import payloads
from sandbox.slack.delivery import COMMAND, EVENT, Ack, Transport
from sandbox.slack.emulator import SlackEmulator
from store.tables.inbox import Item
from store.writer import Store

TOKEN, APP_TOKEN, SECRET = "xoxb-1", "xapp-1", "shh"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Bot:
    """The way in alone: listeners, intake and store, behind both doors."""

    def __init__(self, slack: SlackEmulator, session: aiohttp.ClientSession, store: Store) -> None:
        client = AsyncWebClient(token=TOKEN, base_url=slack.api_url, session=session, retry_handlers=[])
        self.store = store
        self.app = build_bolt_app(client)
        aliases = {"/velero": "", "/backup": "backup"}
        listeners = Listeners(
            Intake(store, lambda: NOW, lambda: None),
            Forms(client),
            aliases,
            lambda: "U1",
            lambda _: "prod",
            lambda _: None,
        )
        listeners.register(self.app)
        self.door = HttpServer(self.app, lambda: (SECRET,), lambda: Readiness({}), slash=listeners.slash)
        self.socket = SocketMode(self.app, client, session, lambda: APP_TOKEN)

    async def rows(self) -> list[Item]:
        return [*await self.store.write(lambda tx: tx.inbox.next(10))]


class Doors:
    """Two bots, one behind each door, that are sent the same."""

    def __init__(self, slack: SlackEmulator, ways: list[tuple[Bot, Transport]]) -> None:
        self.slack, self._ways = slack, ways

    async def send(self, kind: str, payload: dict) -> list[Ack]:
        return [await transport.send(kind, payload) for _, transport in self._ways]

    async def rows(self) -> list[list[Item]]:
        return [await bot.rows() for bot, _ in self._ways]

    def command(self, command: str, text: str) -> dict:
        workspace = self.slack.workspace
        return payloads.slash_command(self.slack.site, workspace.user("ada"), workspace.channel("#ops"), command, text)


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    slack = SlackEmulator(signing_secret=SECRET, bot_token=TOKEN, app_token=APP_TOKEN)
    slack.workspace.add_user("ada")
    slack.workspace.add_channel("ops", ["ada"])
    await slack.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(slack.stop)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        bots = []
        for name in ("http", "socket"):
            store = await Store.open(tmp_path / name, NOW, reserve_bytes=0)
            stack.push_async_callback(store.close)
            bots.append(Bot(slack, session, store))
        server = await stack.enter_async_context(TestServer(bots[0].door.application("/slack/events")))
        loops = Loops(lambda: NOW)
        stack.push_async_callback(loops.stop)
        loops.start("slack socket", bots[1].socket.round)
        await slack.eventually(lambda: slack.sockets.links)
        stack.push_async_callback(bots[1].socket.close, 1.0)
        by_http = slack.connect(str(server.make_url("/slack/events")))
        yield Doors(slack, [(bots[0], by_http), (bots[1], slack.sockets)])


LINES = [
    "backup create b1 --include-namespaces shop",
    "",
    "help",
    "backup create b1 --labels a=b&amp;c=&lt;d&gt; --reason “it’s 100% + more; a=b&c”",
    "backup get --created-by <@U000000004|grace>   ",
    "\u00a0backup\u200b get\n--since 7d",
    "backup create b1 --labels password=hunter22",
    "x" * 3000,
    "schedule create n --schedule '*/5 * * * *' --include-namespaces ü,名前",
]


@pytest.mark.parametrize("command", ["/velero", "/backup"])
@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
async def test_a_slash_command_is_the_same_row_by_either_door(doors, command, line):
    acks = await doors.send(COMMAND, doors.command(command, line))
    assert [(ack.ok, ack.body or None) for ack in acks] == [(True, None)] * 2
    ((by_http,), (by_socket,)) = await doors.rows()
    assert by_http == by_socket
    assert by_http.source == "command"


async def test_the_same_twice_is_one_row_by_either_door(doors):
    payload = doors.command("/velero", "status")
    await doors.send(COMMAND, payload)
    await doors.send(COMMAND, payload)
    assert [len(rows) for rows in await doors.rows()] == [1, 1]


async def test_a_mention_too(doors):
    said = {"type": "app_mention", "user": "U2", "team": "T1", "text": "<@U1> status", "ts": "17.1", "channel": "C1"}
    await doors.send(EVENT, payloads.event(doors.slack.site, said))
    ((by_http,), (by_socket,)) = await doors.rows()
    assert by_http == by_socket
    assert by_http.payload["line"] == "status"
