"""Opens a request: the approval of a plan, and the answer to the requester. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.answer import Answer, Button, Fields, Text
from domain.approval import Approval, ApprovalState, approval_fingerprint, approval_id
from domain.decision import Decision
from domain.operation import Operation
from domain.operation_name import name_operation
from domain.plan import Level, Plan
from operations.request import CommandRequest


def open_approval(
    operation: Operation, plan: Plan, decision: Decision, request: CommandRequest, now: datetime
) -> Approval:
    return Approval(
        id=approval_id(operation.id),
        operation=operation.id,
        fingerprint=approval_fingerprint(plan.fingerprint, decision.rule, decision.quorum),
        rule=decision.rule,
        quorum=max(1, decision.quorum),
        approvers=tuple(sorted(decision.approvers)),
        state=ApprovalState.OPEN,
        requester=request.actor.id,
        requester_email=request.actor.email,
        reason=operation.reason,
        requested_at=now,
        expires_at=now + timedelta(seconds=decision.expires),
    )


def requester_answer(approval: Approval, operation: Operation, plan: Plan) -> Answer:
    people = f"{approval.quorum} of {', '.join(approval.approvers)}"
    rows = (
        ("Approvers", people),
        ("Expires", f"{approval.expires_at:%Y-%m-%d %H:%M} UTC"),
        ("Plan", approval.fingerprint[:12]),
    )
    warnings = [guard.text for guard in plan.guards if guard.level is Level.WARN]
    notes = tuple(Text(note) for note in (*warnings, *plan.notes))
    return Answer(
        f"Waiting for approval: {name_operation(operation).in_sentence}.",
        (Fields(rows), *notes),
        buttons=tuple(Button(label, line) for label, line in plan.offers.items()),
        cluster=operation.cluster,
    )
