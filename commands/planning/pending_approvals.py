"""Pending approval requests: those that wait for votes, and break-glass runs that wait for a review."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from commands.planning import object_fields
from commands.planning.facts import Facts, RecordsNeed, RecordTable
from commands.planning.requester import requester_of
from domain.answer import Part, Table, Text
from domain.counting import counted
from domain.operation import State
from domain.reach import Reach
from policy.visible import View, Visibility, visibility_of
from store.tables.messages import APPROVAL

if TYPE_CHECKING:
    from store.transaction import Transaction

MAX_SHOWN = 5
HIDDEN_NAMES = "(others)"


@dataclass(frozen=True, slots=True)
class PendingApproval:
    """`ran` marks a break-glass run. `message` is the (channel, ts) of the approval request, `link` its permalink."""

    operation: str
    cluster: str
    title: str
    requester: str
    asked_at: datetime
    votes: int
    quorum: int
    reach: Reach
    ran: bool = False
    message: tuple[str, str] = ("", "")
    link: str = ""


def pending_approvals_need(known: Facts) -> RecordsNeed:
    return RecordsNeed(RecordTable.OPEN_APPROVALS, (("cluster", known.cluster),))


def read_pending_approvals(tx: Transaction, cluster: str) -> list[PendingApproval]:
    """Read the pending approval requests of a cluster, oldest first."""
    found = []
    for approval in sorted((*tx.approvals.open(), *tx.approvals.deciding()), key=lambda one: one.requested_at):
        operation = tx.operations.get(approval.operation)
        if operation is None or operation.cluster != cluster:
            continue
        posted = tx.messages.of(operation.id, APPROVAL)
        found.append(
            PendingApproval(
                operation.id,
                cluster,
                f"{operation.noun} {operation.verb} {operation.subject}",
                requester_of(tx, operation),
                approval.requested_at,
                approval.approvals_given,
                approval.quorum,
                tx.operations.load_plan(operation.id).reach,
                operation.state is not State.AWAITING,
                (posted[0].channel, posted[0].ts) if posted else ("", ""),
            )
        )
    return found


def redact_pending_approvals(facts: Facts, view: View) -> None:
    """In place: without those of others; of what also reaches others only that it is there."""
    for need, rows in facts.records.items():
        if need.table is RecordTable.OPEN_APPROVALS:
            told = (_told(row, view) for row in rows if isinstance(row, PendingApproval))
            facts.records[need] = [row for row in told if row is not None]


def _told(row: PendingApproval, view: View) -> PendingApproval | None:
    match visibility_of(view, row.reach):
        case Visibility.FULL:
            return row
        case Visibility.REDACTED:
            words = " ".join(row.title.split(" ")[:2])
            return replace(row, title=f"{words} {HIDDEN_NAMES}", requester=HIDDEN_NAMES, message=("", ""), link="")
        case Visibility.HIDDEN:
            return None


def answer_parts(of_each: Iterable[Facts], now: datetime) -> list[Part]:
    """The oldest of them, how many there are, and where to find them."""
    rows = [
        row
        for facts in of_each
        for row in facts.records.get(pending_approvals_need(facts)) or []
        if isinstance(row, PendingApproval)
    ]
    if not rows:
        return []
    rows.sort(key=lambda row: (row.asked_at, row.operation))
    shown = rows[:MAX_SHOWN]
    table = Table(
        ("WAITING FOR APPROVAL", "CLUSTER", "REQUESTED BY", "SINCE", "VOTES"), tuple(_row(row, now) for row in shown)
    )
    more = f". Showing the {MAX_SHOWN} oldest" if len(rows) > MAX_SHOWN else ""
    lines = [f"{counted(len(rows), 'request')} waiting for approval{more}."]
    lines += [f"{row.title}: {row.link}" for row in shown if row.link]
    return [table, Text("\n".join(lines))]


def _row(row: PendingApproval, now: datetime) -> tuple[str, ...]:
    title = f"{row.title} (ran through break-glass, needs a review)" if row.ran else row.title
    return (
        title,
        row.cluster,
        row.requester,
        object_fields.relative_time(row.asked_at, now),
        f"{row.votes} of {row.quorum}",
    )
