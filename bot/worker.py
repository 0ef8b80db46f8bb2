"""Takes what the inbox holds, in order per lane and side by side over lanes, and sees each item through."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from bot.logs import REFERENCE
from bot.metrics import COMMANDS, INBOX_WAITING
from bot.supervise import run_contained
from domain.errors import ChatopsError, ConcurrentChange, StoreError
from store.tables.failed_items import ItemKind, Subject
from store.tables.inbox import Item
from store.transaction import Transaction
from store.writer import Store

log = logging.getLogger(__name__)

MAX_CONCURRENT_ITEMS = 16
MAX_ATTEMPTS = 3
"""An item that fails so often, or ends the process so often, is set aside, and the person told."""
SUSPECT_ALONE = 5.0
"""Seconds. An item that was claimed before may be what ended the process: the next such item starts so long after it."""
PROBATION = 5.0
"""Seconds that the process has to live before such an item gets its last try: what dies sooner dies of something else,
and the item is not blamed for it."""
RECORD_AGAIN = 1.0


class ItemProcessor(Protocol):
    """Sees one kind of item through; returns in a word how it ended. Raises only what nobody foresaw."""

    async def process(self, item: Item) -> str: ...


class Crashed(ChatopsError):
    """The process ended while it was worked on, each time."""


class Worker:
    """`desks` by the item's source. `aside` tells the person of an item that could not be done."""

    def __init__(
        self,
        store: Store,
        desks: Mapping[str, ItemProcessor],
        now: Callable[[], datetime],
        aside: Callable[[Item, str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._desks = desks
        self._now = now
        self._aside = aside
        self._under_way: set[asyncio.Task[None]] = set()
        self._unrecorded: dict[int, Callable[[Transaction], None]] = {}
        self._suspect: asyncio.Task[None] | None = None
        self._suspect_since = 0.0
        self._began: float | None = None
        self.probation = PROBATION
        self._room = asyncio.Event()
        self.wake: Callable[[], None] = self._room.set
        """Rung when a lane becomes free; replaced by the loop's own bell."""
        self.stopping = False

    async def round(self) -> float | None:
        """Claims what can be claimed; comes back when woken by the intake or by a finished item.

        First what could not be recorded is: an item whose end is not on the disk holds its lane.
        """
        for seq, change in tuple(self._unrecorded.items()):
            await self._store.write(suppressing_lost(change))
            del self._unrecorded[seq]
        if self.stopping:
            return None
        room = MAX_CONCURRENT_ITEMS - len(self._under_way)
        if room <= 0:
            self._room.clear()
            await self._room.wait()
            return 0
        suspects, spared = self._takes_suspects(), self._spared()
        items = await self._store.write(lambda tx: tx.inbox.next(room, suspects=suspects, spared=spared))
        for item in items:
            self._start(item)
        return 0 if len(items) == room else 5.0

    def _takes_suspects(self) -> bool:
        if self._suspect is None or self._suspect.done():
            return True
        return asyncio.get_running_loop().time() - self._suspect_since >= SUSPECT_ALONE

    def _spared(self) -> int | None:
        """Suspects with so many attempts wait: while the process is young, those whose next one is the last."""
        now = asyncio.get_running_loop().time()
        self._began = self._began if self._began is not None else now
        return MAX_ATTEMPTS - 1 if now - self._began < self.probation else None

    def _start(self, item: Item) -> None:
        task = asyncio.create_task(self._see_through(item))
        if item.attempts > 1:
            self._suspect, self._suspect_since = task, asyncio.get_running_loop().time()
        self._under_way.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._room.set()
        self.wake()

    async def _see_through(self, item: Item) -> None:
        REFERENCE.set(reference(item))
        try:
            await self._worked_on(item)
        except asyncio.CancelledError:
            # Stopped in order: the next start takes it again, and this try is not held against it.
            await self._record(item, lambda tx: tx.inbox.release(item.seq, counted=False))
            raise

    async def _worked_on(self, item: Item) -> None:
        if item.attempts > MAX_ATTEMPTS:
            crashed = Crashed(f"the bot ended {item.attempts - 1} times while it worked on this")
            # Once more than that, and it was the telling that ended the process.
            await self._set_aside(item, crashed, told=item.attempts == MAX_ATTEMPTS + 1)
            return
        result = "failed"

        async def work() -> None:
            nonlocal result
            result = await self._desks[item.source].process(item)

        while (fault := await run_contained(work())) is not None:
            if item.attempts >= MAX_ATTEMPTS:
                await self._set_aside(item, fault, told=True)
                return
            again = await self._another_attempt(item)
            if again is None:
                return
            item = again
        await self._record(item, lambda tx: tx.inbox.done(item.seq, result, self._now()))
        self._count(item, result)

    async def _another_attempt(self, item: Item) -> Item | None:
        """Counted before the work. None where it cannot be: then it waits, for its turn."""
        await asyncio.sleep(0.2 * item.attempts)
        try:
            await self._store.write(lambda tx: tx.inbox.count_attempt(item.seq))
        except StoreError:
            await self._record(item, lambda tx: tx.inbox.release(item.seq))
            return None
        return replace(item, attempts=item.attempts + 1)

    async def _set_aside(self, item: Item, fault: Exception, *, told: bool) -> None:
        """Its lane goes on without it; `items retry` brings it back."""
        if told:
            await run_contained(self._aside(item, reference(item)))
        subject = Subject(ItemKind.COMMAND, str(item.seq), f"{item.source} {reference(item)}")
        log.error("%s was set aside", subject.text, extra={"facts": {"attempts": item.attempts, "fault": repr(fault)}})

        def record(tx: Transaction) -> None:
            tx.inbox.done(item.seq, "failed", self._now(), keep=True)
            tx.failed_items.add(subject, fault, self._now(), automatic=False)

        await self._record(item, record)
        self._count(item, "failed")

    async def _record(self, item: Item, change: Callable[[Transaction], None]) -> None:
        """Where the store does not take it (a full disk), it is kept for the next round: nobody else would free the lane."""
        try:
            await self._store.write(suppressing_lost(change))
        except StoreError as error:
            log.warning("the end of item %s is not recorded yet: %s", item.seq, error.text)
            self._unrecorded[item.seq] = change
            asyncio.get_running_loop().call_later(RECORD_AGAIN, self.wake)

    def _count(self, item: Item, result: str) -> None:
        COMMANDS.labels(item.source, item.lane.partition("/")[2].partition("/")[0] or "-", result).inc()
        INBOX_WAITING.dec()

    async def drain(self, seconds: float) -> None:
        """Takes nothing new and lets what is under way finish, for so long. The rest is in the inbox, for the next start."""
        self.stopping = True
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def suppressing_lost(change: Callable[[Transaction], None]) -> Callable[[Transaction], None]:
    """Another has finished the row meanwhile: then there is nothing to record."""

    def record(tx: Transaction) -> None:
        try:
            change(tx)
        except ConcurrentChange:
            log.warning("an inbox row was finished by another process")

    return record


def reference(item: Item) -> str:
    return f"ref-{item.seq:05d}"
