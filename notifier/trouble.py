"""Which events are trouble for whoever is paged, and which end it: by alert name."""

from __future__ import annotations

from collections.abc import Mapping

BACKUP, RESTORE, MISSED = "VeleroBackupFailed", "VeleroRestoreFailed", "VeleroScheduleMissed"
LOCATION, SILENT = "VeleroLocationUnavailable", "VeleroSilent"

FIRING: Mapping[str, str] = {
    **{f"backup.{end}": BACKUP for end in ("failed", "partially-failed", "failed-validation")},
    **{f"restore.{end}": RESTORE for end in ("failed", "partially-failed", "failed-validation")},
    "schedule.missed": MISSED,
    "schedule.no-good-backup": MISSED,
    "location.unavailable": LOCATION,
    "velero.silent": SILENT,
}
RESOLVING: Mapping[str, tuple[str, ...]] = {
    "backup.completed": (BACKUP, MISSED),
    "schedule.recovered": (MISSED,),
    "location.available": (LOCATION,),
    "velero.back": (SILENT,),
}


def concerns(kind: str) -> bool:
    """Whether an alert hangs on this kind of event, whatever its severity: recoveries follow their failures."""
    return kind in FIRING or kind in RESOLVING
