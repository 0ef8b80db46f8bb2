"""Records of an execution: what each outcome changes in the store. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from commands.planning.requester import requester_of
from commands.registry import verb_of
from commands.step_modes import behavior_of
from domain.errors import ConcurrentChange
from domain.event import Event
from domain.json_types import Json
from domain.operation import Operation, State
from domain.plan import Plan, Step, StepMode, StepVerb
from operations import execution_events as events
from store.tables.deadlines import Deadline
from store.tables.steps import StepState, StoredStep
from store.transaction import Transaction

RUN_KINDS = frozenset({"Backup", "Restore", "DeleteBackupRequest"})
"""Kinds whose creation only starts the work. Every other write is complete when the API server accepts it."""
SEEN_BY_WATCH = "witnessed"
"""Key of an object that only the watch saw: it may be gone since."""
OBJECT_CLEANUP = "configmap.remove"
OBJECT_CLEANUP_AFTER = timedelta(minutes=10)

SettleDeletion = Callable[[Transaction, Operation, datetime], Operation | None]
"""Ends a delete operation whose backups are gone; None while one of them may still exist."""


def load_operation(tx: Transaction, operation_id: str) -> Operation:
    operation = tx.operations.get(operation_id)
    if operation is None:
        raise ConcurrentChange(f"Operation {operation_id} doesn't exist.")
    return operation


def advance(tx: Transaction, operation: Operation, to: State, now: datetime, **changes: str) -> Operation:
    advanced = operation.advance(to, now, **changes)
    tx.operations.advance(advanced, operation.revision)
    return advanced


def record_step(
    tx: Transaction, operation: Operation, stored: StoredStep, step: Step, result: Json, now: datetime
) -> None:
    """The step was written; `result` is the object as the cluster returned it."""
    metadata = result.get("metadata") or {}
    uid, name = str(metadata.get("uid", "")), str(metadata.get("name", ""))
    to = StepState.SUBMITTED if step.wait else StepState.DONE
    tx.steps.move(operation.id, stored.position, StepState.SUBMITTING, to, now, uid=uid, name=name)
    if step.mode is StepMode.TEMPORARY:
        tx.deadlines.put(object_cleanup(operation.id, name, uid, now))
    on_done = behavior_of(step).on_done
    if on_done is not None:
        on_done(tx, operation, step, uid, now)


def record_submitted(
    tx: Transaction,
    operation: Operation,
    plan: Plan,
    objects: Sequence[Json],
    now: datetime,
    *,
    is_complete: bool,
    settle_deletion: SettleDeletion | None,
) -> Operation:
    """Every step that can be written now was written; `is_complete`: none is left. Returns the operation as it is now.

    What Velero runs is followed by tracking from here on. A plan that starts no run succeeds at once.
    """
    current = load_operation(tx, operation.id)
    last = tx.steps.of(operation.id)[-1] if is_complete else None
    if current.state is State.SUBMITTED and last is not None and not current.object_uid:
        return advance(tx, current, current.state, now, object_uid=last.uid, object_name=last.name)
    if current.state not in {State.SUBMITTING, State.UNCONFIRMED}:
        return current
    uid, name = (last.uid, last.name) if last is not None else ("", "")
    submitted = advance(tx, current, State.SUBMITTED, now, object_uid=uid, object_name=name or plan.subject)
    events.append_audit(tx, submitted, "submitted", "done", now)
    verb = verb_of(f"{plan.noun}.{plan.verb}")
    if verb is not None and verb.record is not None:
        verb.record(tx, submitted, plan, now, objects)
    if starts_run(plan):
        # A deletion request that only the watch saw brings no more news: the state of its backups decides.
        if settle_deletion is not None and objects and SEEN_BY_WATCH in objects[-1]:
            return settle_deletion(tx, submitted, now) or submitted
        return submitted
    succeeded = advance(tx, submitted, State.SUCCEEDED, now)
    tx.outbox.add(events.changed_event(succeeded, plan, now, requester_of(tx, succeeded)))
    return succeeded


def record_unconfirmed(tx: Transaction, operation: Operation, why: str, now: datetime) -> Operation:
    current = load_operation(tx, operation.id)
    if current.state is State.UNCONFIRMED or current.is_over or current.object_uid:
        return current  # recorded already, or the watch saw the object before the answer was missed
    unconfirmed = advance(tx, current, State.UNCONFIRMED, now)
    events.append_audit(tx, unconfirmed, "submitted", "unconfirmed", now, why)
    tx.outbox.add(events.unconfirmed_event(unconfirmed, why, now))
    return unconfirmed


def record_end(
    tx: Transaction,
    operation: Operation,
    to: State,
    reason: str,
    event_of: Callable[[Operation, datetime], Event],
    now: datetime,
) -> Operation:
    current = load_operation(tx, operation.id)
    if current.is_over:
        return current
    ended = advance(tx, current, to, now, reason=reason)
    events.append_audit(tx, ended, "submitted", to.value, now)
    tx.outbox.add(event_of(ended, now))
    return ended


def find_observed(tx: Transaction, operation: Operation, step: Step) -> Json | None:
    """The operation's object as the watch saw it. It may be gone since."""
    if step.verb is not StepVerb.CREATE or step.kind not in RUN_KINDS:
        return None
    current = load_operation(tx, operation.id)
    if step.name and current.object_uid and current.object_name == step.name:
        return {"metadata": {"name": step.name, "uid": current.object_uid}}
    backup = (step.manifest.get("spec") or {}).get("backupName")
    for row in tx.observed.load(operation.cluster, step.kind).values():
        is_same = row.name == step.name if step.name else row.facts.get("backup") == backup
        if is_same and row.facts.get("operation") == operation.id:
            return {"metadata": {"name": row.name, "uid": row.uid}, SEEN_BY_WATCH: True}
    return None


def starts_run(plan: Plan) -> bool:
    return any(step.verb is StepVerb.CREATE and step.kind in RUN_KINDS for step in plan.steps)


def object_cleanup(operation: str, name: str, uid: str, now: datetime) -> Deadline:
    """When the temporary ConfigMap of an operation is deleted, if the operation is over by then."""
    payload = {"operation": operation, "name": name, "uid": uid}
    return Deadline(f"{OBJECT_CLEANUP}:{operation}", now + OBJECT_CLEANUP_AFTER, OBJECT_CLEANUP, payload)
