"""Follows one kind of one cluster: batch by batch, events, sightings, operations and place in one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from commands import conditions
from commands.planning.resolve import OPERATION
from domain.event import Event
from store.isolation import error_of, set_aside
from store.tables.failed_items import FailedItem, ItemKind, Subject
from store.tables.observed import Observed
from store.transaction import Transaction
from store.writer import Store
from tracking import deletions, locations, operations, runs, schedules, vanished_backups, vanished_settlement
from tracking.observation import TrackingContext, TrackingOutcome
from velero.cluster import Cluster
from velero.observations import Batch, Change, Observation

log = logging.getLogger(__name__)

Observe = Callable[[TrackingContext, Observed | None, Observation[Any]], TrackingOutcome]

OBSERVERS: Mapping[str, Observe] = {
    "Backup": runs.observe,
    "Restore": runs.observe,
    "BackupStorageLocation": locations.observe,
    "DeleteBackupRequest": deletions.observe,
    "Schedule": schedules.observe,
}
LAG = timedelta(seconds=5)
"""How far the watch of one kind may be behind that of another."""


class ClusterMemory:
    """What is known of a cluster, by kind and uid: in memory what `observed` holds."""

    def __init__(self) -> None:
        self.by_kind: dict[str, dict[str, Observed]] = {}
        self.in_step: set[str] = set()

    def of(self, kind: str) -> dict[str, Observed]:
        return self.by_kind.setdefault(kind, {})


class Follower:
    """`told` is called after a commit with the new events; `moved` with the ids of operations that changed."""

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        kind: str,
        known: ClusterMemory,
        now: Callable[[], datetime],
        told: Callable[[tuple[Event, ...], frozenset[str]], None],
        lag: timedelta = LAG,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._kind = kind
        self._known = known
        self._now = now
        self._told = told
        self._observe = OBSERVERS[kind]
        self._lag = lag
        self._first = False
        self._failed: dict[str, FailedItem] = {}
        self._retrying: asyncio.Timeout | None = None
        self._relisting = False

    async def run(self) -> None:
        """Never ends by itself. Lists anew when an object that was set aside is to be tried again."""
        while True:
            try:
                async with asyncio.timeout(None) as self._retrying:
                    await self._follow()
            except TimeoutError:
                if self._retrying is None or not self._retrying.expired():
                    raise
                self._relisting = True
            finally:
                self._retrying = None

    def retry(self) -> None:
        """What was set aside is tried again now."""
        self._retry_in(0.0)

    def _retry_in(self, seconds: float) -> None:
        if self._retrying is None or self._retrying.expired():
            return
        when, planned = asyncio.get_running_loop().time() + seconds, self._retrying.when()
        self._retrying.reschedule(when if planned is None else min(when, planned))

    async def _follow(self) -> None:
        place, rows = await self._store.read(
            lambda tx: (
                tx.cursors.get(self._cluster.name, self._kind),
                tx.observed.load(self._cluster.name, self._kind),
            )
        )
        self._known.by_kind[self._kind] = rows
        self._first = place is None
        await self._load_failed()
        before = frozenset(self._failed) if self._relisting else frozenset[str]()
        start = "" if self._relisting else place or ""
        reflector = self._cluster.reflector(self._kind, self._names, resource_version=start)
        if place is not None:
            self._known.in_step.add(self._kind)
        async with aclosing(reflector.batches()) as batches:
            async for batch in batches:
                failed_again = await self._take(batch)
                before -= failed_again
                if batch.complete and self._relisting:
                    # Taken in by this list, or not in the cluster any more.
                    self._relisting = False
                    await self._clear(before)

    async def _load_failed(self) -> None:
        prefix, now = f"{self._cluster.name}/{self._kind}/", self._now()
        failed = await self._store.read(lambda tx: tx.failed_items.by_key(ItemKind.OBJECT))
        self._failed = {key.removeprefix(prefix): one for key, one in failed.items() if key.startswith(prefix)}
        for one in self._failed.values():
            if one.retry_at is not None and not (self._relisting and one.retry_at <= now):
                self._retry_in(max(0.0, (one.retry_at - now).total_seconds()))

    def _subject(self, uid: str) -> Subject:
        name, kind = self._cluster.name, self._kind
        return Subject(ItemKind.OBJECT, f"{name}/{kind}/{uid}", f"{kind} in {name}")

    async def _clear(self, uids: frozenset[str]) -> None:
        if not (keys := [self._subject(uid).key for uid in uids]):
            return
        await self._store.write(lambda tx: tx.failed_items.clear(ItemKind.OBJECT, *keys))
        self._failed = {uid: one for uid, one in self._failed.items() if uid not in uids}

    async def _names(self) -> dict[str, str]:
        return {uid: one.name for uid, one in self._known.of(self._kind).items()}

    async def _take(self, batch: Batch[Any]) -> frozenset[str]:
        """An object that cannot be taken in is set aside; the place moves on past it. The uids of those."""
        if await error_of(self._take_whole(batch)) is None:
            taken = frozenset(one.uid for one in batch.observations) & frozenset(self._failed)
            if taken:
                await self._clear(taken)
            return frozenset()
        # What keeps even an empty batch from being taken is no object's fault: it is raised, for the loop.
        await self._take_whole(replace(batch, observations=(), resource_version="", complete=False))
        failed = set[str]()
        for one in batch.observations:
            fault = await error_of(
                self._take_whole(replace(batch, observations=(one,), resource_version="", complete=False))
            )
            if fault is not None:
                failed.add(one.uid)
                await self._set_aside(one.uid, fault)
        await self._take_whole(replace(batch, observations=()))
        return frozenset(failed)

    async def _set_aside(self, uid: str, fault: Exception) -> None:
        subject = self._subject(uid)
        await self._store.write(lambda tx: set_aside(tx, subject, fault, self._now()))
        await self._load_failed()

    async def _take_whole(self, batch: Batch[Any]) -> None:
        now = self._now()
        granted = await self._granted(batch)
        setting = TrackingContext(
            self._cluster.name, self._cluster.uid, now, self._first, self._known.of(self._kind).values(), granted
        )
        outcomes = self._compared(batch, setting)
        events, moved = await self._store.write(lambda tx: self._commit(tx, batch, outcomes, setting))
        self._remember(outcomes)
        if batch.complete:
            self._first = False
            self._known.in_step.add(self._kind)
        if events or moved:
            self._told(events, moved)

    async def _granted(self, batch: Batch[Any]) -> frozenset[str]:
        """Of the operations that the labels name, those that did make these objects."""
        known = self._known.of(self._kind)
        named = [(ident, one.name) for one in batch.observations if (ident := _named(one, known.get(one.uid)))]
        if not named:
            return frozenset()
        cluster, kind = self._cluster.name, self._kind
        return await self._store.read(
            lambda tx: frozenset(ident for ident, name in named if operations.made(tx, ident, cluster, kind, name))
        )

    def _compared(self, batch: Batch[Any], setting: TrackingContext) -> list[tuple[Observation[Any], TrackingOutcome]]:
        """Each with what it was right before, be that in the same batch: Deleting and gone come close together."""
        known = self._known.of(self._kind)
        latest: dict[str, Observed | None] = {}
        found: list[tuple[Observation[Any], TrackingOutcome]] = []
        for one in batch.observations:
            prev = latest[one.uid] if one.uid in latest else known.get(one.uid)
            outcome = self._observe(setting, prev, one)
            latest[one.uid] = outcome.remember
            found.append((one, outcome))
        return found

    def _commit(
        self,
        tx: Transaction,
        batch: Batch[Any],
        outcomes: list[tuple[Observation[Any], TrackingOutcome]],
        setting: TrackingContext,
    ) -> tuple[tuple[Event, ...], frozenset[str]]:
        name, fresh, moved = self._cluster.name, [], set[str]()
        for one, outcome in outcomes:
            told = (conditions.record_event(tx, _owned(each, setting)) for each in outcome.events)
            fresh += [event for event in told if tx.outbox.add(event)]
            if (ident := self._advanced(tx, one, outcome, setting.now)) is not None:
                moved.add(ident)
        tx.observed.put(name, self._kind, [outcome.remember for _, outcome in outcomes if outcome.remember is not None])
        tx.observed.remove(name, self._kind, [one.uid for one, outcome in outcomes if outcome.remember is None])
        settled, ended = self._settled(tx, outcomes, setting)
        if batch.resource_version:
            tx.cursors.put(name, self._kind, batch.resource_version, setting.now)
        return (*fresh, *settled), frozenset(moved | ended)

    def _settled(
        self, tx: Transaction, outcomes: list[tuple[Observation[Any], TrackingOutcome]], setting: TrackingContext
    ) -> tuple[list[Event], set[str]]:
        """Backups and the requests for their deletion come on two watches, in any order."""
        if self._kind not in {"Backup", vanished_settlement.REQUEST_KIND}:
            return [], set()
        known = self._known.of("Backup")
        vanished_now = [outcome.vanished for _, outcome in outcomes if outcome.vanished is not None]
        tx.observed.put(setting.cluster, vanished_backups.VANISHED_KIND, vanished_now)
        told: list[Event] = []
        if self._kind == "Backup" and not setting.first:
            appeared = (one.remember for _, one in outcomes if one.remember and one.remember.uid not in known)
            told += vanished_settlement.handle_returned(tx, setting, appeared)
        events, moved = vanished_settlement.settle(tx, setting, self._lag)
        return [*told, *events], moved

    def _deletion(self, tx: Transaction, outcome: TrackingOutcome, now: datetime) -> str | None:
        """A request of ours: its operation ends with the backups that it meant, or with Velero's refusal."""
        request = outcome.remember
        ident = str(request.facts.get("operation", "")) if request is not None else ""
        if request is None or not ident:
            return None
        if vanished_backups.has_failed(request):
            moved = operations.fail_deletion(tx, ident, str(request.facts["errors"][0]), now)
        elif request.phase == "Processed" or request.facts.get("removed") == "unseen":
            moved = operations.settle_deletion(
                tx, ident, vanished_settlement.existing_uids(tx, self._cluster.name), now
            )
        else:
            return None
        return ident if moved is not None else None

    def _advanced(self, tx: Transaction, one: Observation[Any], outcome: TrackingOutcome, now: datetime) -> str | None:
        if self._kind == "DeleteBackupRequest":
            return self._deletion(tx, outcome, now)
        if self._kind not in {"Backup", "Restore"}:
            return None
        prev = self._known.of(self._kind).get(one.uid)
        if outcome.remember is None:
            return self._gone(tx, one, prev, now)
        facts = outcome.remember.facts
        ident = str(facts.get("operation", ""))
        if not ident:
            return None
        before = (prev.facts.get("done"), prev.facts.get("total")) if prev else None
        progress = (facts.get("done"), facts.get("total"))
        changed = {"progress": progress} if before != progress and any(progress) else {}
        operation = operations.advance(tx, ident, outcome.remember.phase, one.uid, one.name, now, changed)
        return ident if operation is not None else None

    def _gone(self, tx: Transaction, one: Observation[Any], prev: Observed | None, now: datetime) -> str | None:
        ident = str(prev.facts.get("operation", "")) if prev else ""
        if ident:
            operations.handle_vanished(tx, ident, now, deleted=one.change is Change.DELETED)
        return ident or None

    def _remember(self, outcomes: list[tuple[Observation[Any], TrackingOutcome]]) -> None:
        known = self._known.of(self._kind)
        for one, outcome in outcomes:
            if outcome.remember is not None:
                known[one.uid] = outcome.remember
            else:
                known.pop(one.uid, None)


def _named(one: Observation[Any], prev: Observed | None) -> str:
    if one.value is not None:
        return str(one.value.meta.labels.get(OPERATION, ""))
    return str(prev.facts.get("operation", "")) if prev is not None else ""


def _owned(event: Event, setting: TrackingContext) -> Event:
    """A label says which operation made an object; only one that was granted did."""
    return event if event.operation in setting.granted else replace(event, operation="")
