"""Approval requests: who requested them, who voted, and exactly on what."""

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
    """`groups` are the voter's Slack user groups at the time of the vote."""

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

    @property
    def approvals_given(self) -> int:
        """Approving votes, also of people who are no longer approvers. Every message counts these."""
        return sum(vote.kind is VoteKind.APPROVE for vote in self.votes)


def approval_id(operation: str) -> str:
    """Return the id of the operation's only approval request."""
    return f"ap-{operation.removeprefix('op-')}"


def approval_fingerprint(plan_fingerprint: str, rule: str, quorum: int) -> str:
    """Digest of what a vote is bound to: the plan, the rule that requires approval and the quorum."""
    return digest({"plan": plan_fingerprint, "rule": rule, "quorum": quorum})
