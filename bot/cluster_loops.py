"""Loops over clusters: they watch every kind, check each cluster and its Velero server, and report stuck runs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from bot.configuration.settings import Settings
from bot.metrics import EVENTS, LAST_SUCCESS, WATCH_OK
from bot.supervise import Loops
from commands import conditions
from commands.conditions import ConditionSign
from domain.errors import ClusterError
from domain.event import Event
from notifier.deliver import isolation
from store.transaction import Transaction
from store.writer import Store
from tracking import vanished_settlement
from tracking.follower import OBSERVERS, ClusterMemory, Follower
from tracking.observation import TrackingContext
from tracking.stalled_runs import StallLimits, stall_events
from velero.cluster import Cluster

log = logging.getLogger(__name__)

LEFTOVER_CHECK_INTERVAL_S = 600.0


class ClusterLoops:
    """`report` is called after each commit with the new events and the ids of changed operations."""

    def __init__(
        self,
        store: Store,
        clusters: Mapping[str, Cluster],
        known: Mapping[str, ClusterMemory],
        settings: Callable[[], Settings],
        now: Callable[[], datetime],
        report: Callable[[tuple[Event, ...], frozenset[str]], None],
    ) -> None:
        self._store = store
        self._clusters = clusters
        self._known = known
        self._settings = settings
        self._now = now
        self._report = report
        self._followers: dict[tuple[str, str], Follower] = {}

    def start(self, loops: Loops) -> None:
        for name, cluster in self._clusters.items():
            for kind in OBSERVERS:
                follower = Follower(
                    self._store, cluster, kind, self._known[name], self._now, self._publish, self._read_lag()
                )
                self._followers[name, kind] = follower
                loops.spawn(f"watch {name}/{kind}", follower.run)
        loops.start("check clusters", self.check_clusters)
        loops.start("stalls", self.report_stalls)
        loops.start("leftovers", self.remove_leftovers)
        loops.start("vanished backups", self.settle_vanished)

    def retry(self, key: str) -> None:
        """Process a failed object again; the key is cluster/kind/uid."""
        name, kind, _ = key.split("/", 2)
        if (follower := self._followers.get((name, kind))) is not None:
            follower.retry()

    async def _each(self, work: Callable[[Cluster], Awaitable[None]]) -> None:
        """Run for all clusters concurrently: one that hangs or fails doesn't delay the others."""
        results = await isolation.run_each(work(cluster) for cluster in self._clusters.values())
        isolation.raise_all(
            "clusters that can't be checked", [result for result in results if isinstance(result, Exception)]
        )

    def _publish(self, events: tuple[Event, ...], moved: frozenset[str]) -> None:
        for event in events:
            EVENTS.labels(event.cluster, event.kind).inc()
            if event.kind == "backup.completed":
                LAST_SUCCESS.labels(event.cluster, str(event.facts.get("schedule", ""))).set(event.at.timestamp())
        self._report(events, moved)

    async def check_clusters(self) -> float:
        await self._each(self._check_cluster)
        return self._settings().watching.check_interval

    async def _check_cluster(self, cluster: Cluster) -> None:
        await cluster.open()
        for health in cluster.board.all():
            WATCH_OK.labels(cluster.name, health.kind).set(1 if health.ok else 0)
        await self._update_conditions(
            cluster, [*conditions.signs_of_health(cluster.health), *await self._server_signs(cluster)]
        )

    async def _server_signs(self, cluster: Cluster) -> list[ConditionSign]:
        """Return whether the Velero server responds; empty if the cluster can't be reached."""
        if not cluster.health.ok:
            return []
        try:
            answered = (await cluster.server_status(within=self._settings().watching.server_timeout)).answered
        except ClusterError as error:
            log.info("the Velero server can't be checked: %s", error.text)
            return []
        return [ConditionSign(conditions.ConditionKind.SILENT, holds=not answered)]

    async def _update_conditions(self, cluster: Cluster, found: list[ConditionSign]) -> None:
        standing = await self._store.read(lambda tx: tx.conditions.all_current(cluster.name))
        changed, events = conditions.update_conditions(standing, found, cluster.name, cluster.uid, self._now())
        if not changed:
            return

        def commit(tx: Transaction) -> tuple[Event, ...]:
            for each in changed:
                tx.conditions.put(each)
            return tuple(event for event in events if tx.outbox.add(event))

        if fresh := await self._store.write(commit):
            self._publish(fresh, frozenset())

    async def remove_leftovers(self) -> float:
        """Remove requests that a killed process of the bot left in the clusters."""
        await self._each(self._remove_leftovers)
        return LEFTOVER_CHECK_INTERVAL_S

    async def _remove_leftovers(self, cluster: Cluster) -> None:
        try:
            removed = await cluster.remove_leftovers(self._now())
        except ClusterError as error:
            log.info("leftover requests in %s can't be listed: %s", cluster.name, error.text)
            return
        if removed:
            log.info("removed %s leftover requests in %s", removed, cluster.name)

    async def report_stalls(self) -> float:
        await self._each(self._report_stalls)
        return self._settings().watching.stalled_check_interval

    async def _report_stalls(self, cluster: Cluster) -> None:
        if not cluster.uid:
            return
        delivery, found = self._settings().delivery, list[Event]()
        limits = StallLimits(delivery.queued_too_long, delivery.finalizing_too_long)
        for kind in ("Backup", "Restore"):
            runs = self._known[cluster.name].runs(kind)
            context = TrackingContext(cluster.name, cluster.uid, self._now(), first=False)
            found += stall_events(context, kind.lower(), runs.open.values(), limits, runs.usual_duration_by_name())
        await self._add_events(tuple(found))

    async def settle_vanished(self) -> float:
        await self._each(self._settle_vanished)
        return self._settings().watching.server_timeout

    async def _settle_vanished(self, cluster: Cluster) -> None:
        if not cluster.uid:
            return
        context = TrackingContext(cluster.name, cluster.uid, self._now(), first=False)
        events, moved = await vanished_settlement.review_vanished(self._store, context, self._read_lag())
        if events or moved:
            self._publish(events, moved)

    def _read_lag(self) -> timedelta:
        return timedelta(seconds=self._settings().watching.server_timeout)

    async def _add_events(self, events: tuple[Event, ...]) -> None:
        if not events:
            return
        fresh = await self._store.write(
            lambda tx: tuple(event for event in events if tx.outbox.add(conditions.record_event(tx, event)))
        )
        if fresh:
            self._publish(fresh, frozenset())
