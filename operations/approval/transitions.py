"""Writes the transitions of an approval: its state, operation, audit row, event and deadlines, in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.actor import Actor
from domain.approval import Approval, ApprovalState, Vote
from domain.decision import Decision
from domain.errors import ConcurrentChange, NotFound, Refused
from domain.event import Severity
from domain.operation import Operation, State
from domain.plan import Plan, digest
from operations.approval.messages import approval_event
from operations.approval.timers import EXPIRE_KIND, REMIND_KIND, ApprovalTimes, deadlines_of
from store.tables.audit import AuditEntry
from store.transaction import Transaction

OPERATION_STATES = {
    ApprovalState.APPROVED: State.APPROVED,
    ApprovalState.REJECTED: State.REJECTED,
    ApprovalState.EXPIRED: State.EXPIRED,
    ApprovalState.WITHDRAWN: State.WITHDRAWN,
    ApprovalState.STALE: State.STALE,
}
BYPASSED = "bypassed"


def load_approval(tx: Transaction, approval_id: str) -> tuple[Approval, Operation]:
    approval = tx.approvals.get(approval_id)
    operation = tx.operations.get(approval.operation) if approval else None
    if approval is None or operation is None:
        raise NotFound("This request no longer exists.", why="Old requests are deleted after some time.")
    return approval, operation


def record_requested(
    tx: Transaction,
    approval: Approval,
    operation: Operation,
    plan: Plan,
    facts: Mapping[str, Any],
    times: ApprovalTimes,
    rules: str,
) -> None:
    """Record a new request. `rules` is the digest of the rules that decided."""
    tx.approvals.create(approval)
    for deadline in deadlines_of(approval, times):
        tx.deadlines.put(deadline)
    tx.outbox.add(approval_event("requested", approval, operation, approval.requested_at, facts))
    detail = {
        "line": operation.line,
        "reason": approval.reason,
        "rule": approval.rule,
        "rules": rules,
        "quorum": approval.quorum,
        "approvers": list(approval.approvers),
        "plan": plan.fingerprint,
        "fingerprint": approval.fingerprint,
        "preview": None if plan.impact is None else digest(sorted(plan.impact)),
    }
    append_audit(tx, approval, operation, approval.requester, "requested", approval.requested_at, detail)


def hash_person(actor: Actor) -> str:
    """Hash the email address, so that all accounts of one person count together; empty if Slack shows no address."""
    email = actor.email.strip().casefold()
    return hashlib.sha256(email.encode()).hexdigest()[:32] if email else ""


def record_break_glass(tx: Transaction, actor: Actor, per_day: int, now: datetime) -> None:
    """Check the daily limit. Raises Refused above it: a person who needs break-glass every day needs another rule."""
    since = now - timedelta(days=1)
    if tx.audit.count(f"approval.{BYPASSED}", actor.id, since, hash_person(actor)) >= per_day:
        raise Refused(
            f"You reached the break-glass limit: {per_day} in 24 hours.",
            why="Above the limit, someone else has to approve.",
            fix="Run the command without --break-glass to request approval.",
        )


def record_vote(tx: Transaction, approval: Approval, operation: Operation, vote: Vote) -> Approval:
    fresh = tx.approvals.cast(approval.id, vote, approval.revision, afterwards=operation.state is not State.AWAITING)
    detail = {"name": vote.voter_name, "groups": list(vote.groups), "reason": vote.reason}
    append_audit(tx, fresh, operation, vote.voter, vote.kind.value, vote.at, detail)
    return fresh


def record_end(
    tx: Transaction,
    approval: Approval,
    state: ApprovalState,
    by: str,
    now: datetime,
    headline: str,
    details: Sequence[str] = (),
) -> tuple[Approval, Operation]:
    """Finish the approval, and its operation unless that has already run through break-glass.

    Raises ConcurrentChange if another transaction was first.
    """
    approval = tx.approvals.finish(approval.id, state, approval.revision)
    operation = tx.operations.get(approval.operation)
    if operation is None:
        raise ConcurrentChange(f"Operation {approval.operation} doesn't exist.")
    if operation.state is State.AWAITING:
        moved = operation.advance(OPERATION_STATES[state], now)
        tx.operations.advance(moved, operation.revision)
        operation = moved
    for kind in (EXPIRE_KIND, REMIND_KIND):
        tx.deadlines.cancel(f"{kind}:{approval.id}")
    severity = Severity.INFO if state is ApprovalState.APPROVED else Severity.WARNING
    facts = {"headline": headline, "message": "\n".join(details), "user": approval.requester}
    tx.outbox.add(approval_event(state.value, approval, operation, now, facts, severity))
    append_audit(
        tx, approval, operation, by, state.value, now, {"details": list(details), **fingerprint_details(approval)}
    )
    return approval, operation


def fingerprint_details(approval: Approval) -> dict[str, Any]:
    return {"fingerprint": approval.fingerprint, "votes": [vote.voter for vote in approval.votes]}


def append_audit(
    tx: Transaction,
    approval: Approval,
    operation: Operation,
    actor: str,
    outcome: str,
    now: datetime,
    detail: Mapping[str, Any],
) -> None:
    tx.audit.append(
        AuditEntry(
            at=now,
            actor=actor,
            action=f"approval.{outcome}",
            outcome=outcome,
            subject=operation.subject,
            cluster=operation.cluster,
            operation=operation.id,
            detail={"approval": approval.id, **detail},
        )
    )


def request_facts(plan: Plan, decision: Decision, who: Mapping[str, str], channel: str) -> dict[str, Any]:
    return {
        **who,
        "noun": plan.noun,
        "verb": plan.verb,
        "approvals_channel": channel,
        "cli": plan.cli,
        "notes": [*(guard.text for guard in plan.guards), *plan.notes],
        "rule": decision.rule,
        "quorum": decision.quorum,
        "approvers": sorted(decision.approvers),
    }
