"""Audit rows and events of carrying out an operation in its cluster."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.counting import counted
from domain.event import Event, Severity
from domain.operation import Operation
from domain.operation_name import name_operation
from domain.plan import Plan
from store.tables.audit import AuditEntry
from store.transaction import Transaction


def append_audit(
    tx: Transaction, operation: Operation, action: str, outcome: str, now: datetime, reason: str = ""
) -> None:
    detail = {"reason": reason or operation.reason, "fingerprint": operation.fingerprint}
    tx.audit.append(
        AuditEntry(
            at=now,
            actor=operation.actor,
            action=f"{operation.noun}.{operation.verb}.{action}",
            outcome=outcome,
            subject=operation.subject,
            cluster=operation.cluster,
            operation=operation.id,
            detail=detail,
        )
    )


def changed_event(operation: Operation, plan: Plan, now: datetime, by: str) -> Event:
    return Event(
        kind=f"{operation.noun}.changed",
        cluster=operation.cluster,
        cluster_uid="",
        object_kind=operation.noun,
        object_uid=operation.object_uid,
        object_name=operation.object_name,
        transition=operation.id,
        at=now,
        severity=Severity.INFO,
        operation=operation.id,
        facts={"verb": operation.verb, "summary": plan.summary, "by": by, "changes": list(plan.notes[:3])},
    )


def failed_event(operation: Operation, now: datetime) -> Event:
    """The cluster rejected it. It is also posted in the card's thread: the requester may not be waiting any more."""
    facts = {
        "headline": f"{name_operation(operation)} was rejected by the cluster",
        "failure_reason": operation.reason,
    }
    return _event("failed", operation, "failed", now, facts, Severity.FAILURE)


def lapsed_event(operation: Operation, now: datetime) -> Event:
    facts = {"headline": f"{name_operation(operation)} wasn't started", "failure_reason": operation.reason}
    return _event("failed", operation, "failed", now, facts, Severity.FAILURE)


def unconfirmed_event(operation: Operation, why: str, now: datetime) -> Event:
    """`revision` distinguishes lost answers: a plan may have several writes."""
    facts = {
        "headline": f"Velero hasn't confirmed {name_operation(operation).in_sentence} yet; checking",
        "message": why,
    }
    return _event("unconfirmed", operation, f"unconfirmed {operation.revision}", now, facts, Severity.WARNING)


def unresolved_event(operation: Operation, minutes: int, now: datetime) -> Event:
    """Asks the requester to check. The bot's own checks continue."""
    facts = {
        "headline": f"Velero still hasn't confirmed {name_operation(operation).in_sentence} after {counted(minutes, 'minute')}",
        "message": f"It may have been carried out. Check {operation.cluster} yourself before you run the command again. "
        "The bot keeps checking. Until it knows the outcome, nothing else runs in the same namespaces.",
    }
    return _event("unresolved", operation, f"unresolved {operation.revision}", now, facts, Severity.FAILURE)


def lost_event(operation: Operation, now: datetime) -> Event:
    facts = {
        "headline": f"It isn't known whether Velero carried out {name_operation(operation).in_sentence}",
        "message": f"{operation.reason} Its data may remain in the storage location.",
    }
    return _event("lost", operation, "lost", now, facts, Severity.FAILURE)


def _event(
    kind: str, operation: Operation, transition: str, now: datetime, facts: Mapping[str, Any], severity: Severity
) -> Event:
    return Event(
        kind=f"operation.{kind}",
        cluster=operation.cluster,
        cluster_uid="",
        object_kind="operation",
        object_uid=operation.id,
        object_name=operation.subject,
        transition=transition,
        at=now,
        severity=severity,
        operation=operation.id,
        facts=facts,
    )
