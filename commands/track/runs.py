"""Backups and restores: what a run's change of phase means.

Objects that were created terminal (generation 1: synced from a bucket, or restored) are baseline, not news. A run that
ended while nobody looked has a higher generation, since Velero's status counts in it, and is told once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from commands.moments import moment
from commands.resolve import OPERATION, REQUESTED_BY
from commands.track.sighting import Outcome, Setting, event, of_known, text
from domain.event import Event, Severity
from store.observed import Observed
from velero.backups import Backup
from velero.observations import Change, Observation
from velero.phases import BACKUP_PHASES
from velero.restores import Restore

KINDS = {
    "Completed": ("completed", Severity.INFO),
    "PartiallyFailed": ("partially-failed", Severity.FAILURE),
    "Failed": ("failed", Severity.FAILURE),
    "FailedValidation": ("failed-validation", Severity.FAILURE),
}


def observe(setting: Setting, prev: Observed | None, seen: Observation[Any]) -> Outcome:
    """`seen.value` is a Backup or a Restore."""
    noun = seen.resource.lower()
    if seen.change in {Change.DELETED, Change.GONE} or seen.value is None:
        return _vanished(setting, noun, prev)
    run: Backup | Restore = seen.value
    remember = Observed(seen.uid, seen.name, run.phase, setting.now, _facts(run, prev, setting))
    if not _is_news(setting, prev, run, seen.generation):
        return Outcome((), remember)
    return Outcome(tuple(_told(setting, noun, prev, run)), remember)


def _is_news(setting: Setting, prev: Observed | None, run: Backup | Restore, generation: int) -> bool:
    if prev is not None:
        return prev.phase != run.phase
    if setting.first:
        return False
    return not (run.ended and generation <= 1)


def _told(setting: Setting, noun: str, prev: Observed | None, run: Backup | Restore) -> Iterable[Event]:
    facts = {**_facts(run, prev, setting), **_story(setting, run, prev)}
    if run.ended:
        name, severity = KINDS[run.phase]
        if name == "completed" and facts.get("recovered"):
            severity = Severity.RECOVERY
        yield event(setting, f"{noun}.{name}", noun.capitalize(), run.meta, run.phase, facts, severity)
    elif prev is None and not run.meta.labels.get(OPERATION) and isinstance(run, Restore):
        yield event(setting, "restore.outside", noun.capitalize(), run.meta, "outside", facts, Severity.SECURITY)


def _vanished(setting: Setting, noun: str, prev: Observed | None) -> Outcome:
    if prev is None:
        return Outcome()
    if noun == "restore":
        return Outcome((of_known(setting, "restore.removed", "Restore", prev, "removed", Severity.INFO),))
    if prev.phase == "Deleting" or _was_asked(setting, prev):
        return Outcome((of_known(setting, "backup.deleted", "Backup", prev, "deleted", Severity.INFO),))
    return Outcome((of_known(setting, "backup.gone", "Backup", prev, "gone", Severity.WARNING),))


def _was_asked(setting: Setting, prev: Observed) -> bool:
    """A name may be taken again: the request that ended the first one says nothing of the second."""
    request = setting.asked.get(prev.name)
    return request is not None and request.facts.get("backup_uid") in {prev.uid, "", None}


def _facts(run: Backup | Restore, prev: Observed | None, setting: Setting) -> dict[str, Any]:
    """Small and JSON: what lists, cards, stalls and the next comparison need."""
    since = prev.facts.get("since") if prev is not None and prev.phase == run.phase else text(setting.now)
    found: dict[str, Any] = {
        "operation": run.meta.labels.get(OPERATION, ""),
        "by": run.meta.annotations.get(REQUESTED_BY, ""),
        "created": text(run.meta.created),
        "started": text(run.started),
        "completed": text(run.completed),
        "since": since,
        "errors": run.errors,
        "warnings": run.warnings,
        "done": run.items_done,
        "total": run.items_total,
        "namespaces": list(run.included_namespaces),
        "generation": run.meta.generation,
    }
    if isinstance(run, Backup):
        found |= {
            "schedule": run.schedule,
            "location": run.storage_location,
            "expires": text(run.expires),
            "queue": run.queue_position,
            "refused": " ".join(run.validation_errors)[:300],
            "kots": kots_series(run),
            "labels": dict(run.meta.labels),
        }
    else:
        found |= {"backup": run.backup, "mapping": dict(run.namespace_mapping)}
    return {key: value for key, value in found.items() if value not in ("", [], {}, 0)}


def kots_series(run: Backup) -> str:
    """KOTS schedules without a Schedule object: its backups alone show that there is one."""
    marks = run.meta.annotations
    if marks.get("kots.io/snapshot-trigger") != "schedule":
        return ""
    return f"kots app {marks['kots.io/app-id']}" if marks.get("kots.io/app-id") else "kots instance"


def _story(setting: Setting, run: Backup | Restore, prev: Observed | None) -> dict[str, Any]:
    """What a notice of the end tells beside the facts."""
    story: dict[str, Any] = {
        "phase": run.phase,
        "failure_reason": run.failure_reason,
        "validation_errors": list(run.validation_errors),
        "was": prev.phase if prev else "",
    }
    if isinstance(run, Backup):
        peers = [one for one in setting.known if one.uid != run.meta.uid and _same_series(one, run)]
        last = max(peers, key=_when, default=None)
        good = max((one for one in peers if BACKUP_PHASES.good(one.phase)), key=_when, default=None)
        story["last_good"] = {"name": good.name, "at": _when(good)} if good else None
        story["recovered"] = bool(run.phase == "Completed" and last is not None and not BACKUP_PHASES.good(last.phase))
        story["usual"] = usual(peers)
        story["last_items"] = good.facts.get("done", 0) if good else 0
    return {key: value for key, value in story.items() if value}


def _same_series(one: Observed, run: Backup) -> bool:
    if one.phase not in BACKUP_PHASES.terminal:
        return False
    if run.schedule:
        return one.facts.get("schedule") == run.schedule
    return not one.facts.get("schedule") and one.facts.get("namespaces", []) == list(run.included_namespaces)


def _when(one: Observed) -> str:
    return str(one.facts.get("started") or one.facts.get("created") or "")


def usual(peers: Iterable[Observed]) -> float:
    """Median duration in seconds of the last ten that went well; 0 where nothing is known."""
    spans: list[float] = []
    for one in sorted(peers, key=_when, reverse=True):
        begun, ended = moment(one.facts.get("started")), moment(one.facts.get("completed"))
        if BACKUP_PHASES.good(one.phase) and begun and ended:
            spans.append((ended - begun).total_seconds())
        if len(spans) == 10:
            break
    return sorted(spans)[len(spans) // 2] if spans else 0.0
