"""What a pipeline is told of its operation: pure, from what is stored."""

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

PATH = "/hooks/v1/operations/"
MOST_ROWS = 200
LONGEST_BODY = 20_000
KINDS = {"backup": "Backup", "restore": "Restore", "schedule": "Schedule"}
_EVIDENCE = ("created", "started", "completed", "expires", "done", "total", "location", "backup", "namespaces")


@dataclass(frozen=True, slots=True)
class CallStatus:
    """`seen` is what tracking knows of the object now."""

    hook: PipelineCall
    operation: Operation | None = None
    seen: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Nothing more will come of the command itself; a gate's verdict is still to be made of it."""
        if self.hook.settled_at is not None:
            return True
        if self.hook.answered_at is None:
            # The answer was lost in a crash, and the operation went on without it; a refusal's words still come.
            return self.operation is not None and self.operation.is_over and self.operation.state is not State.REFUSED
        return self.operation is None or self.operation.is_over or "problem" in self.hook.answer

    def is_late(self, now: datetime) -> bool:
        """A gate that waited longer than it was told to."""
        longest = self.hook.asked.get("timeout")
        return longest is not None and now > self.hook.received_at + timedelta(seconds=float(longest))


def status_document(standing: CallStatus, base: str) -> Json:
    hook, operation = standing.hook, standing.operation
    told: Json = {
        "operation": hook.operation,
        "status_url": status_url(base, hook.operation),
        "state": _state(standing),
        "done": hook.settled_at is not None if "gate" in hook.asked else standing.is_final,
        "line": str(hook.asked.get("line", "")),
    }
    if operation is not None:
        told |= _of_operation(operation, standing.seen)
    return told | {name: hook.answer[name] for name in ("answer", "problem", "gate") if name in hook.answer}


def status_summary(told: Json) -> Json:
    """For a callback, whose body has to stay small: what was answered is fetched by whoever wants it."""
    if "answer" not in told:
        return told
    return {**told, "answer": {key: value for key, value in told["answer"].items() if key != "parts"}}


def status_url(base: str, operation: str) -> str:
    """Relative where the settings do not say how the bot is reached."""
    return base.rstrip("/") + PATH + operation


def _state(standing: CallStatus) -> str:
    if standing.operation is not None:
        return standing.operation.state.value
    if "problem" in standing.hook.answer:
        return State.REFUSED.value
    return "answered" if standing.hook.answered_at is not None else "accepted"


def _of_operation(operation: Operation, seen: Mapping[str, Any]) -> Json:
    name = operation.object_name or operation.subject
    return {
        "cluster": operation.cluster,
        "line": scrub(operation.line),
        "phase": operation.phase,
        "object": {"kind": KINDS.get(operation.noun, operation.noun), "name": name, "uid": operation.object_uid},
        "errors": _count(seen, "errors"),
        "warnings": _count(seen, "warnings"),
        "reason": operation.reason,
        "created_at": _text(operation.created_at),
        "changed_at": _text(operation.changed_at),
        "evidence": {key: seen[key] for key in _EVIDENCE if key in seen},
    }


def _count(seen: Mapping[str, Any], name: str) -> int:
    value = seen.get(name)
    return value if isinstance(value, int) else 0


def callback_body(said: Answer) -> Json:
    return {
        "headline": said.headline,
        "tone": said.tone.value,
        "cluster": said.cluster,
        "parts": [_part(each) for each in said.parts],
    }


def _part(part: Part) -> Json:
    told = json.loads(json.dumps(asdict(part), default=str))
    if isinstance(part, Table):
        told["rows"] = told["rows"][:MOST_ROWS]
    if isinstance(part, Attachment) or "body" in told:
        told["body"] = told["body"][:LONGEST_BODY]
    return {"kind": type(part).__name__.lower(), **told}


def gate_failure(standing: CallStatus, now: datetime) -> GateVerdict | None:
    """The verdict where it needs no look at the backups: it took too long, was refused, or the backup failed."""
    operation, problem = standing.operation, standing.hook.answer.get("problem")
    if problem:
        return GateVerdict(False, GateReason.NOT_ALLOWED, f"No backup was created: {problem.get('title', '')}")
    if standing.is_final and (operation is None or operation.state is not State.SUCCEEDED):
        state = operation.state.value if operation else "not created"
        why = f": {operation.reason}" if operation and operation.reason else ""
        return GateVerdict(False, GateReason.BACKUP_FAILED, f"The backup created by the gate failed: {state}{why}.")
    if not standing.is_final and standing.is_late(now):
        state = operation.state.value if operation else "accepted"
        return GateVerdict(
            False, GateReason.TIMEOUT, f"The backup created by the gate didn't finish in time; current state: {state}."
        )
    return None


def recorded_rows(hook: PipelineCall, verdict: GateVerdict, now: datetime) -> AuditEntry:
    """Which backups a deployment was let through on, or why it was not."""
    return AuditEntry(
        at=now,
        actor=hook.sender,
        action="gate",
        outcome="passed" if verdict.passed else "failed",
        subject=",".join(map(str, hook.asked.get("namespaces", ()))),
        cluster=str(hook.asked.get("cluster", "")),
        operation=hook.operation,
        detail={
            "reason": verdict.reason.value if verdict.reason else "",
            "text": verdict.text,
            "backups": {each.namespace: each.backup for each in verdict.evidence if each.backup},
        },
    )


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
