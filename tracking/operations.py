"""Moves operations with the objects that they created: one observation moves one operation."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from domain.operation import Operation, State
from store.tables.audit import AuditEntry
from store.transaction import Transaction
from velero.phases import BACKUP_PHASES

STATE_OF_PHASE = {
    "Completed": State.SUCCEEDED,
    "PartiallyFailed": State.PARTIAL,
    "Failed": State.FAILED,
    "FailedValidation": State.FAILED,
}


def advance(
    tx: Transaction, operation_id: str, phase: str, uid: str, name: str, now: datetime, facts: dict[str, Any]
) -> Operation | None:
    """Moves the operation with the phase; progress increases its revision too, so that its status message is updated."""
    operation = tx.operations.get(operation_id)
    if operation is None or operation.state not in FOLLOWED or (operation.object_uid and operation.object_uid != uid):
        return None
    if _is_earlier_step(tx, operation_id, name):
        return None
    state = _state(State.SUBMITTED if operation.state in UNANSWERED else operation.state, phase)
    if state is operation.state and phase == operation.phase and facts.get("progress") is None:
        return None
    operation = _record_submitted(tx, operation, now, object_uid=uid, object_name=name)
    return _advance(tx, operation, state, now, phase=phase, object_uid=uid, object_name=name)


def _is_earlier_step(tx: Transaction, operation_id: str, name: str) -> bool:
    """Whether the object belongs to an earlier step (a safety backup): the operation ends with the object of its last step."""
    steps = tx.steps.of(operation_id)
    return len(steps) > 1 and steps[-1].name not in {"", name}


UNANSWERED = frozenset({State.SUBMITTING, State.UNCONFIRMED})
FOLLOWED = UNANSWERED | {State.SUBMITTED, State.RUNNING, State.LOST}


def _record_submitted(tx: Transaction, operation: Operation, now: datetime, **changes: str) -> Operation:
    """An object that is seen in the cluster was created: the watch may be faster than the answer, or the answer was lost."""
    if operation.state not in UNANSWERED:
        return operation
    sent = _advance(tx, operation, State.SUBMITTED, now, **changes)
    tx.audit.append(_submitted_entry(sent, now))
    return sent


def _state(state: State, phase: str) -> State:
    if phase in STATE_OF_PHASE:
        return STATE_OF_PHASE[phase]
    if state is State.SUBMITTED and phase in BACKUP_PHASES.running:
        return State.RUNNING
    return state


def _advance(tx: Transaction, operation: Operation, state: State, now: datetime, **changes: str) -> Operation:
    moved = operation.advance(state, now, **changes)
    tx.operations.advance(moved, operation.revision)
    if moved.is_over and not operation.is_over:
        tx.audit.append(_ended_entry(moved, now))
    return moved


def _submitted_entry(operation: Operation, now: datetime) -> AuditEntry:
    detail = {"reason": operation.reason, "fingerprint": operation.fingerprint}
    return replace(_ended_entry(operation, now), action=_action(operation, "submitted"), outcome="done", detail=detail)


def _ended_entry(operation: Operation, now: datetime) -> AuditEntry:
    return AuditEntry(
        at=now,
        actor=operation.actor,
        action=_action(operation, "ended"),
        outcome=operation.state.value,
        subject=operation.subject,
        cluster=operation.cluster,
        operation=operation.id,
        detail={"phase": operation.phase},
    )


def _action(operation: Operation, what: str) -> str:
    return f"{operation.noun}.{operation.verb}.{what}"


def handle_vanished(tx: Transaction, operation_id: str, now: datetime, *, deleted: bool) -> None:
    """The operation's object is gone: the operation is withdrawn if it never ran, else lost."""
    operation = tx.operations.get(operation_id)
    if operation is None or operation.state not in {State.SUBMITTED, State.RUNNING}:
        return
    to = State.WITHDRAWN if operation.state is State.SUBMITTED and deleted else State.LOST
    _advance(tx, operation, to, now)


def deletion_operation(tx: Transaction, cluster: str, uid: str) -> Operation | None:
    """The granted operation that deletes this backup: a plan that waits for approval deletes nothing."""
    for operation in tx.operations.open():
        if operation.state in FOLLOWED and operation.cluster == cluster and _deletes(tx, operation, uid):
            return operation
    return None


def requested_deletion(tx: Transaction, operation_id: str, cluster: str, uid: str) -> Operation | None:
    """The operation that a request names, if it was granted and deletes this backup: anyone can write a label."""
    operation = tx.operations.get(operation_id) if operation_id else None
    if operation is None or operation.state in NOT_GRANTED or operation.cluster != cluster:
        return None
    return operation if _deletes(tx, operation, uid) else None


def _deletes(tx: Transaction, operation: Operation, uid: str) -> bool:
    if (operation.noun, operation.verb) not in DELETES:
        return False
    return uid in (tx.operations.load_plan(operation.id).evidence.get("uids") or {}).values()


NOT_GRANTED = frozenset(
    {
        State.PLANNED,
        State.REFUSED,
        State.AWAITING,
        State.REJECTED,
        State.EXPIRED,
        State.WITHDRAWN,
        State.STALE,
        State.APPROVED,
    }
)
"""In these states nothing was sent to a cluster, so they explain nothing that happens there."""


def has_created(tx: Transaction, operation_id: str, cluster: str, kind: str, name: str) -> bool:
    """Whether this operation was granted and has a step that creates such an object."""
    operation = tx.operations.get(operation_id)
    if operation is None or operation.state in NOT_GRANTED or operation.cluster != cluster:
        return False
    return any(step.kind == kind and step.name in {"", name} for step in tx.steps.of(operation_id))


DELETES = frozenset({("backup", "delete"), ("backup", "cancel"), ("schedule", "delete")})


def settle_deletion(tx: Transaction, operation_id: str, alive: Collection[str], now: datetime) -> Operation | None:
    """Ends a delete operation when none of its backups exists any more."""
    operation = tx.operations.get(operation_id)
    if operation is None or operation.state not in FOLLOWED or (operation.noun, operation.verb) not in DELETES:
        return None
    uids = tx.operations.load_plan(operation_id).evidence.get("uids") or {}
    if any(uid in alive for uid in uids.values()) or not _requested(tx, operation):
        return None
    return _advance(tx, _record_submitted(tx, operation, now), State.SUCCEEDED, now, phase="Deleted")


def _requested(tx: Transaction, operation: Operation) -> bool:
    """An unconfirmed request may never have arrived and someone else may have deleted the backup: the watch must have seen it."""
    if operation.state is not State.UNCONFIRMED:
        return True
    requests = tx.observed.load(operation.cluster, "DeleteBackupRequest").values()
    return any(request.facts.get("operation") == operation.id for request in requests)


def fail_deletion(tx: Transaction, operation_id: str, reason: str, now: datetime) -> Operation | None:
    operation = tx.operations.get(operation_id)
    if operation is None or operation.state not in FOLLOWED:
        return None
    return _advance(tx, _record_submitted(tx, operation, now), State.FAILED, now, reason=reason)
