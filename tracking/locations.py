"""Storage locations that become Unavailable or Available. Velero updates them at every validation; only the phase is news."""

from __future__ import annotations

from typing import Any

from domain.event import Event, Severity
from store.tables.observed import Observed
from tracking.observation import VANISHED, TrackingContext, TrackingOutcome, event_of_known, format_time, make_event
from velero.observations import Observation
from velero.resources.locations import StorageLocation


def observe(context: TrackingContext, prev: Observed | None, seen: Observation[Any]) -> TrackingOutcome:
    if seen.change in VANISHED or seen.value is None:
        return TrackingOutcome(() if prev is None or prev.phase != "Unavailable" else (_removed(context, prev),))
    location: StorageLocation = seen.value
    same = prev is not None and prev.phase == location.phase
    since = str(prev.facts.get("since", "")) if same and prev else format_time(context.now)
    remember = Observed(
        seen.uid, seen.name, location.phase, context.now, {"since": since, "synced": format_time(location.last_synced)}
    )
    facts = {
        "message": location.message,
        "since": since,
        "was_since": str(prev.facts.get("since", "")) if prev else "",
        "schedules": _schedules_using(location, context),
    }
    if location.phase == "Unavailable" and not same:
        transition = f"unavailable {since}"
        unavailable = make_event(
            context, "location.unavailable", "BackupStorageLocation", location.meta, transition, facts, Severity.FAILURE
        )
        return TrackingOutcome((unavailable,), remember)
    if location.phase == "Available" and prev is not None and prev.phase == "Unavailable":
        transition = f"available {since}"
        available = make_event(
            context, "location.available", "BackupStorageLocation", location.meta, transition, facts, Severity.RECOVERY
        )
        return TrackingOutcome((available,), remember)
    return TrackingOutcome((), remember)


def _schedules_using(location: StorageLocation, context: TrackingContext) -> list[str]:
    """Schedules whose backups go to the location; those without a location use the default one."""
    default = "" if location.default else location.name
    return sorted(
        schedule.name
        for schedule in context.schedules
        if str(schedule.template.get("storageLocation") or "") in {location.name, default}
    )


def _removed(context: TrackingContext, prev: Observed) -> Event:
    """Ends the outage, too: no other event would."""
    since = str(prev.facts.get("since", ""))
    return event_of_known(
        context, "location.removed", "BackupStorageLocation", prev, f"removed {since}", Severity.RECOVERY
    )
