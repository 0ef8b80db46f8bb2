"""`world`: a real store, a delivery with a clock of its own, and receivers that answer as a test says."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from domain.event import Event, Severity
from notifier.deliver.outward import Receiver
from notifier.deliver.webhooks import WebhookDelivery
from notifier.route import Route, Wiring
from notifier.telling import Teller
from store.notices import NoticeState
from store.writer import Store
from tests.bot.hooks.receiver import Receiver as Server

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
        wiring = lambda: Wiring(self.routes)  # noqa: E731
        self.teller = Teller(self.store, wiring, lambda: self.now, lambda: None)

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
        self.store = await Store.open(self.directory, self.now, ballast=0)
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


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    directory = tmp_path / "data"
    made = World(directory, await Store.open(directory, START, ballast=0))
    yield made
    await made.delivery.close()
    for server in made.servers:
        await server.stop()
    await made.store.close()


@pytest.fixture
def time_machine_at():
    import time_machine

    return lambda moment: time_machine.travel(moment, tick=False)
