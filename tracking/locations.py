"""Storage locations: unavailable and back. The server touches them at every validation; only the phase is news."""

from __future__ import annotations

from typing import Any

from domain.event import Event, Severity
from store.tables.observed import Observed
from tracking.observation import VANISHED, TrackingContext, TrackingOutcome, event_of_known, format_time, make_event
from velero.observations import Observation
from velero.resources.locations import StorageLocation


def observe(setting: TrackingContext, prev: Observed | None, seen: Observation[Any]) -> TrackingOutcome:
    if seen.change in VANISHED or seen.value is None:
        return TrackingOutcome(() if prev is None or prev.phase != "Unavailable" else (_removed(setting, prev),))
    location: StorageLocation = seen.value
    same = prev is not None and prev.phase == location.phase
    since = str(prev.facts.get("since", "")) if same and prev else format_time(setting.now)
    remember = Observed(
        seen.uid, seen.name, location.phase, setting.now, {"since": since, "synced": format_time(location.last_synced)}
    )
    facts = {"message": location.message, "since": since, "was_since": str(prev.facts.get("since", "")) if prev else ""}
    if location.phase == "Unavailable" and not same:
        transition = f"unavailable {since}"
        told = make_event(
            setting, "location.unavailable", "BackupStorageLocation", location.meta, transition, facts, Severity.FAILURE
        )
        return TrackingOutcome((told,), remember)
    if location.phase == "Available" and prev is not None and prev.phase == "Unavailable":
        transition = f"available {since}"
        told = make_event(
            setting, "location.available", "BackupStorageLocation", location.meta, transition, facts, Severity.RECOVERY
        )
        return TrackingOutcome((told,), remember)
    return TrackingOutcome((), remember)


def _removed(setting: TrackingContext, prev: Observed) -> Event:
    """The end of its trouble, too: nothing else would be heard of it."""
    since = str(prev.facts.get("since", ""))
    return event_of_known(
        setting, "location.removed", "BackupStorageLocation", prev, f"removed {since}", Severity.RECOVERY
    )
