"""Settles what happened to vanished backups, in the transaction that learns it, with the operation that explains it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from msgspec import structs

from commands import conditions
from commands.planning.object_fields import parse_time
from domain.event import Event, Severity
from domain.operation import Operation
from store.tables.observed import Observed
from store.transaction import Transaction
from store.writer import Store
from tracking import operations, vanished_backups
from tracking.observation import TrackingContext
from tracking.vanished_backups import SettledBackup, VanishedFate

REQUEST_KIND = "DeleteBackupRequest"
KEEP_REQUESTS_FOR = timedelta(days=2)
"""How long a removed request is remembered; Velero removes the others after a day."""


def settle(tx: Transaction, context: TrackingContext, within: timedelta) -> tuple[list[Event], set[str]]:
    """Returns the new events and the ids of operations that changed."""
    rows = tx.observed.load(context.cluster, vanished_backups.VANISHED_KIND)
    unknown = [row for row in rows.values() if vanished_backups.fate_of(row) is VanishedFate.UNKNOWN]
    if not unknown:
        return [], set()
    requests = tx.observed.load(context.cluster, REQUEST_KIND).values()
    settled = [
        found
        for row in unknown
        if (found := vanished_backups.settle_backup(context, row, requests, within)) is not None
    ]
    return _record(tx, context, settled)


def _record(
    tx: Transaction, context: TrackingContext, settled: Iterable[SettledBackup]
) -> tuple[list[Event], set[str]]:
    events: list[Event] = []
    moved: set[str] = set()
    for one in settled:
        row, event = one.row, one.event
        if vanished_backups.fate_of(row) is VanishedFate.DELETED and event is not None:
            operation = _explained_by(tx, row, one.request, context.cluster)
            event = _attributed(event, row, operation, context.now)
            row = structs.replace(row, facts={**row.facts, "deleted_by": event.operation})
        elif event is not None:
            event = replace(event, operation="")
        tx.observed.put(context.cluster, vanished_backups.VANISHED_KIND, [row])
        if event is not None and tx.outbox.add(conditions.record_event(tx, event)):
            events.append(event)
        if event is not None and event.operation and _end_operation(tx, event.operation, context):
            moved.add(event.operation)
    return events, moved


def _end_operation(tx: Transaction, operation: str, context: TrackingContext) -> bool:
    """Whether the delete operation ends now: none of its backups exists or is unexplained any more."""
    return operations.settle_deletion(tx, operation, existing_uids(tx, context.cluster), context.now) is not None


def settle_operation(tx: Transaction, operation: Operation, now: datetime) -> Operation | None:
    """Ends a delete operation if none of its backups exists or is unexplained any more; None otherwise."""
    return operations.settle_deletion(tx, operation.id, existing_uids(tx, operation.cluster), now)


def existing_uids(tx: Transaction, cluster: str) -> frozenset[str]:
    """The uids of backups that exist, or that vanished for a reason that isn't known yet."""
    rows = tx.observed.load(cluster, vanished_backups.VANISHED_KIND).values()
    unknown = [row.uid for row in rows if vanished_backups.fate_of(row) is VanishedFate.UNKNOWN]
    return tx.observed.uids(cluster, "Backup").union(unknown)


def _explained_by(tx: Transaction, row: Observed, request: Observed | None, cluster: str) -> Operation | None:
    named = str(request.facts.get("operation", "")) if request is not None else ""
    return operations.requested_deletion(tx, named, cluster, row.uid) or operations.deletion_operation(
        tx, cluster, row.uid
    )


def _attributed(event: Event, row: Observed, operation: Operation | None, now: datetime) -> Event:
    """Assigns a deletion to the granted operation that requested it; any other deletion is reported as unapproved."""
    if operation is not None:
        return replace(event, operation=operation.id)
    expires = parse_time(row.facts.get("expires"))
    if expires is not None and expires <= now:
        return replace(event, operation="")
    facts = {**event.facts, "headline": f"Backup {row.name} was deleted without approval"}
    return replace(event, operation="", severity=Severity.SECURITY, facts=facts)


def handle_returned(tx: Transaction, context: TrackingContext, appeared: Iterable[Observed]) -> list[Event]:
    """Reports new records of backups that were reported as deleted or gone before."""
    by_name: dict[str, list[Observed]] = {}
    for row in tx.observed.load(context.cluster, vanished_backups.VANISHED_KIND).values():
        by_name.setdefault(row.name, []).append(row)
    events: list[Event] = []
    for one in appeared if by_name else ():
        for row in by_name.get(one.name, ()):
            event = vanished_backups.returned_event(context, row, one)
            if event is not None and tx.outbox.add(event):
                events.append(event)
            if event is not None or _same_run(row, one):
                tx.observed.remove(context.cluster, vanished_backups.VANISHED_KIND, [row.uid])
    return events


def _same_run(row: Observed, one: Observed) -> bool:
    return bool(row.facts.get("started")) and row.facts.get("started") == one.facts.get("started")


async def review_vanished(
    store: Store, context: TrackingContext, within: timedelta
) -> tuple[tuple[Event, ...], frozenset[str]]:
    """Settles what only time can: a request that never came or never ended, and a backup that two syncs didn't find."""
    kind = vanished_backups.VANISHED_KIND
    if not await store.read(lambda tx: tx.observed.count(context.cluster, kind)):
        return (), frozenset()
    events, moved = await store.write(partial(_review, context=context, within=within))
    return tuple(events), frozenset(moved)


def _review(tx: Transaction, context: TrackingContext, within: timedelta) -> tuple[list[Event], set[str]]:
    cluster, now = context.cluster, context.now
    events, moved = settle(tx, context, within)
    synced = {one.name: one.facts.get("synced") for one in tx.observed.load(cluster, "BackupStorageLocation").values()}
    rows = tx.observed.load(cluster, vanished_backups.VANISHED_KIND).values()
    checked = (
        vanished_backups.missed_by_sync(context, row, parse_time(synced.get(str(row.facts.get("location", "")))))
        for row in rows
    )
    more, _ = _record(tx, context, [found for found in checked if found is not None])
    old = [row.uid for row in rows if now - row.seen_at > vanished_backups.KEEP_FOR]
    tx.observed.remove(cluster, vanished_backups.VANISHED_KIND, old)
    requests = tx.observed.load(cluster, REQUEST_KIND).values()
    done = [one.uid for one in requests if one.facts.get("removed") and now - one.seen_at > KEEP_REQUESTS_FOR]
    tx.observed.remove(cluster, REQUEST_KIND, done)
    return [*events, *more], moved
