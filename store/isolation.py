"""One bad item must not hold up the others: its fault sets it aside, and the loop goes on with the next one.

`attempt` inside a transaction, `Isolation` around asynchronous work. A fault of the store itself is nobody's: it is
raised, for the loop to come again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import TypeVar

from domain.errors import StoreBusy, StoreCorrupt, StoreFull
from store.commit import Savepoint
from store.tables.failed_items import ItemKind, Subject
from store.transaction import Transaction
from store.writer import Store

T = TypeVar("T")

Item = tuple[str, str, Callable[[], Awaitable[object]]]
"""Its key, what it is called, and the work."""

STORE_ERRORS = (StoreBusy, StoreCorrupt, StoreFull)

log = logging.getLogger(__name__)


def attempt(tx: Transaction, subject: Subject, work: Callable[[], T], now: datetime) -> T | None:
    """What `work` returns; None where its fault undid it and set it aside."""
    result = None
    with Savepoint(tx.connection) as savepoint:
        result = work()
    if savepoint.error is None:
        return result
    if isinstance(savepoint.error, STORE_ERRORS) or not isinstance(savepoint.error, Exception):
        raise savepoint.error
    set_aside(tx, subject, savepoint.error, now)
    return None


def set_aside(tx: Transaction, subject: Subject, fault: Exception, now: datetime) -> None:
    failed = tx.failed_items.add(subject, fault, now)
    facts = {"item": failed.id, "kind": subject.kind.value, "key": subject.key, "failures": failed.failures}
    log.error("%s failed and was set aside", subject.text, exc_info=fault, extra={"facts": facts})


class Isolation:
    """Of the items of one kind that one loop works on."""

    def __init__(self, store: Store, kind: ItemKind, now: Callable[[], datetime]) -> None:
        self._store = store
        self._kind = kind
        self._now = now

    async def run_each(self, items: Iterable[Item], *, all_of: str | None = None) -> None:
        """In turn. What is set aside is passed over until it is due again.

        `all_of`: these are all that there are whose keys begin so; what failed and is not among them is over.
        """
        failed, seen = await self._store.read(lambda tx: tx.failed_items.by_key(self._kind)), set[str]()
        for key, text, work in items:
            seen.add(key)
            before = failed.get(key)
            if before is not None and (before.retry_at is None or before.retry_at > self._now()):
                continue
            fault = await error_of(work())
            if fault is not None:
                await self._set_aside(Subject(self._kind, key, text), fault)
            elif before is not None:
                await self._clear(key)
        over = [key for key in failed if all_of is not None and key.startswith(all_of) and key not in seen]
        if over:
            await self._clear(*over)

    async def _set_aside(self, subject: Subject, fault: Exception) -> None:
        await self._store.write(lambda tx: set_aside(tx, subject, fault, self._now()))

    async def _clear(self, *keys: str) -> None:
        await self._store.write(lambda tx: tx.failed_items.clear(self._kind, *keys))


async def error_of(work: Awaitable[object]) -> Exception | None:
    """What went wrong with it, unless that is the store's."""
    (ended,) = await asyncio.gather(work, return_exceptions=True)
    if isinstance(ended, STORE_ERRORS) or (isinstance(ended, BaseException) and not isinstance(ended, Exception)):
        raise ended
    return ended if isinstance(ended, Exception) else None
