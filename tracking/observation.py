"""Input and output of observers: the context of a comparison, and the events and facts that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from msgspec import Struct

from commands.planning.resolve import OPERATION
from domain.event import Event, Severity
from store.tables.observed import Observed
from tracking.run_index import RunIndex
from velero.observations import Change
from velero.resources.schedules import Schedule

Facts = Mapping[str, Any]
EventListener = Callable[[tuple[Event, ...]], None]


def ignore_events(_events: tuple[Event, ...]) -> None:
    """For callers that need no call after a commit: the outbox has the events."""


class ObjectMeta(Protocol):
    """The metadata that events contain: whole objects and rows have it."""

    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...


VANISHED = (Change.DELETED, Change.GONE)


@dataclass(frozen=True, slots=True)
class TrackingContext:
    """Input of one comparison. `first`: this kind of this cluster was never seen before, so everything is baseline, not news."""

    cluster: str
    cluster_uid: str
    now: datetime
    first: bool
    runs: RunIndex = field(default_factory=RunIndex)
    """The known runs of this kind, if it has runs: for the last Completed run and the usual duration."""
    granted: frozenset[str] = frozenset()
    """The operations named in labels that were granted: anyone can write a label."""
    schedules: Iterable[Schedule] = ()
    """The cluster's schedules, as far as the watch shows them."""


class TrackingOutcome(Struct, frozen=True, gc=False):
    """`remember` replaces what is known; None forgets it. `vanished`: the object is gone and the reason isn't known yet."""

    events: tuple[Event, ...] = ()
    remember: Observed | None = None
    vanished: Observed | None = None


@lru_cache(maxsize=8)
def format_time(at: datetime | None) -> str:
    """Cached, since every object of a batch gets the same `now`."""
    return at.isoformat() if at else ""


def valid_time(text: str) -> str:
    """The text if it is a time, else nothing: the cluster's text isn't trusted."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return ""
    return text


def make_event(
    context: TrackingContext,
    kind: str,
    object_kind: str,
    meta: ObjectMeta,
    transition: str,
    facts: Facts,
    severity: Severity = Severity.INFO,
) -> Event:
    return Event(
        kind=kind,
        cluster=context.cluster,
        cluster_uid=context.cluster_uid,
        object_kind=object_kind,
        object_uid=meta.uid,
        object_name=meta.name,
        transition=transition,
        at=context.now,
        severity=severity,
        operation=meta.labels.get(OPERATION, ""),
        facts=dict(facts),
    )


def event_of_known(
    context: TrackingContext, kind: str, object_kind: str, seen: Observed, transition: str, severity: Severity
) -> Event:
    """An event about an object that may be gone: it contains what was remembered."""
    return Event(
        kind=kind,
        cluster=context.cluster,
        cluster_uid=context.cluster_uid,
        object_kind=object_kind,
        object_uid=seen.uid,
        object_name=seen.name,
        transition=transition,
        at=context.now,
        severity=severity,
        operation=str(seen.facts.get("operation", "")),
        facts={**seen.facts, "phase": seen.phase},
    )
