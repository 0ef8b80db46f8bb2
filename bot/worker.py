"""Takes what the inbox holds, in order per lane and side by side over lanes, and sees each item through."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Protocol

from bot.logs import REFERENCE
from bot.metrics import COMMANDS, INBOX_WAITING
from bot.supervise import contained
from domain.errors import Lost
from store.inbox import Item
from store.writer import Store

log = logging.getLogger(__name__)

AT_ONCE = 16
ATTEMPTS = 3
"""An item that fails so often for a reason nobody foresaw is set aside, and the person told."""


class Desk(Protocol):
    """Sees one kind of item through; returns in a word how it ended. Raises only what nobody foresaw."""

    async def see_through(self, item: Item) -> str: ...


class Worker:
    """`desks` by the item's source. `aside` tells the person of an item that could not be done."""

    def __init__(
        self,
        store: Store,
        desks: Mapping[str, Desk],
        now: Callable[[], datetime],
        aside: Callable[[Item, str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._desks = desks
        self._now = now
        self._aside = aside
        self._under_way: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self.wake: Callable[[], None] = self._room.set
        """Rung when a lane becomes free; replaced by the loop's own bell."""
        self.stopping = False

    async def round(self) -> float | None:
        """Claims what can be claimed; comes back when woken by the intake or by a finished item."""
        if self.stopping:
            return None
        room = AT_ONCE - len(self._under_way)
        if room <= 0:
            self._room.clear()
            await self._room.wait()
            return 0
        items = await self._store.write(lambda tx: tx.inbox.next(room))
        for item in items:
            task = asyncio.create_task(self._see_through(item))
            self._under_way.add(task)
            task.add_done_callback(self._finished)
        return 0 if len(items) == room else 5.0

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._room.set()
        self.wake()

    async def _see_through(self, item: Item) -> None:
        REFERENCE.set(reference(item))
        result = "failed"

        async def work() -> None:
            nonlocal result
            result = await self._desks[item.source].see_through(item)

        fault = await contained(work())
        if fault is not None and item.attempts < ATTEMPTS:
            await asyncio.sleep(0.2 * item.attempts)
            await self._store.write(lambda tx: tx.inbox.release(item.seq))
            return
        if fault is not None:
            await contained(self._aside(item, reference(item)))
        COMMANDS.labels(item.source, item.lane.partition("/")[2].partition("/")[0] or "-", result).inc()
        INBOX_WAITING.dec()
        try:
            await self._store.write(lambda tx: tx.inbox.done(item.seq, result, self._now()))
        except Lost:
            log.warning("item %s was finished by somebody else", item.seq)

    async def drain(self, seconds: float) -> None:
        """Takes nothing new and lets what is under way finish, for so long. The rest is in the inbox, for the next start."""
        self.stopping = True
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def reference(item: Item) -> str:
    return f"ref-{item.seq:05d}"
