"""Conditions of a cluster that begin and end: each is reported once each way, across restarts, and kept as a possible cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.event import Event, Severity
from store.tables.conditions import Condition
from store.transaction import Transaction
from velero.health import Condition as State
from velero.health import Health

MIN_LOOKS = 2
"""Checks in a row that must find it before it is reported."""


class ConditionKind(StrEnum):
    SILENT = "velero-silent"
    UNREACHABLE = "cluster-unreachable"
    ACCESS = "access-lost"
    LOCATION = "location-unavailable"
    PAUSED = "schedule-paused-outside"
    INVALID = "schedule-invalid"
    UNSEEN = "schedule-unseen"
    STALLED = "run-stalled"
    SKEWED = "clock-skew"
    PILING = "runs-piling-up"
    STALE = "no-good-backup"


@dataclass(frozen=True, slots=True)
class ConditionSign:
    """Result of one check: whether the condition holds, since when, and the cluster's own message."""

    kind: ConditionKind
    holds: bool
    since: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class ConditionMessage:
    begun: str
    ended: str
    object_kind: str
    object_name: str


_MESSAGES: Mapping[ConditionKind, ConditionMessage] = {
    ConditionKind.SILENT: ConditionMessage("velero.silent", "velero.back", "Velero", "velero"),
    ConditionKind.UNREACHABLE: ConditionMessage("cluster.unreachable", "cluster.reachable", "Cluster", ""),
    ConditionKind.ACCESS: ConditionMessage("cluster.access-lost", "cluster.access-back", "Cluster", ""),
}
_BEGINS: Mapping[str, ConditionKind] = {
    "location.unavailable": ConditionKind.LOCATION,
    "schedule.paused-outside": ConditionKind.PAUSED,
    "schedule.failed-validation": ConditionKind.INVALID,
    "schedule.unseen": ConditionKind.UNSEEN,
    "schedule.clock-skew": ConditionKind.SKEWED,
    "schedule.piling-up": ConditionKind.PILING,
    "schedule.no-good-backup": ConditionKind.STALE,
}
SCHEDULE_CONDITIONS = (
    ConditionKind.PAUSED,
    ConditionKind.INVALID,
    ConditionKind.UNSEEN,
    ConditionKind.SKEWED,
    ConditionKind.PILING,
    ConditionKind.STALE,
)
_ENDS: Mapping[str, tuple[ConditionKind, ...]] = {
    "location.available": (ConditionKind.LOCATION,),
    "location.removed": (ConditionKind.LOCATION,),
    "schedule.resumed-outside": (ConditionKind.PAUSED,),
    "schedule.fixed": (ConditionKind.INVALID,),
    "schedule.clock-right": (ConditionKind.SKEWED,),
    "schedule.drained": (ConditionKind.PILING,),
    "schedule.good-again": (ConditionKind.STALE,),
    "schedule.deleted-outside": SCHEDULE_CONDITIONS,
    "schedule.seen": (ConditionKind.UNSEEN,),
    "schedule.missed": (ConditionKind.UNSEEN,),
    "schedule.ran-late": (ConditionKind.UNSEEN,),
}


STALL_EVENTS = frozenset({"stuck-in-queue", "stuck-in-finalizing", "slow"})
RUN_END_EVENTS = frozenset(
    {"completed", "partially-failed", "failed", "failed-validation", "deleted", "gone", "removed"}
)


def signs_of_health(health: Health) -> tuple[ConditionSign, ...]:
    """A cluster that rejects the bot is reachable; one that can't be reached says nothing about access."""
    state, since, why = health.condition, health.since, health.reason
    if state is State.UNREACHABLE:
        return (ConditionSign(ConditionKind.UNREACHABLE, holds=True, since=since, message=why),)
    refused = state in {State.UNAUTHENTICATED, State.FORBIDDEN}
    if refused or state in {State.OK, State.MISSING}:
        access = ConditionSign(ConditionKind.ACCESS, holds=refused, since=since, message=why if refused else "")
        return (ConditionSign(ConditionKind.UNREACHABLE, holds=False), access)
    return ()


def update_conditions(
    standing: Iterable[Condition], found: Iterable[ConditionSign], cluster: str, cluster_uid: str, now: datetime
) -> tuple[tuple[Condition, ...], tuple[Event, ...]]:
    """Returns the conditions that changed and the events about them."""
    before = {each.kind: each for each in standing}
    changed: list[Condition] = []
    events: list[Event] = []
    for sign in found:
        prev = before.get(sign.kind.value)
        after = _after(prev, sign, cluster, now)
        if after is None or after == prev:
            continue
        changed.append(after)
        begins = after.told and not (prev is not None and prev.told)
        if begins or (after.until is not None and after.told):
            events.append(_event(after, sign, cluster_uid, now))
    return tuple(changed), tuple(events)


def _after(prev: Condition | None, sign: ConditionSign, cluster: str, now: datetime) -> Condition | None:
    if not sign.holds:
        return replace(prev, until=now) if prev is not None else None
    if prev is None:
        return Condition(cluster, sign.kind.value, "", sign.since or now)
    looks = min(prev.looks + 1, MIN_LOOKS)
    return replace(prev, looks=looks, told=prev.told or looks >= MIN_LOOKS)


def _event(after: Condition, sign: ConditionSign, cluster_uid: str, now: datetime) -> Event:
    what, since = _MESSAGES[sign.kind], after.since.isoformat()
    kind = what.begun if after.until is None else what.ended
    facts = {"since": since, "message": sign.message}
    return Event(
        kind=kind,
        cluster=after.cluster,
        cluster_uid=cluster_uid,
        object_kind=what.object_kind,
        object_uid=after.cluster,
        object_name=what.object_name or after.cluster,
        transition=f"{kind} {since}",
        at=now,
        severity=Severity.FAILURE if after.until is None else Severity.RECOVERY,
        facts={key: value for key, value in facts.items() if value},
    )


def record_event(tx: Transaction, event: Event) -> Event:
    """Records the condition that an event begins or ends. Call it in the transaction that adds the event, before adding it.

    Returns the event to add: the Completed end of a run that was reported as stuck is a recovery.
    """
    stalled = _ended(tx, event, ConditionKind.STALLED, event.object_uid) if _is_end(event.kind) else False
    for kind in _ENDS.get(event.kind, ()):
        _ended(tx, event, kind, event.object_name)
    if (begun := _begun(event)) is not None and tx.conditions.get_current(event.cluster, *begun) is None:
        kind, subject = begun
        tx.conditions.put(Condition(event.cluster, kind.value, subject, event.at, told=True))
    if stalled and event.severity is Severity.INFO and event.kind.endswith(".completed"):
        facts = {**event.facts, "message": "It was reported as stuck or slow."}
        return replace(event, severity=Severity.RECOVERY, facts=facts)
    return event


def end_conditions(tx: Transaction, cluster: str, subject: str, now: datetime, *kinds: ConditionKind) -> None:
    """Ends conditions without an event: a command in chat ended them."""
    for kind in kinds:
        if (prev := tx.conditions.get_current(cluster, kind.value, subject)) is not None:
            tx.conditions.put(replace(prev, until=now))


def _begun(event: Event) -> tuple[ConditionKind, str] | None:
    if event.kind.partition(".")[2] in STALL_EVENTS:
        return ConditionKind.STALLED, event.object_uid
    kind = _BEGINS.get(event.kind)
    return (kind, event.object_name) if kind is not None else None


def _ended(tx: Transaction, event: Event, kind: ConditionKind, subject: str) -> bool:
    prev = tx.conditions.get_current(event.cluster, kind.value, subject)
    if prev is not None:
        tx.conditions.put(replace(prev, until=event.at))
    return prev is not None


def _is_end(kind: str) -> bool:
    noun, _, what = kind.partition(".")
    return noun in {"backup", "restore"} and what in RUN_END_EVENTS


def find_cause(
    history: Sequence[Condition], kind: ConditionKind, since: datetime, until: datetime, subject: str = ""
) -> Condition | None:
    """The last condition of this kind that held at some time between `since` and `until`."""
    mine = (each for each in reversed(history) if each.kind == kind.value and each.subject == subject)
    return next((each for each in mine if each.overlaps(since, until)), None)


HISTORY_LENGTH = timedelta(days=8)
"""How old a condition may be to explain a missed run."""
