"""Follows one kind of one cluster: what the watch shows becomes events, exactly once.

Each batch is committed in one transaction with its events, the objects as they were seen, the operations that they move, and the
watch position. A crash between two commits loses nothing and repeats nothing. An object that can't be processed is set aside and
must never hold up the others.
"""

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
from tracking.run_index import RunIndex
from tracking.watched_schedules import SCHEDULE_KIND, WatchedSchedules
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
RUN_KINDS = frozenset({"Backup", "Restore"})
WATCH_LAG = timedelta(seconds=5)
"""How far the watch of one kind may be behind the watch of another."""


class ClusterMemory:
    """The known objects of a cluster: the table `observed` in memory, by kind and uid, and the whole schedules."""

    def __init__(self) -> None:
        self._by_kind: dict[str, dict[str, Observed]] = {}
        self._runs: dict[str, RunIndex] = {}
        self.in_step: set[str] = set()
        self.schedules = WatchedSchedules()

    def of(self, kind: str) -> Mapping[str, Observed]:
        return self._by_kind.setdefault(kind, {})

    def runs(self, kind: str) -> RunIndex:
        return self._runs.setdefault(kind, RunIndex())

    async def load(self, kind: str, rows: dict[str, Observed]) -> None:
        """Replaces what is known of a kind."""
        runs = await asyncio.to_thread(RunIndex, rows.values()) if kind in RUN_KINDS else RunIndex()
        self._by_kind[kind], self._runs[kind] = rows, runs

    def put(self, kind: str, row: Observed) -> None:
        self._by_kind.setdefault(kind, {})[row.uid] = row
        if kind in RUN_KINDS:
            self.runs(kind).put(row)

    def remove(self, kind: str, uid: str) -> None:
        self._by_kind.setdefault(kind, {}).pop(uid, None)
        self.runs(kind).remove(uid)


class Follower:
    """`on_commit` is called after a commit with the new events and the ids of operations that changed."""

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        kind: str,
        known: ClusterMemory,
        now: Callable[[], datetime],
        on_commit: Callable[[tuple[Event, ...], frozenset[str]], None],
        lag: timedelta = WATCH_LAG,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._kind = kind
        self._known = known
        self._now = now
        self._on_commit = on_commit
        self._observe = OBSERVERS[kind]
        self._lag = lag
        self._first = False
        self._failed: dict[str, FailedItem] = {}
        self._retrying: asyncio.Timeout | None = None
        self._relisting = False

    async def run(self) -> None:
        """Runs until it is cancelled. Lists again when an object that was set aside is due to be retried."""
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
        """Retries the objects that were set aside, now."""
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
        await self._known.load(self._kind, rows)
        self._first = place is None
        await self._load_failed()
        before = frozenset(self._failed) if self._relisting else frozenset[str]()
        # Schedules are kept whole in memory, so their watch begins with a list.
        start = "" if self._relisting or self._kind == SCHEDULE_KIND else place or ""
        if self._kind == SCHEDULE_KIND:
            self._known.schedules.restart()
        reflector = self._cluster.reflector(self._kind, self._names, resource_version=start)
        if place is not None:
            self._known.in_step.add(self._kind)
        async with aclosing(reflector.batches()) as batches:
            async for batch in batches:
                failed_again = await self._take(batch)
                before -= failed_again
                if batch.complete and self._relisting:
                    # This list brought them, or they are gone from the cluster.
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
        whole = self._known.schedules.names if self._kind == SCHEDULE_KIND else {}
        return {**whole, **{uid: one.name for uid, one in self._known.of(self._kind).items()}}

    async def _take(self, batch: Batch[Any]) -> frozenset[str]:
        """Returns the uids of objects that were set aside because they can't be processed; the position moves past them."""
        if self._kind == SCHEDULE_KIND:
            self._known.schedules.take(batch)
        if await error_of(self._commit_batch(batch)) is None:
            taken = frozenset(one.uid for one in batch.observations) & frozenset(self._failed)
            if taken:
                await self._clear(taken)
            return frozenset()
        # An error with an empty batch isn't any object's error: it is raised, for the loop.
        await self._commit_batch(replace(batch, observations=(), resource_version="", complete=False))
        failed = set[str]()
        for one in batch.observations:
            error = await error_of(
                self._commit_batch(replace(batch, observations=(one,), resource_version="", complete=False))
            )
            if error is not None:
                failed.add(one.uid)
                await self._set_aside(one.uid, error)
        await self._commit_batch(replace(batch, observations=()))
        return frozenset(failed)

    async def _set_aside(self, uid: str, error: Exception) -> None:
        subject = self._subject(uid)
        await self._store.write(lambda tx: set_aside(tx, subject, error, self._now()))
        await self._load_failed()

    async def _commit_batch(self, batch: Batch[Any]) -> None:
        now = self._now()
        granted = await self._granted_operations(batch)
        context = TrackingContext(
            self._cluster.name,
            self._cluster.uid,
            now,
            self._first,
            self._known.runs(self._kind),
            granted,
            self._known.schedules.all(),
        )
        outcomes = self._compare(batch, context)
        events, moved = await self._store.write(lambda tx: self._commit(tx, batch, outcomes, context))
        self._remember(outcomes)
        if batch.complete:
            self._first = False
            self._known.in_step.add(self._kind)
        if events or moved:
            self._on_commit(events, moved)

    async def _granted_operations(self, batch: Batch[Any]) -> frozenset[str]:
        """The operations named by labels that really created these objects."""
        known = self._known.of(self._kind)
        named = [
            (operation_id, one.name)
            for one in batch.observations
            if (operation_id := _operation_label(one, known.get(one.uid)))
        ]
        if not named:
            return frozenset()
        cluster, kind = self._cluster.name, self._kind
        return await self._store.read(
            lambda tx: frozenset(
                operation_id
                for operation_id, name in named
                if operations.has_created(tx, operation_id, cluster, kind, name)
            )
        )

    def _compare(self, batch: Batch[Any], context: TrackingContext) -> list[tuple[Observation[Any], TrackingOutcome]]:
        """Each object is compared with its last state, even if that is in the same batch: Deleting and gone come close together."""
        known = self._known.of(self._kind)
        latest: dict[str, Observed | None] = {}
        found: list[tuple[Observation[Any], TrackingOutcome]] = []
        for one in batch.observations:
            prev = latest[one.uid] if one.uid in latest else known.get(one.uid)
            outcome = self._observe(context, prev, one)
            latest[one.uid] = outcome.remember
            found.append((one, outcome))
        return found

    def _commit(
        self,
        tx: Transaction,
        batch: Batch[Any],
        outcomes: list[tuple[Observation[Any], TrackingOutcome]],
        context: TrackingContext,
    ) -> tuple[tuple[Event, ...], frozenset[str]]:
        name, fresh, moved = self._cluster.name, [], set[str]()
        for one, outcome in outcomes:
            events = (conditions.record_event(tx, _without_forged_operation(each, context)) for each in outcome.events)
            fresh += [event for event in events if tx.outbox.add(event)]
            if (operation_id := self._advance_operation(tx, one, outcome, context.now)) is not None:
                moved.add(operation_id)
        tx.observed.put(name, self._kind, [outcome.remember for _, outcome in outcomes if outcome.remember is not None])
        tx.observed.remove(name, self._kind, [one.uid for one, outcome in outcomes if outcome.remember is None])
        settled, ended = self._settle_vanished(tx, outcomes, context)
        if batch.resource_version:
            tx.cursors.put(name, self._kind, batch.resource_version, context.now)
        return (*fresh, *settled), frozenset(moved | ended)

    def _settle_vanished(
        self, tx: Transaction, outcomes: list[tuple[Observation[Any], TrackingOutcome]], context: TrackingContext
    ) -> tuple[list[Event], set[str]]:
        """Settles vanished backups: backups and the requests to delete them come on two watches, in any order."""
        if self._kind not in {"Backup", vanished_settlement.REQUEST_KIND}:
            return [], set()
        known = self._known.of("Backup")
        vanished_now = [outcome.vanished for _, outcome in outcomes if outcome.vanished is not None]
        tx.observed.put(context.cluster, vanished_backups.VANISHED_KIND, vanished_now)
        returned: list[Event] = []
        if self._kind == "Backup" and not context.first:
            appeared = (one.remember for _, one in outcomes if one.remember and one.remember.uid not in known)
            returned += vanished_settlement.handle_returned(tx, context, appeared)
        events, moved = vanished_settlement.settle(tx, context, self._lag)
        return [*returned, *events], moved

    def _advance_deletion(self, tx: Transaction, outcome: TrackingOutcome, now: datetime) -> str | None:
        """The operation of a DeleteBackupRequest ends when its backups are gone, or when Velero rejects the request."""
        request = outcome.remember
        operation_id = str(request.facts.get("operation", "")) if request is not None else ""
        if request is None or not operation_id:
            return None
        if vanished_backups.has_failed(request):
            moved = operations.fail_deletion(tx, operation_id, str(request.facts["errors"][0]), now)
        elif request.phase == "Processed" or request.facts.get("removed") == "unseen":
            moved = operations.settle_deletion(
                tx, operation_id, vanished_settlement.existing_uids(tx, self._cluster.name), now
            )
        else:
            return None
        return operation_id if moved is not None else None

    def _advance_operation(
        self, tx: Transaction, one: Observation[Any], outcome: TrackingOutcome, now: datetime
    ) -> str | None:
        if self._kind == "DeleteBackupRequest":
            return self._advance_deletion(tx, outcome, now)
        if self._kind not in {"Backup", "Restore"}:
            return None
        prev = self._known.of(self._kind).get(one.uid)
        if outcome.remember is None:
            return self._advance_vanished(tx, one, prev, now)
        facts = outcome.remember.facts
        operation_id = str(facts.get("operation", ""))
        if not operation_id:
            return None
        before = (prev.facts.get("done"), prev.facts.get("total")) if prev else None
        progress = (facts.get("done"), facts.get("total"))
        changed = {"progress": progress} if before != progress and any(progress) else {}
        operation = operations.advance(tx, operation_id, outcome.remember.phase, one.uid, one.name, now, changed)
        return operation_id if operation is not None else None

    def _advance_vanished(
        self, tx: Transaction, one: Observation[Any], prev: Observed | None, now: datetime
    ) -> str | None:
        operation_id = str(prev.facts.get("operation", "")) if prev else ""
        if operation_id:
            operations.handle_vanished(tx, operation_id, now, deleted=one.change is Change.DELETED)
        return operation_id or None

    def _remember(self, outcomes: list[tuple[Observation[Any], TrackingOutcome]]) -> None:
        for one, outcome in outcomes:
            if outcome.remember is not None:
                self._known.put(self._kind, outcome.remember)
            else:
                self._known.remove(self._kind, one.uid)


def _operation_label(one: Observation[Any], prev: Observed | None) -> str:
    if one.value is not None:
        return str(one.value.meta.labels.get(OPERATION, ""))
    return str(prev.facts.get("operation", "")) if prev is not None else ""


def _without_forged_operation(event: Event, context: TrackingContext) -> Event:
    """Removes an operation that was never granted: anyone can write a label."""
    return event if event.operation in context.granted else replace(event, operation="")
