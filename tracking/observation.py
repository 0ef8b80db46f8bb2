"""What tracking remembers of an object, and what it is told of the cluster while it compares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from msgspec import Struct

from commands.planning.resolve import OPERATION
from domain.event import Event, Severity
from store.tables.observed import Observed
from velero.observations import Change

Facts = Mapping[str, Any]


class ObjectMeta(Protocol):
    """Of metadata, what an event says: whole objects and rows have it."""

    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...


VANISHED = (Change.DELETED, Change.GONE)


@dataclass(frozen=True, slots=True)
class TrackingContext:
    """Of one comparison. `first`: this kind of this cluster was never seen before, so all that has ended is baseline."""

    cluster: str
    cluster_uid: str
    now: datetime
    first: bool
    known: Iterable[Observed] = ()
    """All that is known of this kind: for the last good one, and what is usual."""
    granted: frozenset[str] = frozenset()
    """Of the operations named in labels, those that were granted: anybody may write a label."""


class TrackingOutcome(Struct, frozen=True, gc=False):
    """`remember` is what is known from now on; None: forget it. `vanished`: what became of it is not known yet."""

    events: tuple[Event, ...] = ()
    remember: Observed | None = None
    vanished: Observed | None = None


@lru_cache(maxsize=8)
def format_time(at: datetime | None) -> str:
    """The same `now` is written beside every object of a batch."""
    return at.isoformat() if at else ""


def valid_time(told: str) -> str:
    """A time as the cluster told it, if it is one."""
    try:
        datetime.fromisoformat(told)
    except ValueError:
        return ""
    return told


def make_event(
    setting: TrackingContext,
    kind: str,
    object_kind: str,
    meta: ObjectMeta,
    transition: str,
    facts: Facts,
    severity: Severity = Severity.INFO,
) -> Event:
    return Event(
        kind=kind,
        cluster=setting.cluster,
        cluster_uid=setting.cluster_uid,
        object_kind=object_kind,
        object_uid=meta.uid,
        object_name=meta.name,
        transition=transition,
        at=setting.now,
        severity=severity,
        operation=meta.labels.get(OPERATION, ""),
        facts=dict(facts),
    )


def event_of_known(
    setting: TrackingContext, kind: str, object_kind: str, seen: Observed, transition: str, severity: Severity
) -> Event:
    """About an object that is not there any more: all that is left is what was remembered."""
    return Event(
        kind=kind,
        cluster=setting.cluster,
        cluster_uid=setting.cluster_uid,
        object_kind=object_kind,
        object_uid=seen.uid,
        object_name=seen.name,
        transition=transition,
        at=setting.now,
        severity=severity,
        operation=str(seen.facts.get("operation", "")),
        facts={**seen.facts, "phase": seen.phase},
    )
