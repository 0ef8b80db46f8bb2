"""Finds restores of the same namespaces that were requested and aren't in Velero yet.

Two restores must not write into one namespace at the same time, and Velero doesn't prevent it. Of two requests that wait
for approval, the later one shows a warning. An approved one refuses every other, whichever was requested first:
`conflict_guards` checks when a command is planned, `find_conflict` again in the transaction that grants it.

Never name a restore to someone who has no permission to see it; that one exists is still said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from commands.planning.context import PlanContext
from commands.planning.facts import Facts, RecordsNeed, RecordTable
from domain.operation import Operation, State
from domain.plan import Guard, Level
from domain.reach import Reach
from policy.visible import View, Visibility, visibility_of

if TYPE_CHECKING:
    from store.transaction import Transaction

GRANTED_STATES = frozenset({State.APPROVED, State.SUBMITTING, State.UNCONFIRMED, State.SUBMITTED})
UPCOMING_STATES = GRANTED_STATES | {State.PLANNED}
ONE_AT_A_TIME = "Only one restore per namespace can run at a time."


@dataclass(frozen=True, slots=True)
class PendingRestore:
    """A restore with an open operation. `name` is empty if the reader has no permission to see it."""

    operation: str
    name: str
    state: State
    requested_at: datetime
    reach: Reach


def pending_restores_need(known: Facts) -> RecordsNeed:
    return RecordsNeed(RecordTable.OPEN_RESTORES, (("cluster", known.cluster),))


def read_pending_restores(tx: Transaction, cluster: str) -> list[PendingRestore]:
    return [
        PendingRestore(one.id, one.subject, one.state, one.created_at, tx.operations.load_plan(one.id).reach)
        for one in tx.operations.open()
        if (one.cluster, one.noun, one.verb) == (cluster, "restore", "create")
    ]


def find_conflict(tx: Transaction, operation: Operation, reach: Reach) -> str:
    """Why the operation can't be granted now; empty if it can. Runs in the transaction that grants.

    Two operations that were planned at the same time don't see each other in their plans; only the first one is granted.
    """
    granted = GRANTED_STATES | {State.RUNNING}
    for row in read_pending_restores(tx, operation.cluster):
        if row.operation != operation.id and row.state in granted and _overlaps(reach, row.reach):
            return f"Another restore in {_shared_namespaces(reach, row.reach)} was just approved. {ONE_AT_A_TIME}"
    return ""


def _shared_namespaces(one: Reach, other: Reach) -> str:
    """Only namespaces that `one` writes: those of the other restore may be hidden from this requester."""
    names = sorted(one.writes if "*" in other.writes else one.writes & other.writes or one.writes)
    return "the whole cluster" if "*" in names else ", ".join(names[:5])


def redact_pending_restores(facts: Facts, view: View) -> None:
    """Removes, in place, the names that the reader has no permission to see."""
    for need, rows in facts.records.items():
        if need.table is RecordTable.OPEN_RESTORES:
            facts.records[need] = [
                row if visibility_of(view, row.reach) is Visibility.FULL else replace(row, name="")
                for row in rows
                if isinstance(row, PendingRestore)
            ]


def conflict_guards(reach: Reach, facts: Facts, context: PlanContext) -> Iterable[Guard]:
    for row in facts.records.get(pending_restores_need(facts)) or []:
        if not isinstance(row, PendingRestore) or row.operation == context.operation or not _overlaps(reach, row.reach):
            continue
        if row.state in UPCOMING_STATES and facts.get("restores", row.name) is None:
            yield Guard("restore-running", Level.REFUSE, f"{_upcoming(row)} {ONE_AT_A_TIME}")
        elif row.state is State.AWAITING and (row.requested_at, row.operation) < (context.now, context.operation):
            which = f"Restore `{row.name}`" if row.name else "Another restore"
            text = f"{which} in the same namespaces is waiting for approval. Withdraw one of the requests, or wait for a decision."
            yield Guard("restore-asked", Level.WARN, text)


def _upcoming(row: PendingRestore) -> str:
    if row.state is State.UNCONFIRMED:
        which = f"restore `{row.name}`" if row.name else "another restore"
        return f"Velero hasn't confirmed {which} in the same namespaces yet."
    which = f"Restore `{row.name}`" if row.name else "Another restore"
    return f"{which} in the same namespaces is about to start."


def _overlaps(one: Reach, other: Reach) -> bool:
    everything = "*" in one.writes | other.writes
    return bool(one.writes and other.writes) and (everything or bool(one.writes & other.writes))
