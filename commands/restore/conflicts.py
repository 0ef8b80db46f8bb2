"""Restores that were asked for and are not in Velero yet: two of one namespace must not get in each other's way. Pure.

Of two that wait for approval the later one is told, and both may go on: whoever is approved second, while the first one
runs, is refused then. One that was approved counts whenever it was asked for.
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


@dataclass(frozen=True, slots=True)
class PendingRestore:
    """`name` is empty where the reader may not see it: that there is one still counts."""

    operation: str
    name: str
    state: State
    asked_at: datetime
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
    """Asked in the transaction that grants: of two that were planned side by side only the first one runs."""
    if (operation.noun, operation.verb) != ("restore", "create"):
        return ""
    granted = GRANTED_STATES | {State.RUNNING}
    for row in read_pending_restores(tx, operation.cluster):
        if row.operation != operation.id and row.state in granted and _meet(reach, row.reach):
            return f"Another restore in {_shared(reach, row.reach)} was just approved. Only one restore per namespace can run at a time."
    return ""


def _shared(one: Reach, other: Reach) -> str:
    """Of what this asker may write; nothing of the other's is named."""
    names = sorted(one.writes if "*" in other.writes else one.writes & other.writes or one.writes)
    return "the whole cluster" if "*" in names else ", ".join(names[:5])


def redact_pending_restores(facts: Facts, view: View) -> None:
    """In place: without the names of those that the reader may not see."""
    for need, rows in facts.records.items():
        if need.table is RecordTable.OPEN_RESTORES:
            facts.records[need] = [_anonymous(row, view) for row in rows if isinstance(row, PendingRestore)]


def _anonymous(row: PendingRestore, view: View) -> PendingRestore:
    return row if visibility_of(view, row.reach) is Visibility.FULL else replace(row, name="")


def conflict_guards(reach: Reach, facts: Facts, context: PlanContext) -> Iterable[Guard]:
    for row in facts.records.get(pending_restores_need(facts)) or []:
        if not isinstance(row, PendingRestore) or row.operation == context.operation or not _meet(reach, row.reach):
            continue
        which = f"Restore {row.name}" if row.name else "Another restore"
        if row.state in UPCOMING_STATES and facts.get("restores", row.name) is None:
            text = (
                f"{which} in the same namespaces is about to start. Only one restore per namespace can run at a time."
            )
            if row.state is State.UNCONFIRMED:
                text = (
                    f"Velero hasn't confirmed {which[0].lower()}{which[1:]} of the same namespaces yet: one at a time."
                )
            yield Guard("restore-running", Level.REFUSE, text)
        elif row.state is State.AWAITING and (row.asked_at, row.operation) < (context.now, context.operation):
            text = f"{which} in the same namespaces is waiting for approval. Withdraw one of the requests, or wait for a decision."
            yield Guard("restore-asked", Level.WARN, text)


def _meet(one: Reach, other: Reach) -> bool:
    everything = "*" in one.writes | other.writes
    return bool(one.writes and other.writes) and (everything or bool(one.writes & other.writes))
