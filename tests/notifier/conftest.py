"""`world`: a real store, a delivery with a clock of its own, and receivers that answer as a test says.

`house`: the delivery to Slack's emulator, which counts by the same clock and at Slack's real figures.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import aiohttp
import pytest

from domain.event import Event, Severity
from notifier.deliver.history import ChannelHistory
from notifier.deliver.http_client import Receiver
from notifier.deliver.rate_limit import RateLimiter
from notifier.deliver.reconcile import Reconciler
from notifier.deliver.slack import OutgoingMessage, SlackDelivery, Timing
from notifier.deliver.slack_client import LimitedClient
from notifier.deliver.webhooks import WebhookDelivery
from notifier.render.answers import Rendered
from notifier.route import Route, RoutingTable
from notifier.router import EventRouter
from sandbox.slack.emulator import SlackEmulator
from store.tables.notices import NoticeState
from store.writer import Store
from tests.bot.webhooks.receiver import Receiver as Server

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HERE = ("127.0.0.0/8",)


@dataclass
class World:
    directory: Path
    store: Store
    now: datetime = START
    receivers: dict = field(default_factory=dict)
    routes: tuple = ()
    servers: list = field(default_factory=list)

    def __post_init__(self) -> None:
        self.delivery = WebhookDelivery(self.store, lambda: self.receivers, lambda: self.now, Random(1))
        wiring = lambda: RoutingTable(self.routes)  # noqa: E731
        self.teller = EventRouter(self.store, wiring, lambda: self.now, lambda: None)

    async def server(self, name: str, kind: str = "webhook", **more) -> Server:
        server = await Server(**{key: more.pop(key) for key in ("answers", "delay") if key in more}).start()
        self.servers.append(server)
        settings = {"url": server.url, "secrets": (SECRET,), "allow": HERE, "timeout": 2.0} | more
        self.receivers[kind, name] = Receiver(name, kind, **settings)
        self.routes += (Route(name, kind, (name,), routine=kind == "webhook"),)
        return server

    async def happens(self, *events: Event) -> None:
        await self.store.write(lambda tx: [tx.outbox.add(event) for event in events])
        await self.teller.round()

    async def delivers(self, rounds: int = 20) -> None:
        """Until nothing is due."""
        for _ in range(rounds):
            if await self.delivery.round():
                return

    async def restarts(self) -> None:
        """On the same data."""
        await self.delivery.close()
        await self.store.close()
        self.store = await Store.open(self.directory, self.now, reserve_bytes=0)
        self.__post_init__()

    async def later(self, **span: float) -> None:
        self.now += timedelta(**span)
        await self.delivers()

    async def states(self) -> list[NoticeState]:
        return [notice.state for notice in await self.notices()]

    async def notices(self):
        def look(tx):
            rows = tx.connection.execute("SELECT id FROM notice ORDER BY seq").fetchall()
            return [tx.notices.get(row[0]) for row in rows]

        return await self.store.read(look)


def event(kind="backup.failed", name="b1", at=START, severity=Severity.FAILURE, **more) -> Event:
    noun, _, what = kind.partition(".")
    facts = {"phase": what, "namespaces": ["shop"], **more.pop("facts", {})}
    values = {"cluster": "prod", "cluster_uid": "c-1", "object_uid": f"uid-{name}", "transition": what} | more
    return Event(
        kind=kind, object_kind=noun.capitalize(), object_name=name, at=at, severity=severity, facts=facts, **values
    )


class Pen:
    """Draws every notice for the channel that it is addressed to, but those that a test says otherwise of."""

    def __init__(self) -> None:
        self.fails_at: set[str] = set()
        self.silent_at: set[str] = set()
        self.drawn: list[str] = []

    async def build(self, notice, _event) -> OutgoingMessage | None:
        self.drawn.append(notice.id)
        if notice.id in self.fails_at:
            raise KeyError("phase")
        if notice.id in self.silent_at:
            return None
        role = notice.body.get("role", "news")
        return OutgoingMessage(notice.address, Rendered(notice.id, ()), notice.body.get("thread", ""), role=role)


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


@dataclass
class House:
    clock: Clock
    slack: SlackEmulator
    store: Store
    limiter: RateLimiter
    client: LimitedClient
    pen: Pen = field(default_factory=Pen)

    def __post_init__(self) -> None:
        clock, timing = self.clock, Timing()
        self.delivery = SlackDelivery(self.store, self.client, self.pen, self.limiter, clock, timing)
        history = ChannelHistory(self.client, self.limiter, clock, timing.read_gap, timing.timeout)
        self.reconciler = Reconciler(self.store, self.client, self.delivery, history, clock, timing)

    def later(self, **span: float) -> None:
        self.clock.now += timedelta(**span)

    async def has(self, *names: str, channel: str = "#ops", lane: str = "", priority: int = 20, **body) -> None:
        told, address = event(), self.slack.workspace.channel(channel).id

        def add(tx):
            tx.outbox.add(told)
            for name in names:
                more = {"role": "news"} | body
                tx.notices.add(name, told.id, "slack", address, lane, more, self.clock.now, priority=priority)

        await self.store.write(add)

    async def delivers(self) -> float:
        """Until nothing more leaves with the clock standing still; how long the delivery then wants to rest."""
        while not (rest := await self.delivery.round()):
            pass
        return rest

    async def notice(self, name: str):
        return await self.store.read(lambda tx: tx.notices.get(name))

    async def state(self, *names: str) -> list[NoticeState]:
        return [(await self.notice(name)).state for name in names]

    def calls(self, method: str, status: int | None = None) -> int:
        return sum(1 for each in self.slack.called(method) if status in {None, each.status})

    def texts(self, channel: str = "#ops") -> list[str]:
        return [message.text for message in self.slack.workspace.messages(channel)]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "slack", START, reserve_bytes=0)
    yield store
    await store.close()


@pytest.fixture
async def house(store: Store) -> AsyncIterator[House]:
    clock = Clock()
    slack = SlackEmulator(signing_secret="s", bot_token="xoxb-1", app_token="xapp-1", now=clock)
    slack.workspace.add_user("ada")
    for name in ("ops", "incidents", "approvals"):
        slack.workspace.add_channel(name, ["ada"])
    await slack.start()
    limiter = RateLimiter(clock)
    async with aiohttp.ClientSession() as session:
        client = LimitedClient(limiter, token="xoxb-1", base_url=slack.api_url, session=session, retry_handlers=[])
        made = House(clock, slack, store, limiter, client)
        yield made
        await made.delivery.close()
    await slack.stop()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    directory = tmp_path / "data"
    made = World(directory, await Store.open(directory, START, reserve_bytes=0))
    yield made
    await made.delivery.close()
    for server in made.servers:
        await server.stop()
    await made.store.close()


@pytest.fixture
def time_machine_at():
    import time_machine

    return lambda moment: time_machine.travel(moment, tick=False)
