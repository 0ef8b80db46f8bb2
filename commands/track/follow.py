"""Follows one kind of one cluster: batch by batch, events, sightings, operations and place in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Any

from commands.moments import moment
from commands.track import deletions, locations, operations, runs, schedules
from commands.track.sighting import Outcome, Setting
from domain.event import Event, Severity
from store.observed import Observed
from store.transaction import Transaction
from store.writer import Store
from velero.cluster import Cluster
from velero.observations import Batch, Change, Observation

log = logging.getLogger(__name__)

Observe = Callable[[Setting, Observed | None, Observation[Any]], Outcome]

OBSERVERS: Mapping[str, Observe] = {
    "Backup": runs.observe,
    "Restore": runs.observe,
    "BackupStorageLocation": locations.observe,
    "DeleteBackupRequest": deletions.observe,
    "Schedule": schedules.observe,
}
KEEPS_THE_GONE = frozenset({"DeleteBackupRequest"})
"""A request vanishes before the watch of backups tells what it did."""


class Known:
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
        known: Known,
        now: Callable[[], datetime],
        told: Callable[[tuple[Event, ...], frozenset[str]], None],
        observers: Mapping[str, Observe] = OBSERVERS,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._kind = kind
        self._known = known
        self._now = now
        self._told = told
        self._observe = observers[kind]
        self._first = False

    async def run(self) -> None:
        """Never ends by itself."""
        place, rows = await self._store.read(
            lambda tx: (
                tx.cursors.get(self._cluster.name, self._kind),
                tx.observed.load(self._cluster.name, self._kind),
            )
        )
        self._known.by_kind[self._kind] = rows
        self._first = place is None
        reflector = self._cluster.reflector(self._kind, self._names, resource_version=place or "")
        if place is not None:
            self._known.in_step.add(self._kind)
        async with aclosing(reflector.batches()) as batches:
            async for batch in batches:
                await self._take(batch)

    async def _names(self) -> dict[str, str]:
        return {uid: one.name for uid, one in self._known.of(self._kind).items()}

    async def _take(self, batch: Batch[Any]) -> None:
        now = self._now()
        outcomes = self._compared(batch, now)
        events, moved = await self._store.write(lambda tx: self._commit(tx, batch, outcomes, now))
        self._remember(outcomes)
        if batch.complete:
            self._first = False
            self._known.in_step.add(self._kind)
        if events or moved:
            self._told(events, moved)

    def _compared(self, batch: Batch[Any], now: datetime) -> list[tuple[Observation[Any], Outcome]]:
        """Each with what it was right before, be that in the same batch: Deleting and gone come close together."""
        known = self._known.of(self._kind)
        asked = {str(each.facts.get("backup", "")): each for each in self._known.of("DeleteBackupRequest").values()}
        setting = Setting(self._cluster.name, self._cluster.uid, now, self._first, known.values(), asked)
        latest: dict[str, Observed | None] = {}
        found: list[tuple[Observation[Any], Outcome]] = []
        for one in batch.observations:
            prev = latest[one.uid] if one.uid in latest else known.get(one.uid)
            outcome = self._observe(setting, prev, one)
            latest[one.uid] = outcome.remember
            found.append((one, outcome))
        return found

    def _commit(
        self, tx: Transaction, batch: Batch[Any], outcomes: list[tuple[Observation[Any], Outcome]], now: datetime
    ) -> tuple[tuple[Event, ...], frozenset[str]]:
        name, fresh, moved = self._cluster.name, [], set[str]()
        for one, outcome in outcomes:
            told = [self._claimed(tx, event, now) for event in outcome.events]
            fresh += [event for event in told if tx.outbox.add(event)]
            if (ident := self._advanced(tx, one, outcome, now)) is not None:
                moved.add(ident)
        tx.observed.put(name, self._kind, [outcome.remember for _, outcome in outcomes if outcome.remember is not None])
        gone = [one.uid for one, outcome in outcomes if outcome.remember is None and self._kind not in KEEPS_THE_GONE]
        tx.observed.remove(name, self._kind, gone)
        if batch.resource_version:
            tx.cursors.put(name, self._kind, batch.resource_version, now)
        return tuple(fresh), frozenset(moved)

    def _claimed(self, tx: Transaction, event: Event, now: datetime) -> Event:
        """A deletion belongs to the operation that asked for it; one that nobody asked for here is told as such."""
        if event.kind != "backup.deleted":
            return event
        operation = operations.deletion_of(tx, event.cluster, event.object_uid)
        if operation is not None:
            return replace(event, operation=operation.id)
        expires = moment(event.facts.get("expires"))
        if expires is not None and expires <= now:
            return replace(event, operation="")
        facts = {**event.facts, "headline": f"Backup {event.object_name} was deleted outside approval"}
        return replace(event, operation="", severity=Severity.SECURITY, facts=facts)

    def _deletion(self, tx: Transaction, one: Observation[Any], outcome: Outcome, now: datetime) -> str | None:
        """A request of ours: its operation ends with the backups that it meant, or with Velero's refusal."""
        prev = self._known.of(self._kind).get(one.uid)
        facts = outcome.remember.facts if outcome.remember else prev.facts if prev else {}
        ident = str(facts.get("operation", ""))
        if not ident:
            return None
        errors = facts.get("errors") or []
        if outcome.remember is not None and outcome.remember.phase == "Processed" and errors:
            moved = operations.deletion_failed(tx, ident, str(errors[0]), now)
        else:
            moved = operations.settle_deletion(tx, ident, self._known.of("Backup"), now)
        return ident if moved is not None else None

    def _advanced(self, tx: Transaction, one: Observation[Any], outcome: Outcome, now: datetime) -> str | None:
        if self._kind == "DeleteBackupRequest":
            return self._deletion(tx, one, outcome, now)
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
            operations.vanished(tx, ident, now, deleted=one.change is Change.DELETED)
        asked = operations.deletion_of(tx, self._cluster.name, one.uid) if self._kind == "Backup" else None
        if asked is None:
            return ident or None
        alive = set(self._known.of("Backup")) - {one.uid}
        moved = operations.settle_deletion(tx, asked.id, alive, now)
        return moved.id if moved else ident or None

    def _remember(self, outcomes: list[tuple[Observation[Any], Outcome]]) -> None:
        known = self._known.of(self._kind)
        for one, outcome in outcomes:
            if outcome.remember is not None:
                known[one.uid] = outcome.remember
            elif self._kind not in KEEPS_THE_GONE:
                known.pop(one.uid, None)
