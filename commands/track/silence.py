"""Velero that does not answer: nothing in any object shows it, only requests that stay open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.event import Event, Severity

PATIENCE = 2
"""Unanswered questions in a row before it is told."""


@dataclass(frozen=True, slots=True)
class Silence:
    """`unanswered` questions in a row; `since` the first of them; `told` whether it was said."""

    unanswered: int = 0
    since: datetime | None = None
    told: bool = False


def heard(
    before: Silence, cluster: str, cluster_uid: str, now: datetime, *, answered: bool
) -> tuple[Silence, Event | None]:
    if answered:
        back = _event("velero.back", cluster, cluster_uid, before, now, Severity.RECOVERY) if before.told else None
        return Silence(), back
    after = Silence(before.unanswered + 1, before.since or now, before.told)
    if after.unanswered >= PATIENCE and not after.told:
        told = Silence(after.unanswered, after.since, told=True)
        return told, _event("velero.silent", cluster, cluster_uid, after, now, Severity.FAILURE)
    return after, None


def _event(kind: str, cluster: str, cluster_uid: str, silence: Silence, now: datetime, severity: Severity) -> Event:
    since = silence.since.isoformat() if silence.since else ""
    return Event(
        kind=kind,
        cluster=cluster,
        cluster_uid=cluster_uid,
        object_kind="Velero",
        object_uid=cluster,
        object_name="velero",
        transition=f"{kind} {since}",
        at=now,
        severity=severity,
        facts={"since": since},
    )
