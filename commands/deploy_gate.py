"""The deploy gate: whether every namespace has a Completed backup that is recent enough.

Pure: backups in, verdict out. `operations` reads the backups and their volumes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from domain.duration import format_human, from_timedelta
from domain.wildcards import matches_wildcard
from velero.artifacts.volumes import Volume
from velero.phases import BACKUP_PHASES
from velero.resources.backups import Backup

MAX_CANDIDATES = 3
"""Number of recent backups per namespace whose volumes are read, newest first."""

Volumes = Mapping[str, Sequence[Volume] | None]
"""Backup name → its volumes; None if the list can't be read."""


class GateReason(StrEnum):
    FRESH = "fresh"
    NO_BACKUP = "no-backup"
    TOO_OLD = "too-old"
    VOLUMES_WITHOUT_DATA = "volumes-without-data"
    VOLUMES_UNKNOWN = "volumes-unknown"
    TIMEOUT = "timeout"
    BACKUP_FAILED = "backup-failed"
    NOT_ALLOWED = "not-allowed"


@dataclass(frozen=True, slots=True)
class GateRequest:
    namespaces: tuple[str, ...]
    max_age: timedelta
    require_volumes: bool = False


@dataclass(frozen=True, slots=True)
class GateEvidence:
    """The evidence for one namespace. `age` is in seconds since the start of the backup."""

    namespace: str
    reason: GateReason
    backup: str = ""
    uid: str = ""
    started: datetime | None = None
    completed: datetime | None = None
    expires: datetime | None = None
    age: float = 0.0
    without_data: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "namespace": self.namespace,
            "reason": self.reason.value,
            "backup": self.backup,
            "uid": self.uid,
            "started": _text(self.started),
            "completed": _text(self.completed),
            "expires": _text(self.expires),
            "age_seconds": round(self.age) if self.backup else None,
            "volumes_without_data": list(self.without_data),
        }


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """`passed` is None while a backup for this gate is running."""

    passed: bool | None
    reason: GateReason | None
    text: str
    evidence: tuple[GateEvidence, ...] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "reason": self.reason.value if self.reason else None,
            "text": self.text,
            "evidence": [each.as_json() for each in self.evidence],
        }


def judge(backups: Iterable[Backup], request: GateRequest, now: datetime, volumes: Volumes) -> GateVerdict:
    """Judge all namespaces. The verdict's reason is that of the first namespace that doesn't pass."""
    good = _newest_first(backups, now)
    evidence = tuple(_evidence(name, good, request, now, volumes) for name in request.namespaces)
    bad = next((each for each in evidence if each.reason is not GateReason.FRESH), None)
    return GateVerdict(
        bad is None, bad.reason if bad else GateReason.FRESH, _sentence(bad or evidence[0], request), evidence
    )


def candidates(backups: Iterable[Backup], request: GateRequest, now: datetime) -> tuple[str, ...]:
    """Names of the backups whose volumes the verdict depends on; none unless volumes are required."""
    if not request.require_volumes:
        return ()
    good = _newest_first(backups, now)
    recent = (each for name in request.namespaces for each in _recent(name, good, request, now)[:MAX_CANDIDATES])
    return tuple(dict.fromkeys(each.meta.name for each in recent))


def covers_namespace(backup: Backup, namespace: str) -> bool:
    """Whether the backup contains the whole namespace; labels or resource lists would narrow it."""
    spec = backup.raw.get("spec") or {}
    if any(spec.get(key) for key in ("labelSelector", "orLabelSelectors")):
        return False
    if any((spec.get(key) or ["*"]) != ["*"] for key in ("includedResources", "includedNamespaceScopedResources")):
        return False
    included = backup.included_namespaces or ("*",)
    return _listed(included, namespace) and not _listed(backup.excluded_namespaces, namespace)


def _listed(patterns: Iterable[str], namespace: str) -> bool:
    return any(matches_wildcard(pattern, namespace) for pattern in patterns)


def _newest_first(backups: Iterable[Backup], now: datetime) -> list[Backup]:
    good = (
        each
        for each in backups
        if BACKUP_PHASES.is_good(each.phase)
        and each.meta.deleting is None
        and (each.expires is None or each.expires > now)
    )
    return sorted(good, key=lambda each: (started_at(each) is not None, started_at(each)), reverse=True)


def started_at(backup: Backup) -> datetime | None:
    """The contents of a backup are at least as old as its start."""
    return backup.started or backup.meta.created


def _recent(namespace: str, good: Iterable[Backup], request: GateRequest, now: datetime) -> list[Backup]:
    return [each for each in good if covers_namespace(each, namespace) and _age(each, now) <= request.max_age]


def _age(backup: Backup, now: datetime) -> timedelta:
    since = started_at(backup)
    return max(timedelta(), now - since) if since else timedelta.max


def _evidence(
    namespace: str, good: list[Backup], request: GateRequest, now: datetime, volumes: Volumes
) -> GateEvidence:
    recent = _recent(namespace, good, request, now)
    if not recent:
        last = next((each for each in good if covers_namespace(each, namespace)), None)
        if last is None:
            return GateEvidence(namespace, GateReason.NO_BACKUP)
        return _of(last, namespace, GateReason.TOO_OLD, now)
    if not request.require_volumes:
        return _of(recent[0], namespace, GateReason.FRESH, now)
    judged = [_with_volumes(each, namespace, now, volumes) for each in recent[:MAX_CANDIDATES]]
    return next((each for each in judged if each.reason is GateReason.FRESH), judged[0])


def _with_volumes(backup: Backup, namespace: str, now: datetime, volumes: Volumes) -> GateEvidence:
    listed = volumes.get(backup.meta.name)
    if listed is None:
        return _of(backup, namespace, GateReason.VOLUMES_UNKNOWN, now)
    without = tuple(each.shown for each in listed if each.namespace == namespace and not each.has_data)
    return _of(backup, namespace, GateReason.VOLUMES_WITHOUT_DATA if without else GateReason.FRESH, now, without)


def _of(
    backup: Backup, namespace: str, reason: GateReason, now: datetime, without: tuple[str, ...] = ()
) -> GateEvidence:
    return GateEvidence(
        namespace,
        reason,
        backup.meta.name,
        backup.meta.uid,
        backup.started,
        backup.completed,
        backup.expires,
        _age(backup, now).total_seconds(),
        without,
    )


def _sentence(one: GateEvidence, request: GateRequest) -> str:
    age = _span(timedelta(seconds=one.age)) if one.backup else ""
    match one.reason:
        case GateReason.FRESH:
            return f"Namespace {one.namespace}: backup {one.backup} is {age} old."
        case GateReason.NO_BACKUP:
            return f"Namespace {one.namespace}: no Completed backup contains the whole namespace."
        case GateReason.TOO_OLD:
            most = _span(request.max_age)
            return f"Namespace {one.namespace}: the last Completed backup, {one.backup}, is {age} old (limit: {most})."
        case GateReason.VOLUMES_WITHOUT_DATA:
            return f"Namespace {one.namespace}: backup {one.backup} has no data for {', '.join(one.without_data[:5])}."
        case _:
            return f"Namespace {one.namespace}: the volume list of backup {one.backup} can't be read."


def _span(age: timedelta) -> str:
    return format_human(from_timedelta(timedelta(seconds=age.total_seconds() // 1)))


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
