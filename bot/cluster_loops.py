"""The loops over clusters: each kind followed, each cluster looked at, stalls told, Velero's silence heard."""

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
from tracking.runs import usual_duration
from tracking.stalled_runs import StallLimits, stall_events
from velero.cluster import Cluster

log = logging.getLogger(__name__)

LEFTOVERS_EVERY = 600.0


class ClusterLoops:
    """`told` hears of new events and of operations that moved, after the commit."""

    def __init__(
        self,
        store: Store,
        clusters: Mapping[str, Cluster],
        known: Mapping[str, ClusterMemory],
        settings: Callable[[], Settings],
        now: Callable[[], datetime],
        told: Callable[[tuple[Event, ...], frozenset[str]], None],
    ) -> None:
        self._store = store
        self._clusters = clusters
        self._known = known
        self._settings = settings
        self._now = now
        self._told = told
        self._followers: dict[tuple[str, str], Follower] = {}

    def start(self, loops: Loops) -> None:
        for name, cluster in self._clusters.items():
            for kind in OBSERVERS:
                follower = Follower(self._store, cluster, kind, self._known[name], self._now, self._hear, self._lag())
                self._followers[name, kind] = follower
                loops.spawn(f"watch {name}/{kind}", follower.run)
        loops.start("check clusters", self.examine_clusters)
        loops.start("stalls", self.stalls)
        loops.start("leftovers", self.leftovers)
        loops.start("vanished backups", self.vanished)

    def retry(self, key: str) -> None:
        """Of an object that was set aside: cluster/kind/uid."""
        name, kind, _ = key.split("/", 2)
        if (follower := self._followers.get((name, kind))) is not None:
            follower.retry()

    async def _each(self, work: Callable[[Cluster], Awaitable[None]]) -> None:
        """All at once: a cluster that hangs delays nobody else, and neither does one that fails."""
        ended = await isolation.run_each(work(cluster) for cluster in self._clusters.values())
        isolation.raise_all(
            "clusters that cannot be looked at", [fault for fault in ended if isinstance(fault, Exception)]
        )

    def _hear(self, events: tuple[Event, ...], moved: frozenset[str]) -> None:
        for event in events:
            EVENTS.labels(event.cluster, event.kind).inc()
            if event.kind == "backup.completed":
                LAST_SUCCESS.labels(event.cluster, str(event.facts.get("schedule", ""))).set(event.at.timestamp())
        self._told(events, moved)

    async def examine_clusters(self) -> float:
        await self._each(self._look_at)
        return self._settings().watching.check_interval

    async def _look_at(self, cluster: Cluster) -> None:
        await cluster.open()
        for health in cluster.board.all():
            WATCH_OK.labels(cluster.name, health.kind).set(1 if health.ok else 0)
        await self._note(cluster, [*conditions.signs_of_health(cluster.health), *await self._asked(cluster)])

    async def _asked(self, cluster: Cluster) -> list[ConditionSign]:
        """Whether Velero itself answers; nothing is known of it where the cluster can't be asked."""
        if not cluster.health.ok:
            return []
        try:
            answered = (await cluster.server_status(within=self._settings().watching.server_timeout)).answered
        except ClusterError as error:
            log.info("velero could not be asked: %s", error.text)
            return []
        return [ConditionSign(conditions.ConditionKind.SILENT, holds=not answered)]

    async def _note(self, cluster: Cluster, found: list[ConditionSign]) -> None:
        standing = await self._store.read(lambda tx: tx.conditions.all_standing(cluster.name))
        changed, events = conditions.update_conditions(standing, found, cluster.name, cluster.uid, self._now())
        if not changed:
            return

        def commit(tx: Transaction) -> tuple[Event, ...]:
            for each in changed:
                tx.conditions.put(each)
            return tuple(event for event in events if tx.outbox.add(event))

        if fresh := await self._store.write(commit):
            self._hear(fresh, frozenset())

    async def leftovers(self) -> float:
        """Requests that a killed process of ours left in the clusters."""
        await self._each(self._remove_leftovers)
        return LEFTOVERS_EVERY

    async def _remove_leftovers(self, cluster: Cluster) -> None:
        try:
            removed = await cluster.remove_leftovers(self._now())
        except ClusterError as error:
            log.info("requests that were left behind could not be looked for in %s: %s", cluster.name, error.text)
            return
        if removed:
            log.info("removed %s requests that were left behind in %s", removed, cluster.name)

    async def stalls(self) -> float:
        await self._each(self._stalls_of)
        return self._settings().watching.stalled_check_interval

    async def _stalls_of(self, cluster: Cluster) -> None:
        if not cluster.uid:
            return
        delivery, found = self._settings().delivery, list[Event]()
        limits = StallLimits(delivery.queued_too_long, delivery.finalizing_too_long)
        for kind in ("Backup", "Restore"):
            runs = tuple(self._known[cluster.name].of(kind).values())
            setting = TrackingContext(cluster.name, cluster.uid, self._now(), first=False)
            found += stall_events(setting, kind.lower(), runs, limits, usual_duration(runs))
        await self._tell(tuple(found))

    async def vanished(self) -> float:
        await self._each(self._vanished_of)
        return self._settings().watching.server_timeout

    async def _vanished_of(self, cluster: Cluster) -> None:
        if not cluster.uid:
            return
        setting = TrackingContext(cluster.name, cluster.uid, self._now(), first=False)
        events, moved = await vanished_settlement.review_vanished(self._store, setting, self._lag())
        if events or moved:
            self._hear(events, moved)

    def _lag(self) -> timedelta:
        return timedelta(seconds=self._settings().watching.server_timeout)

    async def _tell(self, events: tuple[Event, ...]) -> None:
        if not events:
            return
        fresh = await self._store.write(
            lambda tx: tuple(event for event in events if tx.outbox.add(conditions.record_event(tx, event)))
        )
        if fresh:
            self._hear(fresh, frozenset())
