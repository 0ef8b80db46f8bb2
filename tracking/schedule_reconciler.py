"""Upholds what was requested of schedules, and reports what someone else changed. One round covers all of them.

The order makes a crash safe at any point: the stored state is read before the cluster; a change of the bot's own that is under
way leaves its schedule alone; a patch is bound to the version that was judged. The watch only says where something may have
changed: before anything is reported or patched, the cluster is read.
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
from tracking.cluster_rounds import run_clusters
from tracking.desired_schedule import SchedulePatch
from tracking.follower import ClusterMemory
from tracking.observation import EventListener, TrackingContext, ignore_events
from tracking.schedules import ScheduleVerdict, judge_change, vanished_event
from tracking.watched_schedules import ScheduleReading
from velero.cluster import Cluster
from velero.resources.schedules import Schedule

log = logging.getLogger(__name__)

RECONCILE_INTERVAL_S = 10.0
UNANSWERED_STATES = frozenset({State.SUBMITTING, State.UNCONFIRMED})


class ScheduleReconciler:
    """`on_events` is called after a commit with the new events; `memory` is what the followers know, where they run."""

    def __init__(
        self,
        store: Store,
        clusters: Mapping[str, Cluster],
        now: Callable[[], datetime],
        on_events: EventListener = ignore_events,
        memory: Mapping[str, ClusterMemory] | None = None,
    ) -> None:
        self._store = store
        self._clusters = clusters
        self._now = now
        self._on_events = on_events
        self._memory = memory or {}
        self._isolation = Isolation(store, ItemKind.SCHEDULE, now)

    async def round(self) -> float:
        await run_clusters(self._clusters.values(), self._reconcile, "reconciling schedules")
        return RECONCILE_INTERVAL_S

    async def _reconcile(self, cluster: Cluster) -> None:
        states = await self._store.read(lambda tx: {state.name: state for state in tx.schedules.all(cluster.name)})
        memory = self._memory.get(cluster.name)
        reading = ScheduleReading(cluster, memory.schedules if memory is not None else None)
        seen = await reading.seen()
        context = TrackingContext(cluster.name, cluster.uid, self._now(), first=False)
        work: list[Item] = []
        for name, schedule in seen.items():
            state = states.pop(name, None)
            work.append(_item(cluster, name, partial(self._reconcile_one, reading, context, state, schedule)))
        work += [
            _item(cluster, state.name, partial(self._forget, reading, context, state)) for state in states.values()
        ]
        await self._isolation.run_each(work, all_of=f"{cluster.name}/")

    async def _reconcile_one(
        self, reading: ScheduleReading, context: TrackingContext, state: ScheduleState | None, seen: Schedule
    ) -> None:
        if not judge_change(context, state, seen).acts_on(state):
            return
        current = await self._current(reading, seen.name)
        verdict = judge_change(context, state, current) if current is not None else None
        if current is not None and verdict is not None and verdict.acts_on(state):
            await self._apply(context.cluster, state, current, verdict)

    async def _current(self, reading: ScheduleReading, name: str) -> Schedule | None:
        try:
            return (await reading.current()).get(name)
        except ClusterError as error:
            log.info("schedule %s could not be read: %s", name, error.text)
            return None

    async def _apply(
        self, cluster: str, state: ScheduleState | None, schedule: Schedule, verdict: ScheduleVerdict
    ) -> None:
        """Events first, then the patch: after a crash in between, the patch is still due."""

        def commit(tx: Transaction) -> tuple[Event, ...] | None:
            if _is_changing(tx, cluster, schedule.name):
                return None
            tx.schedules.put(verdict.state, state.revision if state is not None else None)
            return tuple(event for event in verdict.events if tx.outbox.add(conditions.record_event(tx, event)))

        try:
            events = await self._store.write(commit)
        except ConcurrentChange:
            return
        if events:
            self._on_events(events)
        if events is not None and verdict.patch is not None:
            await self._send_patch(self._clusters[cluster], schedule, verdict.patch)

    async def _send_patch(self, cluster: Cluster, schedule: Schedule, patch: SchedulePatch) -> None:
        try:
            await cluster.schedules.patch(schedule.name, patch.body, resource_version=schedule.meta.resource_version)
        except ClusterError as error:
            # The next round finds the same difference and sends it again.
            log.info("schedule %s could not be corrected: %s", schedule.name, error.text)

    async def _forget(self, reading: ScheduleReading, context: TrackingContext, state: ScheduleState) -> None:
        try:
            if state.name in await reading.current():
                return
        except ClusterError as error:
            log.info("schedule %s could not be read: %s", state.name, error.text)
            return

        def commit(tx: Transaction) -> tuple[Event, ...]:
            current = tx.schedules.get(state.cluster, state.name)
            if current is None or current.revision != state.revision or _is_changing(tx, state.cluster, state.name):
                return ()
            tx.schedules.forget(state.cluster, state.name)
            event = conditions.record_event(tx, vanished_event(context, state))
            return (event,) if tx.outbox.add(event) else ()

        if events := await self._store.write(commit):
            self._on_events(events)


def _item(cluster: Cluster, name: str, work: Callable[[], Awaitable[None]]) -> Item:
    return f"{cluster.name}/{name}", f"a schedule in {cluster.name}", work


def _is_changing(tx: Transaction, cluster: str, name: str) -> bool:
    """Whether a change of the bot's own may have reached the cluster and isn't recorded yet."""
    mine = tx.operations.by_object(cluster, "Schedule", name)
    return any(operation.state in UNANSWERED_STATES for operation in mine)
