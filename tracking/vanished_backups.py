"""Backups whose records vanished: deleted, gone, or returned. Pure; a row of each is kept until it can't return.

Only a DeleteBackupRequest that Velero processed without errors means that the data is deleted. The request ends after the record,
and on another watch: until its end is seen, nothing is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from msgspec import structs

from commands.planning.object_fields import parse_time
from domain.event import Event, Severity
from store.tables.observed import Observed
from tracking.observation import TrackingContext, event_of_known, format_time

VANISHED_KIND = "VanishedBackup"
"""The kind under which `observed` keeps them, by the uid of the record."""
KEEP_FOR = timedelta(days=8)
"""How long a backup that returns is recognised."""
REQUEST_TIMEOUT = timedelta(minutes=10)
"""How long to wait for the end of a request that Velero has started."""


class VanishedFate(StrEnum):
    UNKNOWN = "unknown"
    DELETED = "deleted"
    EXPIRED = "expired"
    GONE = "gone"
    LOST = "lost"
    """Gone, and Velero's sync doesn't find its data in the bucket."""


@dataclass(frozen=True, slots=True)
class SettledBackup:
    """`row` replaces the stored row; `request` is the one that Velero processed."""

    row: Observed
    event: Event | None = None
    request: Observed | None = None


def row_of(prev: Observed, now: datetime) -> Observed:
    return structs.replace(
        prev, seen_at=now, facts={**prev.facts, "fate": VanishedFate.UNKNOWN.value, "vanished": format_time(now)}
    )


def fate_of(row: Observed) -> VanishedFate:
    return VanishedFate(row.facts.get("fate", VanishedFate.UNKNOWN.value))


def settle_backup(
    context: TrackingContext, row: Observed, requests: Iterable[Observed], within: timedelta
) -> SettledBackup | None:
    """None while the reason isn't known yet. `within`: how long the other watch may lag behind."""
    mine = [request for request in requests if request_concerns(request, row)]
    processed = next((request for request in mine if _processed(request, row)), None)
    if processed is not None:
        return _settled(context, row, VanishedFate.DELETED, processed)
    waited = context.now - (parse_time(row.facts.get("vanished")) or context.now)
    if waited < (REQUEST_TIMEOUT if any(map(_open, mine)) else within):
        return None
    expires = parse_time(row.facts.get("expires"))
    return _settled(
        context, row, VanishedFate.EXPIRED if expires is not None and expires <= context.now else VanishedFate.GONE
    )


def request_concerns(request: Observed, row: Observed) -> bool:
    """Velero deletes by name, and a name may be reused: an older request doesn't concern a newer backup."""
    if request.facts.get("backup") != row.name:
        return False
    if request.facts.get("backup_uid") == row.uid:
        return True
    requested, created = parse_time(request.facts.get("created")), parse_time(row.facts.get("created"))
    return requested is not None and created is not None and requested > created


def has_failed(request: Observed) -> bool:
    return request.phase == "Processed" and bool(request.facts.get("errors"))


def _processed(request: Observed, row: Observed) -> bool:
    """Velero removes a request after processing it, so a request that vanished while its backup was Deleting was processed."""
    if request.phase == "Processed":
        return not request.facts.get("errors")
    taken_up = request.phase == "InProgress" and row.phase == "Deleting"
    return taken_up and request.facts.get("removed") == "unseen"


def _open(request: Observed) -> bool:
    return request.phase != "Processed" and not request.facts.get("removed")


def _settled(
    context: TrackingContext, row: Observed, fate: VanishedFate, request: Observed | None = None
) -> SettledBackup:
    ran = bool(row.facts.get("started"))
    if fate is VanishedFate.DELETED:
        kind, severity, facts = "backup.deleted", Severity.INFO, _deleted(row, ran=ran)
    elif fate is VanishedFate.EXPIRED:
        kind, severity, facts = "backup.gone", Severity.INFO, _expired(row)
    else:
        kind, severity, facts = "backup.gone", Severity.WARNING, _gone(row, ran=ran)
    kept = structs.replace(row, facts={**row.facts, "fate": fate.value})
    event = event_of_known(context, kind, "Backup", kept, kind.partition(".")[2], severity)
    return SettledBackup(kept, _with(event, facts), request)


def _deleted(row: Observed, *, ran: bool) -> Mapping[str, Any]:
    return {} if ran else {"headline": f"Backup {row.name} was deleted before it ran"}


def _expired(row: Observed) -> Mapping[str, Any]:
    return {"headline": f"Backup {row.name} expired and its record is gone"}


def _gone(row: Observed, *, ran: bool) -> Mapping[str, Any]:
    if not ran:
        return {"message": "It never ran, so no data was lost."}
    where = row.facts.get("location") or "the storage location"
    return {
        "message": f"No deletion request explains this. If its data is still in {where}, "
        "Velero's next sync restores the record and you get a notification."
    }


def returned_event(context: TrackingContext, row: Observed, current: Observed) -> Event | None:
    """The same run under a new uid: Velero's sync found it in the bucket. A new run with that name is another backup."""
    started = row.facts.get("started")
    if not started or started != current.facts.get("started") or fate_of(row) is VanishedFate.UNKNOWN:
        return None
    earlier = "deleted" if fate_of(row) is VanishedFate.DELETED else "gone"
    where = current.facts.get("location") or "its storage location"
    facts = {
        "message": f"It was reported as {earlier} at {_at(row)}, but its data is in {where}: "
        "Velero's sync restored the record.",
        "was": row.uid,
    }
    event = event_of_known(context, "backup.returned", "Backup", current, f"returned {row.uid}", Severity.RECOVERY)
    return replace(_with(event, facts), operation=str(row.facts.get("deleted_by", "")))


def missed_by_sync(context: TrackingContext, row: Observed, last_synced: datetime | None) -> SettledBackup | None:
    """Two syncs after the record vanished didn't restore it, so its data isn't in the bucket."""
    vanished, seen = parse_time(row.facts.get("vanished")), parse_time(row.facts.get("synced"))
    if fate_of(row) is not VanishedFate.GONE or not row.facts.get("started") or last_synced is None or vanished is None:
        return None
    if last_synced <= vanished or last_synced == seen:
        return None
    if seen is None:
        return SettledBackup(structs.replace(row, facts={**row.facts, "synced": format_time(last_synced)}))
    where = row.facts.get("location") or "its storage location"
    facts = {"message": f"Velero synced {where} twice after the record disappeared and didn't find the backup there."}
    lost = structs.replace(row, facts={**row.facts, "fate": VanishedFate.LOST.value})
    event = event_of_known(context, "backup.data-gone", "Backup", lost, "data-gone", Severity.FAILURE)
    return SettledBackup(lost, _with(event, facts))


def _with(event: Event, facts: Mapping[str, Any]) -> Event:
    return replace(event, facts={**event.facts, **facts})


def _at(row: Observed) -> str:
    at = parse_time(row.facts.get("vanished"))
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else "an earlier time"
