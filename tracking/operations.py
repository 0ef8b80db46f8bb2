"""Our own operations follow the objects that they made: one row moves with one observation."""

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
    tx: Transaction, ident: str, phase: str, uid: str, name: str, now: datetime, facts: dict[str, Any]
) -> Operation | None:
    """Moves the operation where the phase moves it; its revision grows with progress too, so that its card follows."""
    operation = tx.operations.get(ident)
    if operation is None or operation.state not in FOLLOWED or (operation.object_uid and operation.object_uid != uid):
        return None
    if _on_the_way(tx, ident, name):
        return None
    state = _state(State.SUBMITTED if operation.state in UNANSWERED else operation.state, phase)
    if state is operation.state and phase == operation.phase and facts.get("progress") is None:
        return None
    operation = _as_sent(tx, operation, now, object_uid=uid, object_name=name)
    return _moved(tx, operation, state, now, phase=phase, object_uid=uid, object_name=name)


def _on_the_way(tx: Transaction, ident: str, name: str) -> bool:
    """An object of an earlier step (a safety backup): the operation is over when that of its last step is."""
    steps = tx.steps.of(ident)
    return len(steps) > 1 and steps[-1].name not in {"", name}


UNANSWERED = frozenset({State.SUBMITTING, State.UNCONFIRMED})
FOLLOWED = UNANSWERED | {State.SUBMITTED, State.RUNNING, State.LOST}


def _as_sent(tx: Transaction, operation: Operation, now: datetime, **changes: str) -> Operation:
    """What is seen in the cluster was taken there: the watch may be faster than the answer, or the answer was lost."""
    if operation.state not in UNANSWERED:
        return operation
    sent = _moved(tx, operation, State.SUBMITTED, now, **changes)
    tx.audit.append(_sent(sent, now))
    return sent


def _state(state: State, phase: str) -> State:
    if phase in STATE_OF_PHASE:
        return STATE_OF_PHASE[phase]
    if state is State.SUBMITTED and phase in BACKUP_PHASES.running:
        return State.RUNNING
    return state


def _moved(tx: Transaction, operation: Operation, to: State, now: datetime, **changes: str) -> Operation:
    moved = operation.advance(to, now, **changes)
    tx.operations.advance(moved, operation.revision)
    if moved.is_over and not operation.is_over:
        tx.audit.append(_ended(moved, now))
    return moved


def _sent(operation: Operation, now: datetime) -> AuditEntry:
    detail = {"reason": operation.reason, "fingerprint": operation.fingerprint}
    return replace(_ended(operation, now), action=_about(operation, "submitted"), outcome="done", detail=detail)


def _ended(operation: Operation, now: datetime) -> AuditEntry:
    return AuditEntry(
        at=now,
        actor=operation.actor,
        action=_about(operation, "ended"),
        outcome=operation.state.value,
        subject=operation.subject,
        cluster=operation.cluster,
        operation=operation.id,
        detail={"phase": operation.phase},
    )


def _about(operation: Operation, what: str) -> str:
    return f"{operation.noun}.{operation.verb}.{what}"


def handle_vanished(tx: Transaction, ident: str, now: datetime, *, deleted: bool) -> None:
    """Its object is gone: withdrawn if it never ran, lost if it did."""
    operation = tx.operations.get(ident)
    if operation is None or operation.state not in {State.SUBMITTED, State.RUNNING}:
        return
    to = State.WITHDRAWN if operation.state is State.SUBMITTED and deleted else State.LOST
    _moved(tx, operation, to, now)


def deletion_operation(tx: Transaction, cluster: str, uid: str) -> Operation | None:
    """The granted delete operation of ours that means this backup: a plan that waits for approval deletes nothing."""
    for operation in tx.operations.open():
        if operation.state in FOLLOWED and operation.cluster == cluster and _means(tx, operation, uid):
            return operation
    return None


def asked_for(tx: Transaction, ident: str, cluster: str, uid: str) -> Operation | None:
    """The operation that a request names, if it was granted and means this backup: anybody may write a label."""
    operation = tx.operations.get(ident) if ident else None
    if operation is None or operation.state in NOT_GRANTED or operation.cluster != cluster:
        return None
    return operation if _means(tx, operation, uid) else None


def _means(tx: Transaction, operation: Operation, uid: str) -> bool:
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
"""Nothing was sent to a cluster in these: they explain nothing that happens there."""


def made(tx: Transaction, ident: str, cluster: str, kind: str, name: str) -> bool:
    """Whether this operation, granted, has a step that makes such an object."""
    operation = tx.operations.get(ident)
    if operation is None or operation.state in NOT_GRANTED or operation.cluster != cluster:
        return False
    return any(step.kind == kind and step.name in {"", name} for step in tx.steps.of(ident))


DELETES = frozenset({("backup", "delete"), ("backup", "cancel"), ("schedule", "delete")})


def settle_deletion(tx: Transaction, ident: str, alive: Collection[str], now: datetime) -> Operation | None:
    """A delete operation ends when none of the backups that it meant is there any more."""
    operation = tx.operations.get(ident)
    if operation is None or operation.state not in FOLLOWED or (operation.noun, operation.verb) not in DELETES:
        return None
    uids = tx.operations.load_plan(ident).evidence.get("uids") or {}
    if any(uid in alive for uid in uids.values()) or not _requested(tx, operation):
        return None
    return _moved(tx, _as_sent(tx, operation, now), State.SUCCEEDED, now, phase="Deleted")


def _requested(tx: Transaction, operation: Operation) -> bool:
    """Where our request was not confirmed, somebody else may have removed the backup: then the watch has to have seen it."""
    if operation.state is not State.UNCONFIRMED:
        return True
    requests = tx.observed.load(operation.cluster, "DeleteBackupRequest").values()
    return any(request.facts.get("operation") == operation.id for request in requests)


def fail_deletion(tx: Transaction, ident: str, reason: str, now: datetime) -> Operation | None:
    operation = tx.operations.get(ident)
    if operation is None or operation.state not in FOLLOWED:
        return None
    return _moved(tx, _as_sent(tx, operation, now), State.FAILED, now, reason=reason)
