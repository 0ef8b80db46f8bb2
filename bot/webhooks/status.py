"""Builds the status documents of a pipeline's calls from stored records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from commands.deploy_gate import GateReason, GateVerdict
from domain.answer import Answer, Attachment, Part, Table
from domain.json_types import Json
from domain.operation import Operation, State
from store.scrub import scrub
from store.tables.audit import AuditEntry
from store.tables.pipeline_calls import PipelineCall

OPERATION_PATH = "/hooks/v1/operations/"
MAX_TABLE_ROWS = 200
MAX_BODY_LENGTH = 20_000
KIND_OF_NOUN = {"backup": "Backup", "restore": "Restore", "schedule": "Schedule"}
_EVIDENCE_FIELDS = ("created", "started", "completed", "expires", "done", "total", "location", "backup", "namespaces")


@dataclass(frozen=True, slots=True)
class CallStatus:
    """`observed` holds the facts that tracking last recorded about the object."""

    call: PipelineCall
    operation: Operation | None = None
    observed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """The command itself is over; the verdict of a gate may still follow."""
        if self.call.completed_at is not None:
            return True
        if self.call.answered_at is None:
            # A crash lost the answer and the operation continued without it; for a refusal the answer still follows.
            return self.operation is not None and self.operation.is_over and self.operation.state is not State.REFUSED
        return self.operation is None or self.operation.is_over or "problem" in self.call.answer

    def is_late(self, now: datetime) -> bool:
        """The timeout of a gate has passed."""
        longest = self.call.request.get("timeout")
        return longest is not None and now > self.call.received_at + timedelta(seconds=float(longest))


def status_document(status: CallStatus, base: str) -> Json:
    call, operation = status.call, status.operation
    document: Json = {
        "operation": call.operation,
        "status_url": status_url(base, call.operation),
        "state": _state(status),
        "done": call.completed_at is not None if "gate" in call.request else status.is_final,
        "line": str(call.request.get("line", "")),
    }
    if operation is not None:
        document |= _operation_fields(operation, status.observed)
    return document | {name: call.answer[name] for name in ("answer", "problem", "gate") if name in call.answer}


def status_summary(document: Json) -> Json:
    """Shorten a status document for a callback; receivers can fetch the whole answer."""
    if "answer" not in document:
        return document
    return {**document, "answer": {key: value for key, value in document["answer"].items() if key != "parts"}}


def status_url(base: str, operation: str) -> str:
    """Return the status URL; relative if the settings have no public URL."""
    return base.rstrip("/") + OPERATION_PATH + operation


def _state(status: CallStatus) -> str:
    if status.operation is not None:
        return status.operation.state.value
    if "problem" in status.call.answer:
        return State.REFUSED.value
    return "answered" if status.call.answered_at is not None else "accepted"


def _operation_fields(operation: Operation, observed: Mapping[str, Any]) -> Json:
    name = operation.object_name or operation.subject
    return {
        "cluster": operation.cluster,
        "line": scrub(operation.line),
        "phase": operation.phase,
        "object": {"kind": KIND_OF_NOUN.get(operation.noun, operation.noun), "name": name, "uid": operation.object_uid},
        "errors": _count(observed, "errors"),
        "warnings": _count(observed, "warnings"),
        "reason": operation.reason,
        "created_at": _text(operation.created_at),
        "changed_at": _text(operation.changed_at),
        "evidence": {key: observed[key] for key in _EVIDENCE_FIELDS if key in observed},
    }


def _count(observed: Mapping[str, Any], name: str) -> int:
    value = observed.get(name)
    return value if isinstance(value, int) else 0


def callback_body(answer: Answer) -> Json:
    return {
        "headline": answer.headline,
        "tone": answer.tone.value,
        "cluster": answer.cluster,
        "parts": [_part(each) for each in answer.parts],
    }


def _part(part: Part) -> Json:
    document = json.loads(json.dumps(asdict(part), default=str))
    if isinstance(part, Table):
        document["rows"] = document["rows"][:MAX_TABLE_ROWS]
    if isinstance(part, Attachment) or "body" in document:
        document["body"] = document["body"][:MAX_BODY_LENGTH]
    return {"kind": type(part).__name__.lower(), **document}


def gate_failure(status: CallStatus, now: datetime) -> GateVerdict | None:
    """Return the verdict of a gate whose backup was refused, failed or is late; None if backups have to be checked."""
    operation, problem = status.operation, status.call.answer.get("problem")
    if problem:
        return GateVerdict(False, GateReason.NOT_ALLOWED, f"No backup was created: {problem.get('title', '')}")
    if status.is_final and (operation is None or operation.state is not State.SUCCEEDED):
        return GateVerdict(False, GateReason.BACKUP_FAILED, _backup_failure(operation))
    if not status.is_final and status.is_late(now):
        state = (operation.phase or operation.state.value) if operation else "accepted"
        text = f"The backup created by the gate didn't finish in time; current state: {state}."
        return GateVerdict(False, GateReason.TIMEOUT, text)
    return None


def _backup_failure(operation: Operation | None) -> str:
    if operation is None:
        return "The backup was never created."
    why = f": {operation.reason}" if operation.reason else ""
    if operation.phase:
        return f"The backup ended {operation.phase}{why}."
    return f"The backup wasn't created; the operation ended as {operation.state.value}{why}."


def gate_audit_entry(call: PipelineCall, verdict: GateVerdict, now: datetime) -> AuditEntry:
    """Return the audit entry of a verdict: the backups that it relies on, or why the gate failed."""
    return AuditEntry(
        at=now,
        actor=call.sender,
        action="gate",
        outcome="passed" if verdict.passed else "failed",
        subject=",".join(map(str, call.request.get("namespaces", ()))),
        cluster=str(call.request.get("cluster", "")),
        operation=call.operation,
        detail={
            "reason": verdict.reason.value if verdict.reason else "",
            "text": verdict.text,
            "backups": {each.namespace: each.backup for each in verdict.evidence if each.backup},
        },
    )


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
