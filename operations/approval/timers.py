"""What settings say of approvals, and the timers that an approval sets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.approval import Approval
from store.tables.deadlines import Deadline

EXPIRE = "approval.expire"
REMIND = "approval.remind"
DECIDE = "approval.decide"
VOTE = "approval.vote"
START = "restore.start"
KINDS = frozenset({EXPIRE, REMIND, DECIDE, VOTE, START})


@dataclass(frozen=True, slots=True)
class Terms:
    """`remind_after` is a part of the time until expiry.

    `start_deadline`: a run that waits longer than this in Velero's queue is taken back.
    """

    channel: str = ""
    remind_after: float = 0.5
    start_deadline: timedelta = timedelta(minutes=30)
    again: timedelta = timedelta(seconds=30)
    patience: float = 1.3
    """Seconds that somebody who has voted waits for Slack to say who the approvers are."""
    glass_per_day: int = 3
    """How often one person may break the glass within a day."""


def timers(approval: Approval, terms: Terms) -> tuple[Deadline, ...]:
    waits = approval.expires_at - approval.requested_at
    return (
        at(EXPIRE, approval.id, approval.expires_at),
        at(REMIND, approval.id, approval.requested_at + waits * terms.remind_after),
    )


def at(timer: str, ident: str, when: datetime, **more: object) -> Deadline:
    return Deadline(f"{timer}:{ident}", when, timer, {"id": ident, **more})
