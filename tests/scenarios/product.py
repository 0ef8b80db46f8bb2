"""The whole product as scenarios drive it: an environment, the bot, and methods for what people do and see."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from bot.app import App
from bot.configuration.settings_file import read
from domain.json_types import Json
from sandbox import world as worlds
from sandbox.slack.faults import Faults
from sandbox.slack.person import Person, says
from sandbox.slack.records import Message
from sandbox.world import Place, World
from store.tables.notices import Notice

T = TypeVar("T")

BRISK = """
[delivery]
timeout = 1.0
quarantine = 0.4
history_read_interval = 0.2
duplicate_sweep_after = 1.0
resend_urgent_after = 0.3
card_interval = 0.1
wait_for_results = 2.0
[watching]
check_interval = 0.5
denied_retry_interval = 0.5
stalled_check_interval = 0.3
server_timeout = 0.3
"""
"""As a real bot set to hurry: for scenarios that wait for its periods."""

ANY_NUMBER = 1000

FOLLOWED = {"Backup": "backups", "Restore": "restores", "BackupStorageLocation": "backupstoragelocations"}


class House:
    """`bot` is the running App; `stop()` and `start()` restart it on the same data."""

    def __init__(self, world: World, settings: Path) -> None:
        self.world = world
        self.settings = settings
        self.bot: App | None = None
        for place in world.places.values():
            place.objects.on_change(lambda *_: self.slack.journal.ring())

    @property
    def slack(self):
        return self.world.slack

    @property
    def faults(self) -> Faults:
        return self.slack.faults

    @property
    def prod(self) -> Place:
        return self.world.prod

    @property
    def staging(self) -> Place:
        return self.world.staging

    @property
    def ada(self) -> Person:
        return self.slack.person("ada")

    @property
    def grace(self) -> Person:
        return self.slack.person("grace")

    @property
    def bob(self) -> Person:
        return self.slack.person("bob")

    @property
    def store(self):
        assert self.bot is not None
        return self.bot.store

    @property
    def url(self) -> str:
        assert self.bot is not None
        return f"http://127.0.0.1:{self.bot.port}"

    # the process

    async def start(self, *, in_step: bool = True) -> None:
        """With `in_step`, until it has seen what there is: what comes then is news."""
        settings, rules = read(self.settings)
        self.bot = App(settings, rules, self.settings)
        await self.bot.start()
        self.slack.connect(f"{self.url}/slack/events")
        await self.until(lambda: self.bot.readiness().ready)
        if in_step:
            await self.until(lambda: all(set(FOLLOWED) <= known.in_step for known in self.bot.memories.values()), 60)

    async def stop(self) -> None:
        if self.bot is not None:
            bot, self.bot = self.bot, None
            await bot.stop()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    # waiting

    async def until(self, condition: Callable[[], T], deadline: float = 10.0) -> T:
        """For what rings no bell."""
        async with asyncio.timeout(deadline):
            while not (found := condition()):
                await asyncio.sleep(0.02)
        return found

    async def eventually(self, condition: Callable[[], T], deadline: float = 10.0) -> T:
        return await self.slack.eventually(condition, deadline)

    async def quiet(self, deadline: float = 15.0) -> None:
        """Until the bot has seen all that the clusters show, and said all that it has to say."""
        async with asyncio.timeout(deadline):
            while not (self._in_step() and await self._said_all()):
                await asyncio.sleep(0.02)

    def _in_step(self) -> bool:
        for name, place in self.world.places.items():
            if not self.bot.clusters[name].health.ok:
                continue
            for kind, resource in FOLLOWED.items():
                there = {item["metadata"]["uid"]: phase(item) for item in place.all(resource)}
                if {uid: one.phase for uid, one in self.bot.memories[name].of(kind).items()} != there:
                    return False
        return True

    async def _said_all(self) -> bool:
        def look(tx):
            waiting = tx.inbox.count(), len(tx.outbox.unrouted(1)), len(tx.messages.stale_cards())
            return not any(waiting) and not any(
                count for state, count in tx.notices.counts().items() if state != "dead"
            )

        return await self.store.read(look)

    async def notices(self) -> tuple[Notice, ...]:
        def look(tx):
            rows = tx.connection.execute("SELECT id FROM notice ORDER BY seq").fetchall()
            return tuple(tx.notices.get(row[0]) for row in rows)

        return await self.store.read(look)

    # what can be seen

    def messages(self, channel: str) -> list[Message]:
        return self.slack.workspace.messages(channel)

    def told(self, channel: str, *words: str) -> list[Message]:
        """By the bot, with all these words as they are read."""
        return [m for m in self.messages(channel) if m.by_bot and all(says(m, word) for word in words)]

    async def sees(self, channel: str, *words: str, deadline: float = 10.0) -> Message:
        return (await self.eventually(lambda: self.told(channel, *words), deadline))[0]

    def card(self, line: str, channel: str = "#ops") -> Message:
        return next(m for m in self.told(channel, line) if not m.is_reply)

    def thread(self, of: Message) -> list[Message]:
        return [m for m in self.slack.workspace.messages(of.channel, thread=of.ts) if m.ts != of.ts]

    # what others do

    def backup(self, name: str, *, place: Place | None = None, **spec: Any) -> Json:
        """By hand, past the bot."""
        body = {"includedNamespaces": ["shop"], "storageLocation": "default"} | spec
        return (place or self.prod).objects.create("backups", "velero", {"metadata": {"name": name}, "spec": body})

    async def backed_up(self, name: str, *, place: Place | None = None, **spec: Any) -> Json:
        where = place or self.prod
        self.backup(name, place=where, **spec)
        return await self.ended("backups", name, where)

    async def ended(self, resource: str, name: str, place: Place | None = None) -> Json:
        where = place or self.prod
        ends = {"Completed", "PartiallyFailed", "Failed", "FailedValidation", "Processed"}
        await self.eventually(lambda: phase(where.get(resource, name)) in ends)
        return where.get(resource, name)

    async def in_phase(self, resource: str, name: str, wanted: str, place: Place | None = None) -> None:
        await self.eventually(lambda: phase((place or self.prod).get(resource, name)) == wanted)


def phase(thing: Json | None) -> str:
    return ((thing or {}).get("status") or {}).get("phase", "")


Make = Callable[..., Awaitable[House]]


async def made(
    directory: Path,
    *,
    extra: str = BRISK,
    rules: str = worlds.RULES,
    velero: Any = None,
    listen: str = "127.0.0.1:0",
    posts_per_channel: int = ANY_NUMBER,
    **more: Any,
) -> House:
    """The world runs, and the bot does not yet.

    What happens here in seconds takes minutes elsewhere: few scenarios are about how fast a channel may fill.
    """
    world = await worlds.build(directory, velero=velero or worlds.QUICK, **more)
    world.slack.rates.posts_per_channel = posts_per_channel
    for place in world.places.values():
        for namespace in ("shop", "billing"):
            worlds.application(place.objects, namespace)
    return House(world, worlds.settings(world, directory / "data", extra=extra, rules=rules, listen=listen))
