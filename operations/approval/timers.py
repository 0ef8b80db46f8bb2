"""What settings say of approvals, and the timers that an approval sets."""

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
    """`remind_after` is a part of the time until expiry.

    `start_deadline`: a run that waits longer than this in Velero's queue is taken back.
    """

    channel: str = ""
    remind_after: float = 0.5
    start_deadline: timedelta = timedelta(minutes=30)
    retry_after: timedelta = timedelta(seconds=30)
    vote_timeout: float = 1.3
    """Seconds that somebody who has voted waits for Slack to say who the approvers are."""
    break_glass_per_day: int = 3
    """How often one person may break the glass within a day."""


def deadlines_of(approval: Approval, terms: ApprovalTimes) -> tuple[Deadline, ...]:
    waits = approval.expires_at - approval.requested_at
    return (
        deadline_at(EXPIRE_KIND, approval.id, approval.expires_at),
        deadline_at(REMIND_KIND, approval.id, approval.requested_at + waits * terms.remind_after),
    )


def deadline_at(timer: str, ident: str, when: datetime, **more: object) -> Deadline:
    return Deadline(f"{timer}:{ident}", when, timer, {"id": ident, **more})
