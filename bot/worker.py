"""Processes the items of the inbox: in order within a lane, concurrently across lanes.

An item that fails three times, or during which the process ends three times, is set aside: the person is told, the lane
continues, and `items retry` brings it back. Two rules keep an innocent item from being blamed for a crash: items with a
former attempt start one at a time, and none gets its last attempt while the process is young.
"""

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
"""Attempts after which an item is set aside, whether it failed or the process ended."""
SUSPECT_INTERVAL_S = 5.0
"""Time between the starts of two items with a former attempt: each may be what ended the process."""
PROBATION_S = 5.0
"""Age of the process before such an item gets its last attempt. A process that dies earlier has another cause."""
RECORD_RETRY_S = 1.0


class ItemProcessor(Protocol):
    """Processes one kind of item; returns the outcome as a word. Raises only unexpected errors."""

    async def process(self, item: Item) -> str: ...


class Crashed(ChatopsError):
    """The process ended during each attempt."""


class Worker:
    """`processors` by the source of an item. `report_failed` tells the person about an item that is set aside."""

    def __init__(
        self,
        store: Store,
        processors: Mapping[str, ItemProcessor],
        now: Callable[[], datetime],
        report_failed: Callable[[Item, str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._processors = processors
        self._now = now
        self._report_failed = report_failed
        self._running: set[asyncio.Task[None]] = set()
        self._unrecorded: dict[int, Callable[[Transaction], None]] = {}
        self._suspect: asyncio.Task[None] | None = None
        self._suspect_since = 0.0
        self._started_at: float | None = None
        self.probation = PROBATION_S
        self._room = asyncio.Event()
        self.wake: Callable[[], None] = self._room.set
        """Called when a lane becomes free; the composition root replaces it by waking the loop."""
        self.stopping = False

    async def round(self) -> float | None:
        """Claim the next items. The intake and finished items wake the loop.

        Unrecorded results come first: an item whose end isn't recorded blocks its lane.
        """
        for seq, change in tuple(self._unrecorded.items()):
            await self._store.write(ignore_concurrent_change(change))
            del self._unrecorded[seq]
        if self.stopping:
            return None
        room = MAX_CONCURRENT_ITEMS - len(self._running)
        if room <= 0:
            self._room.clear()
            await self._room.wait()
            return 0
        suspects, spared = self._may_take_suspect(), self._max_attempts_now()
        items = await self._store.write(lambda tx: tx.inbox.next(room, suspects=suspects, spared=spared))
        for item in items:
            self._start(item)
        return 0 if len(items) == room else 5.0

    def _may_take_suspect(self) -> bool:
        if self._suspect is None or self._suspect.done():
            return True
        return asyncio.get_running_loop().time() - self._suspect_since >= SUSPECT_INTERVAL_S

    def _max_attempts_now(self) -> int | None:
        """Return the number of attempts at which items wait: while the process is young, before their last one."""
        now = asyncio.get_running_loop().time()
        self._started_at = self._started_at if self._started_at is not None else now
        return MAX_ATTEMPTS - 1 if now - self._started_at < self.probation else None

    def _start(self, item: Item) -> None:
        task = asyncio.create_task(self._run_item(item))
        if item.attempts > 1:
            self._suspect, self._suspect_since = task, asyncio.get_running_loop().time()
        self._running.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._room.set()
        self.wake()

    async def _run_item(self, item: Item) -> None:
        REFERENCE.set(reference(item))
        try:
            await self._attempt(item)
        except asyncio.CancelledError:
            # An orderly stop: the next start takes the item again, and this attempt doesn't count.
            await self._record(item, lambda tx: tx.inbox.release(item.seq, counted=False))
            raise

    async def _attempt(self, item: Item) -> None:
        if item.attempts > MAX_ATTEMPTS:
            crashed = Crashed(f"the bot ended {item.attempts - 1} times during this command")
            # With one more attempt than that, telling the person is what ended the process.
            await self._set_aside(item, crashed, tell=item.attempts == MAX_ATTEMPTS + 1)
            return
        result = "failed"

        async def work() -> None:
            nonlocal result
            result = await self._processors[item.source].process(item)

        while (error := await run_contained(work())) is not None:
            if item.attempts >= MAX_ATTEMPTS:
                await self._set_aside(item, error, tell=True)
                return
            again = await self._another_attempt(item)
            if again is None:
                return
            item = again
        await self._record(item, lambda tx: tx.inbox.finish(item.seq, result, self._now()))
        self._count(item, result)

    async def _another_attempt(self, item: Item) -> Item | None:
        """Count the attempt before the work. Return None if the store refuses it; the item then waits for its turn."""
        await asyncio.sleep(0.2 * item.attempts)
        try:
            await self._store.write(lambda tx: tx.inbox.count_attempt(item.seq))
        except StoreError:
            await self._record(item, lambda tx: tx.inbox.release(item.seq))
            return None
        return replace(item, attempts=item.attempts + 1)

    async def _set_aside(self, item: Item, error: Exception, *, tell: bool) -> None:
        """Free the lane of an item that can't be processed."""
        if tell:
            await run_contained(self._report_failed(item, reference(item)))
        subject = Subject(ItemKind.COMMAND, str(item.seq), f"{item.source} {reference(item)}")
        log.error(
            "%s failed and was set aside",
            subject.text,
            extra={"facts": {"attempts": item.attempts, "error": repr(error)}},
        )

        def record(tx: Transaction) -> None:
            tx.inbox.finish(item.seq, "failed", self._now(), keep=True)
            tx.failed_items.add(subject, error, self._now(), automatic=False)

        await self._record(item, record)
        self._count(item, "failed")

    async def _record(self, item: Item, change: Callable[[Transaction], None]) -> None:
        """Record a change. If the store refuses it (full disk), keep it for the next round: nothing else would free the lane."""
        try:
            await self._store.write(ignore_concurrent_change(change))
        except StoreError as error:
            log.warning("the result of item %s isn't recorded yet: %s", item.seq, error.text)
            self._unrecorded[item.seq] = change
            asyncio.get_running_loop().call_later(RECORD_RETRY_S, self.wake)

    def _count(self, item: Item, result: str) -> None:
        COMMANDS.labels(item.source, item.lane.partition("/")[2].partition("/")[0] or "-", result).inc()
        INBOX_WAITING.dec()

    async def drain(self, seconds: float) -> None:
        """Claim nothing new and let running items finish within the time. The rest stays in the inbox for the next start."""
        self.stopping = True
        if not self._running:
            return
        _, unfinished = await asyncio.wait(self._running, timeout=seconds)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)


def ignore_concurrent_change(change: Callable[[Transaction], None]) -> Callable[[Transaction], None]:
    """Ignore ConcurrentChange: another process has already finished the row."""

    def record(tx: Transaction) -> None:
        try:
            change(tx)
        except ConcurrentChange:
            log.warning("an inbox row was finished by another process")

    return record


def reference(item: Item) -> str:
    return f"ref-{item.seq:05d}"
