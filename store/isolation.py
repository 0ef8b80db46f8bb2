"""Keeps one failing item from blocking the others: it is recorded as failed and the loop continues with the next.

Use `attempt` inside a transaction and `Isolation` around asynchronous work. Errors of the store itself belong to no item:
they are raised, and the loop retries.
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
"""(key, text for people, work)"""

STORE_ERRORS = (StoreBusy, StoreCorrupt, StoreFull)

log = logging.getLogger(__name__)


def attempt(tx: Transaction, subject: Subject, work: Callable[[], T], now: datetime) -> T | None:
    """Return the result of `work`; None if it failed: its changes are undone and the item is recorded as failed."""
    result = None
    with Savepoint(tx.connection) as savepoint:
        result = work()
    if savepoint.error is None:
        return result
    if isinstance(savepoint.error, STORE_ERRORS) or not isinstance(savepoint.error, Exception):
        raise savepoint.error
    set_aside(tx, subject, savepoint.error, now)
    return None


def set_aside(tx: Transaction, subject: Subject, error: Exception, now: datetime) -> None:
    failed = tx.failed_items.add(subject, error, now)
    facts = {"item": failed.id, "kind": subject.kind.value, "key": subject.key, "failures": failed.failures}
    log.error("%s failed and was set aside", subject.text, exc_info=error, extra={"facts": facts})


class Isolation:
    """Isolates the items of one kind in one loop."""

    def __init__(self, store: Store, kind: ItemKind, now: Callable[[], datetime]) -> None:
        self._store = store
        self._kind = kind
        self._now = now

    async def run_each(self, items: Iterable[Item], *, all_of: str | None = None) -> None:
        """Run the items in turn. A failed item is skipped until its retry is due.

        With `all_of`, the items are all existing ones with this key prefix: failed items that aren't among them are removed.
        """
        failed, seen = await self._store.read(lambda tx: tx.failed_items.by_key(self._kind)), set[str]()
        for key, text, work in items:
            seen.add(key)
            earlier = failed.get(key)
            if earlier is not None and (earlier.retry_at is None or earlier.retry_at > self._now()):
                continue
            error = await error_of(work())
            if error is not None:
                await self._set_aside(Subject(self._kind, key, text), error)
            elif earlier is not None:
                await self._clear(key)
        gone = [key for key in failed if all_of is not None and key.startswith(all_of) and key not in seen]
        if gone:
            await self._clear(*gone)

    async def _set_aside(self, subject: Subject, error: Exception) -> None:
        await self._store.write(lambda tx: set_aside(tx, subject, error, self._now()))

    async def _clear(self, *keys: str) -> None:
        await self._store.write(lambda tx: tx.failed_items.clear(self._kind, *keys))


async def error_of(work: Awaitable[object]) -> Exception | None:
    """Return the exception of `work`. Raises if it is an error of the store."""
    (outcome,) = await asyncio.gather(work, return_exceptions=True)
    if isinstance(outcome, STORE_ERRORS) or (isinstance(outcome, BaseException) and not isinstance(outcome, Exception)):
        raise outcome
    return outcome if isinstance(outcome, Exception) else None
