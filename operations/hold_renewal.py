"""Renews the pauses of schedules while the restores that need them are open. They end by themselves afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from commands.restore import schedule_hold
from commands.schedule import horizon
from domain.errors import ClusterError
from domain.operation import Operation
from store.tables.deadlines import Deadline
from store.writer import Store
from velero.cluster import Cluster


class HoldRenewal:
    def __init__(self, store: Store, clusters: Mapping[str, Cluster], now: Callable[[], datetime]) -> None:
        self._store = store
        self._clusters = clusters
        self._now = now

    async def renew(self, deadline: Deadline) -> None:
        """Renews the hold of one schedule for one operation."""
        operation = await self._store.read(lambda tx: tx.operations.get(str(deadline.payload["operation"])))
        if operation is None or operation.is_over or operation.cluster not in self._clusters:
            await self._store.write(lambda tx: tx.deadlines.finish(deadline.id))
            return
        try:
            await self._renew(operation, deadline)
        except ClusterError:
            later = replace(deadline, at=self._now() + schedule_hold.RETRY_AFTER)
            await self._store.write(lambda tx: tx.deadlines.put(later))

    async def _renew(self, operation: Operation, deadline: Deadline) -> None:
        name, ours = str(deadline.payload["name"]), datetime.fromisoformat(deadline.payload["until"])
        schedules, now = self._clusters[operation.cluster].schedules, self._now()
        there = await schedules.find(name)
        until = schedule_hold.next_hold(there.last_skipped, ours, now) if there is not None else None
        if there is None or until is None:
            await self._store.write(lambda tx: tx.deadlines.finish(deadline.id))
            return
        if until != there.last_skipped:
            await self._store.write(lambda tx: schedule_hold.remember_hold(tx, operation.cluster, name, until))
            version = there.meta.resource_version
            await schedules.patch(name, horizon.body(until=until), resource_version=version)
        kept = schedule_hold.renewal(operation.id, name, until, now + schedule_hold.RENEW_INTERVAL)
        await self._store.write(lambda tx: tx.deadlines.put(kept))
