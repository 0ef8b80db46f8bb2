"""Backups and restores: the events that follow from a run's change of phase.

Objects that were created in a terminal phase (generation 1: synced from a bucket, or restored) are baseline, not news. A run that
ended while the bot wasn't watching has a higher generation, since Velero's status updates count in it, and is reported once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
from tracking.run_index import run_time, series_key
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


def observe(context: TrackingContext, prev: Observed | None, seen: Observation[Any]) -> TrackingOutcome:
    """`seen.value` is the row of a Backup or a Restore."""
    if seen.change in VANISHED or seen.value is None:
        return _vanished(context, seen.resource.lower(), prev)
    run: Run = seen.value
    facts = _facts(run, prev, context)
    remember = Observed(seen.uid, seen.name, run.phase, context.now, facts)
    if not _is_news(context, prev, run):
        return TrackingOutcome((), remember)
    return TrackingOutcome(tuple(_events(context, seen.resource.lower(), prev, run, facts)), remember)


def _is_news(context: TrackingContext, prev: Observed | None, run: Run) -> bool:
    if prev is not None:
        return prev.phase != run.phase
    if context.first:
        return False
    return not (run.has_ended and run.meta.generation <= 1)


def _events(
    context: TrackingContext, noun: str, prev: Observed | None, run: Run, facts: dict[str, Any]
) -> Iterable[Event]:
    facts = {**facts, **_end_facts(context, run, prev)}
    if prev is None and isinstance(run, RestoreRow) and run.meta.labels.get(OPERATION) not in context.granted:
        yield make_event(context, "restore.outside", noun.capitalize(), run.meta, "outside", facts, Severity.SECURITY)
    if run.has_ended:
        name, severity = KINDS[run.phase]
        if name == "completed" and facts.get("recovered"):
            severity = Severity.RECOVERY
        yield make_event(context, f"{noun}.{name}", noun.capitalize(), run.meta, run.phase, facts, severity)


def _vanished(context: TrackingContext, noun: str, prev: Observed | None) -> TrackingOutcome:
    if prev is None:
        return TrackingOutcome()
    if noun == "restore":
        return TrackingOutcome((event_of_known(context, "restore.removed", "Restore", prev, "removed", Severity.INFO),))
    return TrackingOutcome(vanished=vanished_backups.row_of(prev, context.now))


def _facts(run: Run, prev: Observed | None, context: TrackingContext) -> dict[str, Any]:
    """Return the facts that lists, status messages, stalls and the next comparison need. A first list has 10,000 runs: keep them small."""
    meta, spec, status = run.meta, run.spec, run.status
    found: dict[str, Any] = {
        "operation": meta.labels.get(OPERATION),
        "by": meta.annotations.by,
        "created": valid_time(meta.created),
        "started": valid_time(status.started),
        "completed": valid_time(status.completed),
        "since": prev.facts.get("since")
        if prev is not None and prev.phase == status.phase
        else format_time(context.now),
        "errors": status.errors,
        "warnings": status.warnings,
        "done": status.progress.done,
        "total": status.progress.total,
        "namespaces": spec.namespaces,
        "generation": meta.generation,
        **(
            _backup_facts(run)
            if isinstance(run, BackupRow)
            else {"backup": run.spec.backup, "mapping": run.spec.mapping}
        ),
    }
    return {key: value for key, value in found.items() if value}


def _backup_facts(run: BackupRow) -> dict[str, Any]:
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
    """The name of a KOTS schedule, which has no Schedule object: only its backups show that it exists."""
    marks = run.meta.annotations
    if marks.kots_trigger != "schedule":
        return ""
    return f"KOTS application {marks.kots_app}" if marks.kots_app else "KOTS instance"


def _end_facts(context: TrackingContext, run: Run, prev: Observed | None) -> dict[str, Any]:
    """Return the further facts of a notification about the end."""
    facts: dict[str, Any] = {
        "phase": run.phase,
        "failure_reason": run.status.failure_reason,
        "validation_errors": list(run.status.validation_errors),
        "was": prev.phase if prev else "",
    }
    if isinstance(run, BackupRow):
        series, uid = series_key(run.schedule, run.spec.namespaces), run.meta.uid
        last, good = context.runs.last(series, uid), context.runs.last_good(series, uid)
        facts["last_good"] = {"name": good.name, "at": run_time(good)} if good else None
        facts["none_good"] = good is None
        facts["recovered"] = bool(
            run.phase == "Completed" and last is not None and not BACKUP_PHASES.is_good(last.phase)
        )
        facts["usual"] = context.runs.usual_duration(series, uid)
        facts["last_items"] = good.facts.get("done", 0) if good else 0
    return {key: value for key, value in facts.items() if value}
