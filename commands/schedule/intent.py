"""Intents of schedules (paused, skipping, running): recorded in the transaction in which their operation succeeds.

The schedule reconciler upholds them. A promise that is recorded without its success, or a success without its promise, would
make the reconciler undo what people asked for or miss what someone else undid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from commands import conditions
from commands.planning.facts import Facts, RecordsNeed, RecordTable
from commands.planning.object_fields import name, spec
from commands.planning.requester import requester_of
from domain.json_types import Json
from domain.operation import Operation
from domain.plan import Plan, digest
from domain.schedule_intent import IntentKind, ScheduleIntent
from store.tables.schedules import ScheduleState

if TYPE_CHECKING:
    from store.transaction import Transaction


def spec_hash(body: Mapping[str, Any]) -> str:
    """Changes when someone changes the schedule. The velero CLI writes zero values into what it touches, so absent, null and zero
    give the same hash.
    """
    return digest(_without_zeros(spec_substance(body)))


def spec_substance(body: Mapping[str, Any]) -> Json:
    """A Schedule's spec without the fields that pause and skip it."""
    return {key: value for key, value in body.items() if key not in {"paused", "skipImmediately"}}


def _without_zeros(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: _without_zeros(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each not in (None, False, {}, [], "", "0s")}
    return [_without_zeros(each) for each in value] if isinstance(value, list) else value


def intent_need(known: Facts) -> RecordsNeed:
    """The ScheduleStates of this cluster."""
    return RecordsNeed(RecordTable.SCHEDULE_STATES, (("cluster", known.cluster),))


def read_intent(facts: Facts, schedule: Json) -> ScheduleState | None:
    """The stored state of this very object: a schedule that was recreated under the same name starts without one."""
    uid = str((schedule.get("metadata") or {}).get("uid", ""))
    rows = facts.records.get(intent_need(facts)) or []
    found = next((row for row in rows if isinstance(row, ScheduleState) and row.name == name(schedule)), None)
    return found if found is not None and found.uid == uid else None


def ended_promise_text(now: datetime, state: ScheduleState) -> str:
    """A sentence on the promise that ends with a schedule, or nothing: a new schedule with its name runs."""
    ahead = state.horizon is not None and state.horizon > now
    if state.horizon is None or not ahead or state.horizon_outside:
        return ""
    what = "pause" if state.kind is IntentKind.PAUSE else "skip"
    by = f" that {state.who} requested" if state.who else ""
    return f"The {what} until {state.horizon:%Y-%m-%d %H:%M} UTC{by} no longer applies."


def record_intent(tx: Transaction, operation: Operation, plan: Plan, now: datetime, made: Sequence[Json] = ()) -> None:
    """Call it in the transaction of the operation's success.

    `made` are the objects as the API server answered; after a restart some aren't known any more.
    """
    answered = {name(item): item for item in made if item.get("kind") in {None, "Schedule"}}
    for intent in plan.intents:
        if intent.kind is IntentKind.GONE:
            tx.schedules.forget(operation.cluster, intent.name)
            conditions.end_conditions(tx, operation.cluster, intent.name, now, *conditions.SCHEDULE_CONDITIONS)
        else:
            _record(tx, intent, operation, now, answered.get(intent.name) or {})


def _record(tx: Transaction, intent: ScheduleIntent, operation: Operation, now: datetime, answer: Json) -> None:
    before = tx.schedules.get(operation.cluster, intent.name)
    uid = intent.uid or str((answer.get("metadata") or {}).get("uid", "")) or operation.object_uid
    known = (
        before if before is not None and before.uid == uid else ScheduleState(operation.cluster, intent.name, uid, now)
    )
    body = spec(answer)
    state = replace(
        known,
        changed_at=now,
        horizon=intent.horizon,
        paused=intent.paused,
        reason=operation.reason,
        who=requester_of(tx, operation),
        since=now,
        spec_hash=spec_hash(body) if body else intent.spec_hash,
        kind=intent.kind,
        requested=intent.kind,
        before=intent.before,
        skips=intent.skips,
        paused_outside=False,
        horizon_outside=False,
        spec=spec_substance(body) if body else known.spec,
    )
    tx.schedules.put(state, before.revision if before is not None else None)
    conditions.end_conditions(tx, operation.cluster, intent.name, now, conditions.ConditionKind.PAUSED)
