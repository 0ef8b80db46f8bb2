"""Checks operations whose write wasn't confirmed until the outcome is known, and asks the requester after a while.

The store says what to check, so a restart loses nothing. The first round also resumes operations that were granted, and
not sent or only partly sent, when the last process ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from domain.errors import ClusterError, ConcurrentChange, UserError
from domain.operation import Operation, State
from operations import execution_events as events
from operations.executor import Executor
from store.transaction import Transaction
from store.writer import Store

MIN_CHECK_INTERVAL, MAX_CHECK_INTERVAL = timedelta(seconds=2), timedelta(minutes=1)
ASK_REQUESTER_AFTER = timedelta(minutes=10)
CHECK_TIMEOUT_S = 15.0
"""A cluster that hangs delays the checks of others no longer than this. A write that is cut off stays unconfirmed."""


class UnconfirmedWrites:
    def __init__(self, store: Store, executor: Executor, now: Callable[[], datetime]) -> None:
        self._store = store
        self._executor = executor
        self._now = now
        self._next: dict[str, datetime] = {}
        self._states = frozenset({State.APPROVED, State.SUBMITTING, State.UNCONFIRMED})

    async def round(self) -> float:
        waiting = await self._store.read(lambda tx: [one for one in tx.operations.open() if one.state in self._states])
        self._next = {one.id: self._next[one.id] for one in waiting if one.id in self._next}
        due = [one for one in waiting if self._next.get(one.id, self._now()) <= self._now()]
        await asyncio.gather(*map(self._check, due))
        self._states = frozenset({State.UNCONFIRMED})
        return 1.0

    async def _check(self, operation: Operation) -> None:
        """The executor records the outcome and its events."""
        silence = self._now() - operation.changed_at
        self._next[operation.id] = self._now() + min(max(silence / 4, MIN_CHECK_INTERVAL), MAX_CHECK_INTERVAL)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await self._executor.recover(operation)
        except (ClusterError, UserError, ConcurrentChange, TimeoutError):
            pass
        if operation.state is State.UNCONFIRMED and silence >= ASK_REQUESTER_AFTER:
            await self._store.write(lambda tx: _ask_requester(tx, operation.id, silence, self._now()))


def _ask_requester(tx: Transaction, operation_id: str, silence: timedelta, now: datetime) -> None:
    """Asks once for every lost answer: the outbox drops an event that it has."""
    operation = tx.operations.get(operation_id)
    if operation is None or operation.state is not State.UNCONFIRMED:
        return
    if tx.outbox.add(events.unresolved_event(operation, silence // timedelta(minutes=1), now)):
        events.append_audit(tx, operation, "submitted", "unresolved", now)
