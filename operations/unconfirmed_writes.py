"""Checks operations whose write nobody confirmed, until it is known what the cluster did; asks a person after a while.

What is stored says what to check, so a restart loses nothing. The first round also takes up what was granted and not
yet sent, or in the middle of being sent, when the last process ended.
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

SOONEST, LATEST = timedelta(seconds=2), timedelta(minutes=1)
ASK_REQUESTER_AFTER = timedelta(minutes=10)
CHECK_TIMEOUT_S = 15.0
"""Seconds: a cluster that hangs does not delay the checks of others for longer. A write that is cut off stays in doubt."""


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
        """What is found out, the executor records and tells."""
        silence = self._now() - operation.changed_at
        self._next[operation.id] = self._now() + min(max(silence / 4, SOONEST), LATEST)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await self._executor.recover(operation)
        except (ClusterError, UserError, ConcurrentChange, TimeoutError):
            pass
        if operation.state is State.UNCONFIRMED and silence >= ASK_REQUESTER_AFTER:
            await self._store.write(lambda tx: _ask(tx, operation.id, silence, self._now()))


def _ask(tx: Transaction, ident: str, silence: timedelta, now: datetime) -> None:
    """Once for every lost answer: the outbox knows the event."""
    operation = tx.operations.get(ident)
    if operation is None or operation.state is not State.UNCONFIRMED:
        return
    if tx.outbox.add(events.unresolved_event(operation, silence // timedelta(minutes=1), now)):
        events.append_audit(tx, operation, "submitted", "unresolved", now)
