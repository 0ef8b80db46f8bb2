"""Events and sentences about approvals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from domain.actor import Actor
from domain.approval import Approval, ApprovalState, VoteKind
from domain.errors import Refused
from domain.event import Event, Severity
from domain.operation import Operation
from domain.operation_name import name_operation


def approval_event(
    name: str,
    approval: Approval,
    operation: Operation,
    now: datetime,
    facts: Mapping[str, Any],
    severity: Severity = Severity.INFO,
) -> Event:
    """Build the event `approval.<name>` of this operation."""
    return Event(
        kind=f"approval.{name}",
        cluster=operation.cluster,
        cluster_uid="",
        object_kind="approval",
        object_uid=approval.id,
        object_name=operation.subject,
        transition=f"{name}:{approval.revision}",
        at=now,
        severity=severity,
        operation=operation.id,
        facts={"approval": approval.id, **facts},
    )


def break_glass_event(approval: Approval, operation: Operation, now: datetime, actor: Actor) -> Event:
    """Build the event of a break-glass run. It has its own kind, so that routes can send it to incident channels."""
    headline = f"{actor.name} used break-glass: {name_operation(operation).in_sentence} runs without approval"
    facts = {"headline": headline, "message": approval.reason, "by": actor.name}
    event = approval_event("bypassed", approval, operation, now, facts, Severity.SECURITY)
    return replace(event, kind="glass.broken")


def outcome_text(approval: Approval) -> Refused:
    """Return why a click comes too late; every click gets an answer."""
    texts = {
        ApprovalState.OPEN: "No decision yet. Votes are saved and the bot retries.",
        ApprovalState.DECIDING: "All votes are in. Running the final check.",
        ApprovalState.APPROVED: f"Already approved by {voter_names(approval, VoteKind.APPROVE)}.",
        ApprovalState.REJECTED: f"Already rejected by {voter_names(approval, VoteKind.REJECT)}.",
        ApprovalState.EXPIRED: "This request expired.",
        ApprovalState.WITHDRAWN: "The requester withdrew this request.",
        ApprovalState.STALE: "This request is outdated: the plan changed.",
    }
    ask_again = approval.state in {ApprovalState.EXPIRED, ApprovalState.STALE}
    return Refused(texts[approval.state], fix="Request it again." if ask_again else "")


def voter_names(approval: Approval, kind: VoteKind) -> str:
    return ", ".join(vote.voter_name for vote in approval.votes if vote.kind is kind) or "no one"
