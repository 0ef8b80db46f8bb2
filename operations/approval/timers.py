"""Time limits of approvals, and the deadlines that an approval sets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.approval import Approval
from store.tables.deadlines import Deadline

EXPIRE_KIND = "approval.expire"
REMIND_KIND = "approval.remind"
DECIDE_KIND = "approval.decide"
VOTE_KIND = "approval.vote"
START_KIND = "restore.start"
DEADLINE_KINDS = frozenset({EXPIRE_KIND, REMIND_KIND, DECIDE_KIND, VOTE_KIND, START_KIND})


@dataclass(frozen=True, slots=True)
class ApprovalTimes:
    """`remind_after` is a share of the time until expiry, between 0 and 1.

    `start_deadline`: a restore that waits longer in Velero's queue is deleted.
    """

    channel: str = ""
    remind_after: float = 0.5
    start_deadline: timedelta = timedelta(minutes=30)
    retry_after: timedelta = timedelta(seconds=30)
    vote_timeout: float = 1.3
    """Seconds that a vote waits for Slack's list of approvers before it is saved for later."""
    break_glass_per_day: int = 3
    """How many times one person may use break-glass in 24 hours."""


def deadlines_of(approval: Approval, times: ApprovalTimes) -> tuple[Deadline, ...]:
    lifetime = approval.expires_at - approval.requested_at
    return (
        deadline_at(EXPIRE_KIND, approval.id, approval.expires_at),
        deadline_at(REMIND_KIND, approval.id, approval.requested_at + lifetime * times.remind_after),
    )


def deadline_at(kind: str, subject: str, at: datetime, /, **payload: object) -> Deadline:
    """Build a deadline; `subject` is the id of an approval or an operation."""
    return Deadline(f"{kind}:{subject}", at, kind, {"id": subject, **payload})
