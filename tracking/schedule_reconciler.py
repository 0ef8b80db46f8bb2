"""Keeps what was promised of schedules, and tells what others changed. One round looks at all of them.

The order makes it safe at any crash: what we know is read before the cluster; a change of ours that is under way leaves
a schedule alone; the patch carries the version that was judged.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial

from commands import conditions
from domain.errors import ClusterError, ConcurrentChange
from domain.event import Event
from domain.operation import State
from store.isolation import Isolation, Item
from store.tables.failed_items import ItemKind
from store.tables.schedules import ScheduleState
from store.transaction import Transaction
from store.writer import Store
from tracking.desired_schedule import SchedulePatch
from tracking.observation import TrackingContext
from tracking.schedules import ScheduleVerdict, judge_change, vanished_event
from velero.cluster import Cluster
from velero.resources.schedules import Schedule

log = logging.getLogger(__name__)

RECONCILE_INTERVAL_S = 10.0
EventListener = Callable[[tuple[Event, ...]], None]


def ignore_events(_events: tuple[Event, ...]) -> None:
    """Where nobody wants to hear of it at once: the outbox has it."""


class ScheduleReconciler:
    """`told` is called after a commit with the new events."""

    def __init__(
        self,
        store: Store,
        clusters: Mapping[str, Cluster],
        now: Callable[[], datetime],
        told: EventListener = ignore_events,
        every: float = RECONCILE_INTERVAL_S,
    ) -> None:
        self._store = store
        self._clusters = clusters
        self._now = now
        self._told = told
        self._every = every
        self._isolation = Isolation(store, ItemKind.SCHEDULE, now)

    async def round(self) -> float:
        for cluster in self._clusters.values():
            try:
                await self._keep(cluster)
            except ClusterError as error:
                log.info("schedules of %s were not looked at: %s", cluster.name, error.text)
        return self._every

    async def _keep(self, cluster: Cluster) -> None:
        rows = await self._store.read(lambda tx: {row.name: row for row in tx.schedules.all(cluster.name)})
        seen = await cluster.schedules.list()
        now = self._now()
        setting = TrackingContext(cluster.name, cluster.uid, now, first=False)
        work: list[Item] = []
        for schedule in seen:
            before = rows.pop(schedule.name, None)
            work.append(_named(cluster, schedule.name, partial(self._keep_one, cluster, setting, before, schedule)))
        work += [_named(cluster, row.name, partial(self._gone, setting, row)) for row in rows.values()]
        await self._isolation.run_each(work, all_of=f"{cluster.name}/")

    async def _keep_one(
        self, cluster: Cluster, setting: TrackingContext, before: ScheduleState | None, schedule: Schedule
    ) -> None:
        verdict = judge_change(setting, before, schedule)
        if verdict.patch is not None or verdict.state != before:
            await self._settle(cluster, before, schedule, verdict)

    async def _settle(
        self, cluster: Cluster, before: ScheduleState | None, schedule: Schedule, verdict: ScheduleVerdict
    ) -> None:
        """First what is told, then the patch: after a crash in between it is still due."""

        def commit(tx: Transaction) -> tuple[Event, ...] | None:
            if _under_way(tx, cluster.name, schedule.name):
                return None
            tx.schedules.put(verdict.state, before.revision if before is not None else None)
            return tuple(event for event in verdict.events if tx.outbox.add(conditions.record_event(tx, event)))

        try:
            fresh = await self._store.write(commit)
        except ConcurrentChange:
            return
        if fresh:
            self._told(fresh)
        if fresh is not None and verdict.patch is not None:
            await self._put_right(cluster, schedule, verdict.patch)

    async def _put_right(self, cluster: Cluster, schedule: Schedule, patch: SchedulePatch) -> None:
        pinned = {**patch.body, "metadata": {"resourceVersion": schedule.meta.resource_version}}
        try:
            await cluster.schedules.patch(schedule.name, pinned)
        except ClusterError as error:
            # It is still due at the next round.
            log.info("schedule %s was not put right: %s", schedule.name, error.text)

    async def _gone(self, setting: TrackingContext, row: ScheduleState) -> None:
        def commit(tx: Transaction) -> tuple[Event, ...]:
            current = tx.schedules.get(row.cluster, row.name)
            if current is None or current.revision != row.revision or _under_way(tx, row.cluster, row.name):
                return ()
            tx.schedules.forget(row.cluster, row.name)
            told = conditions.record_event(tx, vanished_event(setting, row))
            return (told,) if tx.outbox.add(told) else ()

        if fresh := await self._store.write(commit):
            self._told(fresh)


def _named(cluster: Cluster, name: str, work: Callable[[], Awaitable[None]]) -> Item:
    return f"{cluster.name}/{name}", f"a schedule in {cluster.name}", work


def _under_way(tx: Transaction, cluster: str, name: str) -> bool:
    """A change of ours that may have reached the cluster and is not recorded yet."""
    unanswered = {State.SUBMITTING, State.UNCONFIRMED}
    return any(operation.state in unanswered for operation in tx.operations.by_object(cluster, "Schedule", name))
