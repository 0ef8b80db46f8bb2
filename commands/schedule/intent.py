"""What somebody wants of a schedule: kept in the transaction in which the operation succeeds, re-asserted by the keeper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from commands import conditions
from commands.planning.facts import Facts, RecordsNeed, RecordTable
from commands.planning.object_fields import name, parse_time, spec
from domain.json_types import Json
from domain.operation import Operation
from domain.plan import Plan, digest
from store.tables.schedules import ScheduleState

if TYPE_CHECKING:
    from store.transaction import Transaction

EVIDENCE = "intent"


class IntentKind(StrEnum):
    SKIP = "skip"
    PAUSE = "pause"
    RUN = "run"
    """Runs by its expression: nothing is held back."""
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Intent:
    """`before` is lastSkipped as it was before ours, for taking ours back; `skips` the runs that were promised to be skipped."""

    name: str
    uid: str
    kind: IntentKind
    horizon: datetime | None = None
    paused: bool = False
    before: datetime | None = None
    skips: tuple[datetime, ...] = ()
    seal: str = ""

    def as_json(self) -> Json:
        return {
            "name": self.name,
            "uid": self.uid,
            "kind": self.kind.value,
            "horizon": _text(self.horizon),
            "paused": self.paused,
            "before": _text(self.before),
            "skips": [each.isoformat() for each in self.skips],
            "seal": self.seal,
        }


def intent_of(source: Mapping[str, Any]) -> Intent:
    return Intent(
        name=str(source["name"]),
        uid=str(source.get("uid", "")),
        kind=IntentKind(source["kind"]),
        horizon=parse_time(source.get("horizon")),
        paused=source.get("paused") is True,
        before=parse_time(source.get("before")),
        skips=tuple(each for each in map(parse_time, source.get("skips") or []) if each is not None),
        seal=str(source.get("seal", "")),
    )


def evidence(*intents: Intent) -> dict[str, Any]:
    return {EVIDENCE: [each.as_json() for each in intents]}


def spec_hash(body: Mapping[str, Any]) -> str:
    """Of a spec: changes when somebody changes the schedule. The velero CLI writes zero values into what it touches, so absent,
    null and zero are one here; pause and skipImmediately are not the schedule's substance.
    """
    return digest(_substance({key: value for key, value in body.items() if key not in {"paused", "skipImmediately"}}))


def _substance(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: _substance(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each not in (None, False, {}, [], "", "0s")}
    return [_substance(each) for each in value] if isinstance(value, list) else value


def intent_need(known: Facts) -> RecordsNeed:
    """The store's intents of this cluster: a list of ScheduleState."""
    return RecordsNeed(RecordTable.SCHEDULE_STATES, (("cluster", known.cluster),))


def read_intent(facts: Facts, schedule: Json) -> ScheduleState | None:
    """What we keep of this very object: one that was made anew under the same name starts afresh."""
    uid = str((schedule.get("metadata") or {}).get("uid", ""))
    rows = facts.records.get(intent_need(facts)) or []
    found = next((row for row in rows if isinstance(row, ScheduleState) and row.name == name(schedule)), None)
    return found if found is not None and found.uid == uid else None


def kind_of(state: ScheduleState | None) -> IntentKind | None:
    if state is None:
        return None
    value = state.last.get("kind")
    return IntentKind(value) if value in set(IntentKind) else None


def void(now: datetime, state: ScheduleState) -> str:
    """The promise that ends with a schedule: one that is created again under its name runs."""
    ahead = state.horizon is not None and state.horizon > now
    if state.horizon is None or not ahead or state.last.get("horizon_outside"):
        return ""
    what = "pause" if kind_of(state) is IntentKind.PAUSE else "skip"
    by = f" that {state.who} requested" if state.who else ""
    return f"The {what} until {state.horizon:%Y-%m-%d %H:%M} UTC{by} is void."


def record_intent(tx: Transaction, operation: Operation, plan: Plan, now: datetime, made: Sequence[Json] = ()) -> None:
    """In the transaction of the operation's success: promise and success live or die together.

    `made` are the objects as the API server answered; after a restart some are not known any more.
    """
    answered = {name(item): item for item in made if item.get("kind") in {None, "Schedule"}}
    for source in plan.evidence.get(EVIDENCE) or ():
        intent = intent_of(source)
        if intent.kind is IntentKind.GONE:
            tx.schedules.forget(operation.cluster, intent.name)
            conditions.end_conditions(tx, operation.cluster, intent.name, now, *conditions.SCHEDULE_CONDITIONS)
        else:
            _record(tx, intent, operation, now, answered.get(intent.name) or {})


def _record(tx: Transaction, intent: Intent, operation: Operation, now: datetime, seen: Json) -> None:
    before = tx.schedules.get(operation.cluster, intent.name)
    body = spec(seen)
    uid = intent.uid or str((seen.get("metadata") or {}).get("uid", "")) or operation.object_uid
    kept = dict(before.last) if before is not None and before.uid == uid else {}
    kept |= {
        "kind": intent.kind.value,
        "asked": intent.kind.value,
        "before": _text(intent.before),
        "skips": [each.isoformat() for each in intent.skips],
        "pause_outside": False,
        "horizon_outside": False,
    }
    if body:
        kept["spec"] = {key: value for key, value in body.items() if key not in {"paused", "skipImmediately"}}
    state = ScheduleState(
        cluster=operation.cluster,
        name=intent.name,
        uid=uid,
        changed_at=now,
        horizon=intent.horizon,
        paused=intent.paused,
        reason=operation.reason,
        who=requester_of(tx, operation),
        since=now,
        spec_hash=spec_hash(body) if body else intent.seal,
        last=kept,
    )
    tx.schedules.put(state, before.revision if before is not None else None)
    conditions.end_conditions(tx, operation.cluster, intent.name, now, conditions.ConditionKind.PAUSED)


def requester_of(tx: Transaction, operation: Operation) -> str:
    """By name, as it was asked for; the id where that is not known any more."""
    told = (event.facts.get("user_name") for event in tx.outbox.of_operation(operation.id))
    return next((str(name) for name in told if name), operation.actor)


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
