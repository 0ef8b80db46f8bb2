"""Backups and restores: what a run's change of phase means.

Objects that were created terminal (generation 1: synced from a bucket, or restored) are baseline, not news. A run that
ended while nobody looked has a higher generation, since Velero's status counts in it, and is told once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from commands.planning.object_fields import parse_time
from commands.planning.resolve import OPERATION
from domain.event import Event, Severity
from store.tables.observed import Observed
from tracking import vanished_backups
from tracking.observation import (
    VANISHED,
    TrackingContext,
    TrackingOutcome,
    event_of_known,
    format_time,
    make_event,
    valid_time,
)
from velero.names import SCHEDULE_NAME
from velero.observations import Observation
from velero.phases import BACKUP_PHASES
from velero.resources.backups import BackupRow
from velero.resources.restores import RestoreRow

Run = BackupRow | RestoreRow

KINDS = {
    "Completed": ("completed", Severity.INFO),
    "PartiallyFailed": ("partially-failed", Severity.FAILURE),
    "Failed": ("failed", Severity.FAILURE),
    "FailedValidation": ("failed-validation", Severity.FAILURE),
}


def observe(setting: TrackingContext, prev: Observed | None, seen: Observation[Any]) -> TrackingOutcome:
    """`seen.value` is the row of a Backup or a Restore."""
    if seen.change in VANISHED or seen.value is None:
        return _vanished(setting, seen.resource.lower(), prev)
    run: Run = seen.value
    facts = _facts(run, prev, setting)
    remember = Observed(seen.uid, seen.name, run.phase, setting.now, facts)
    if not _is_news(setting, prev, run):
        return TrackingOutcome((), remember)
    return TrackingOutcome(tuple(_told(setting, seen.resource.lower(), prev, run, facts)), remember)


def _is_news(setting: TrackingContext, prev: Observed | None, run: Run) -> bool:
    if prev is not None:
        return prev.phase != run.phase
    if setting.first:
        return False
    return not (run.has_ended and run.meta.generation <= 1)


def _told(
    setting: TrackingContext, noun: str, prev: Observed | None, run: Run, facts: dict[str, Any]
) -> Iterable[Event]:
    facts = {**facts, **_story(setting, run, prev)}
    if prev is None and isinstance(run, RestoreRow) and run.meta.labels.get(OPERATION) not in setting.granted:
        yield make_event(setting, "restore.outside", noun.capitalize(), run.meta, "outside", facts, Severity.SECURITY)
    if run.has_ended:
        name, severity = KINDS[run.phase]
        if name == "completed" and facts.get("recovered"):
            severity = Severity.RECOVERY
        yield make_event(setting, f"{noun}.{name}", noun.capitalize(), run.meta, run.phase, facts, severity)


def _vanished(setting: TrackingContext, noun: str, prev: Observed | None) -> TrackingOutcome:
    if prev is None:
        return TrackingOutcome()
    if noun == "restore":
        return TrackingOutcome((event_of_known(setting, "restore.removed", "Restore", prev, "removed", Severity.INFO),))
    return TrackingOutcome(vanished=vanished_backups.row_of(prev, setting.now))


def _facts(run: Run, prev: Observed | None, setting: TrackingContext) -> dict[str, Any]:
    """Small and JSON: what lists, cards, stalls and the next comparison need. Ten thousand come in a first list."""
    meta, spec, status = run.meta, run.spec, run.status
    found: dict[str, Any] = {
        "operation": meta.labels.get(OPERATION),
        "by": meta.annotations.by,
        "created": valid_time(meta.created),
        "started": valid_time(status.started),
        "completed": valid_time(status.completed),
        "since": prev.facts.get("since")
        if prev is not None and prev.phase == status.phase
        else format_time(setting.now),
        "errors": status.errors,
        "warnings": status.warnings,
        "done": status.progress.done,
        "total": status.progress.total,
        "namespaces": spec.namespaces,
        "generation": meta.generation,
        **(_of_backup(run) if isinstance(run, BackupRow) else {"backup": run.spec.backup, "mapping": run.spec.mapping}),
    }
    return {key: value for key, value in found.items() if value}


def _of_backup(run: BackupRow) -> dict[str, Any]:
    labels, spec, status = run.meta.labels, run.spec, run.status
    return {
        "schedule": labels.get(SCHEDULE_NAME),
        "location": spec.location,
        "expires": valid_time(status.expires),
        "queue": status.queue_position,
        "refused": " ".join(status.validation_errors)[:300],
        "kots": kots_series(run),
        "labels": labels,
    }


def kots_series(run: BackupRow) -> str:
    """KOTS schedules without a Schedule object: its backups alone show that there is one."""
    marks = run.meta.annotations
    if marks.kots_trigger != "schedule":
        return ""
    return f"KOTS application {marks.kots_app}" if marks.kots_app else "KOTS instance"


def _story(setting: TrackingContext, run: Run, prev: Observed | None) -> dict[str, Any]:
    """What a notice of the end tells beside the facts."""
    story: dict[str, Any] = {
        "phase": run.phase,
        "failure_reason": run.status.failure_reason,
        "validation_errors": list(run.status.validation_errors),
        "was": prev.phase if prev else "",
    }
    if isinstance(run, BackupRow):
        peers = [one for one in setting.known if one.uid != run.meta.uid and _same_series(one, run)]
        last = max(peers, key=_when, default=None)
        good = max((one for one in peers if BACKUP_PHASES.is_good(one.phase)), key=_when, default=None)
        story["last_good"] = {"name": good.name, "at": _when(good)} if good else None
        story["none_good"] = good is None
        story["recovered"] = bool(
            run.phase == "Completed" and last is not None and not BACKUP_PHASES.is_good(last.phase)
        )
        story["usual"] = usual_duration(peers)
        story["last_items"] = good.facts.get("done", 0) if good else 0
    return {key: value for key, value in story.items() if value}


def _same_series(one: Observed, run: BackupRow) -> bool:
    if one.phase not in BACKUP_PHASES.terminal:
        return False
    if run.schedule:
        return one.facts.get("schedule") == run.schedule
    return not one.facts.get("schedule") and one.facts.get("namespaces", []) == run.spec.namespaces


def _when(one: Observed) -> str:
    return str(one.facts.get("started") or one.facts.get("created") or "")


def usual_duration(peers: Iterable[Observed]) -> float:
    """Median duration in seconds of the last ten that went well; 0 where nothing is known."""
    spans: list[float] = []
    for one in sorted(peers, key=_when, reverse=True):
        begun, ended = parse_time(one.facts.get("started")), parse_time(one.facts.get("completed"))
        if BACKUP_PHASES.is_good(one.phase) and begun and ended:
            spans.append((ended - begun).total_seconds())
        if len(spans) == 10:
            break
    return sorted(spans)[len(spans) // 2] if spans else 0.0
