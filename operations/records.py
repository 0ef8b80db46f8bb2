"""Records of a planned operation: the row, its audit entry and the event that makes its card appear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.registry import verb_of
from domain.decision import Decision
from domain.event import Event
from domain.operation import Operation, State
from domain.plan import Plan
from store.tables.audit import AuditEntry

if TYPE_CHECKING:
    from operations.request import CommandRequest
    from store.transaction import Transaction


def record_planned(
    tx: Transaction, operation: Operation, plan: Plan, request: CommandRequest, decision: Decision
) -> None:
    tx.operations.insert(operation, plan, request.origin)
    if operation.state is State.APPROVED:
        tx.outbox.add(started_event(operation, plan, request))
    tx.audit.append(
        AuditEntry(
            at=operation.created_at,
            actor=request.actor.id,
            action=f"{plan.noun}.{plan.verb}",
            outcome=operation.state.value,
            subject=plan.subject,
            cluster=plan.cluster,
            operation=operation.id,
            detail={
                "line": operation.line,
                "actor": request.actor.name,
                "way": request.origin.way.value,
                "reason": decision.reason.value,
                "rule": decision.rule,
                "rules": decision.rules_digest,
                "fingerprint": plan.fingerprint,
                "why": operation.reason,
            },
        )
    )


def started_event(operation: Operation, plan: Plan, request: CommandRequest) -> Event:
    """The event that makes the card appear where the command was run."""
    verb = verb_of(f"{plan.noun}.{plan.verb}")
    return Event(
        kind="operation.started",
        cluster=plan.cluster,
        cluster_uid="",
        object_kind="operation",
        object_uid=operation.id,
        object_name=plan.subject,
        transition="started",
        at=operation.created_at,
        operation=operation.id,
        facts={
            "noun": plan.noun,
            "verb": plan.verb,
            "channel": request.origin.channel,
            "thread": request.origin.thread,
            "user": request.actor.id,
            "user_name": request.actor.name,
            "link": request.origin.link,
            "cli": plan.cli,
            "undo": verb.undo(plan) if verb is not None and verb.undo is not None else "",
            "offers": dict(plan.offers),
            "notes": [*(guard.text for guard in plan.guards), *plan.notes],
        },
    )
