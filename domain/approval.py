"""Two pairs of eyes: who asked, who voted, on what exactly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.plan import digest


class ApprovalState(StrEnum):
    OPEN = "open"
    DECIDING = "deciding"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    STALE = "stale"


class VoteKind(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Vote:
    """`groups` as Slack told them at the moment of the vote."""

    voter: str
    voter_name: str
    email: str
    kind: VoteKind
    at: datetime
    groups: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Approval:
    id: str
    operation: str
    fingerprint: str
    rule: str
    quorum: int
    approvers: tuple[str, ...]
    state: ApprovalState
    requester: str
    requester_email: str
    reason: str
    requested_at: datetime
    expires_at: datetime
    votes: tuple[Vote, ...] = ()
    revision: int = 0


def approval_id(operation: str) -> str:
    """Of an operation: each is asked about once."""
    return f"ap-{operation.removeprefix('op-')}"


def approval_fingerprint(plan_fingerprint: str, rule: str, quorum: int) -> str:
    """What a vote is bound to: the plan, the rule that asked for it and how many must agree."""
    return digest({"plan": plan_fingerprint, "rule": rule, "quorum": quorum})
