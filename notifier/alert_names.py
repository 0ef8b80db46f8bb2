"""Maps events to alert names: which events fire an alert, and which resolve it."""

from __future__ import annotations

from collections.abc import Mapping

from domain.event import Event

BACKUP, RESTORE, MISSED = "VeleroBackupFailed", "VeleroRestoreFailed", "VeleroScheduleMissed"
LOCATION, SILENT = "VeleroLocationUnavailable", "VeleroSilent"
INVALID = "VeleroScheduleInvalid"
UNREACHABLE, ACCESS = "VeleroClusterUnreachable", "VeleroClusterAccessLost"

FIRING: Mapping[str, str] = {
    **{f"backup.{end}": BACKUP for end in ("failed", "partially-failed", "failed-validation")},
    **{f"restore.{end}": RESTORE for end in ("failed", "partially-failed", "failed-validation")},
    "schedule.missed": MISSED,
    "schedule.no-good-backup": MISSED,
    "schedule.failed-validation": INVALID,
    "location.unavailable": LOCATION,
    "velero.silent": SILENT,
    "cluster.unreachable": UNREACHABLE,
    "cluster.access-lost": ACCESS,
}
RESOLVING: Mapping[str, tuple[str, ...]] = {
    "backup.completed": (BACKUP, MISSED),
    "schedule.recovered": (MISSED,),
    "schedule.good-again": (MISSED,),
    "schedule.fixed": (INVALID,),
    "schedule.deleted-outside": (BACKUP, MISSED, INVALID),
    "location.available": (LOCATION,),
    "location.removed": (LOCATION,),
    "velero.back": (SILENT,),
    "cluster.reachable": (UNREACHABLE,),
    "cluster.access-back": (ACCESS,),
}
_BY_VERB: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("schedule.changed", "pause"): (MISSED,),
    ("schedule.changed", "delete"): (BACKUP, MISSED, INVALID),
}
"""Commands resolve alerts too: a paused or deleted schedule pages no one."""
_ENDING = {*RESOLVING, *(kind for kind, _ in _BY_VERB)}

RECOVERABLE_ALERTS = frozenset(name for names in RESOLVING.values() for name in names)
"""Alerts that fire until an event resolves them."""


def fired_alert(event: Event) -> str:
    """The alert that the event fires; empty for other events."""
    return FIRING.get(event.kind, "")


def resolved_alerts(event: Event) -> tuple[str, ...]:
    return RESOLVING.get(event.kind) or _BY_VERB.get((event.kind, str(event.facts.get("verb", ""))), ())


def concerns_alert(kind: str) -> bool:
    """Return whether the kind fires or resolves an alert, whatever the severity: recoveries follow their failures."""
    return kind in FIRING or kind in _ENDING


def troubles_ended_by(kind: str) -> tuple[str, ...]:
    """Kinds of events whose alerts this kind may resolve: their receivers get this event too."""
    names = {*RESOLVING.get(kind, ()), *(name for (of, _), each in _BY_VERB.items() if of == kind for name in each)}
    return tuple(each for each, name in FIRING.items() if name in names)
