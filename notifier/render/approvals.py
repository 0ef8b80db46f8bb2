"""The approval request: what would run, what it changes, who requested it and why, and the votes so far.

Voters decide on this message alone, so it shows every note of the plan; `View plan` opens the manifests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from domain.approval import Approval, ApprovalState, VoteKind
from domain.counting import counted
from domain.operation import Operation, State
from domain.operation_name import name_operation
from domain.plan import Level, Plan, Step, StepVerb
from notifier.render import limits
from notifier.render.answers import LINE, Rendered
from notifier.render.cards import format_state, offered_buttons
from notifier.render.escape import code, escape, inline_code, sentence, untrusted
from notifier.render.values import join_names, mention_person, slack_date
from store.scrub import scrub

HEADERS = {
    ApprovalState.OPEN: ("🕐", "Approval needed"),
    ApprovalState.DECIDING: ("🔎", "Approved; running the final check"),
    ApprovalState.APPROVED: ("✅", "Approved"),
    ApprovalState.REJECTED: ("⛔", "Rejected"),
    ApprovalState.EXPIRED: ("⌛", "Expired without approval"),
    ApprovalState.WITHDRAWN: ("↩️", "Withdrawn"),
    ApprovalState.STALE: ("🔄", "Outdated; not started"),
}
REVIEW_HEADER = ("🚨", "Review needed")
KINDS = {
    "BackupStorageLocation": "storage location",
    "VolumeSnapshotLocation": "snapshot location",
    "BackupRepository": "backup repository",
    "DeleteBackupRequest": "backup",
}
STEP_VERBS = {StepVerb.CREATE: "Create", StepVerb.PATCH: "Change", StepVerb.DELETE: "Delete"}
STEPS_SHOWN = 6
NOTES_SHOWN = 40
NOTE_LENGTH = 450


def render_request(
    approval: Approval, operation: Operation, plan: Plan, facts: Mapping[str, Any] | None = None
) -> Rendered:
    """`facts`: of the event that ended the approval; `message` says what differs, or why it was rejected."""
    blocks = [
        limits.section(f"{_headline(approval, operation)}\n" + "\n".join(_step_lines(plan))),
        *limits.bullets([sentence(scrub(note)) for note in plan.notes], NOTES_SHOWN, NOTE_LENGTH),
    ]
    if warnings := [f"⚠️ {sentence(guard.text)}" for guard in plan.guards if guard.level is not Level.REFUSE]:
        blocks.append(limits.section("\n".join(warnings)))
    blocks += limits.fields(_facts(approval, operation, plan))
    if plan.cli:
        blocks.append(limits.section(f"```{code(scrub(plan.cli))}```"))
    blocks.append(limits.section("\n".join(_vote_lines(approval))))
    if message := str((facts or {}).get("message") or ""):
        blocks.append(limits.section(sentence(message)))
    blocks += limits.actions(_buttons(approval, operation, plan))
    blocks.append(
        limits.context(f"{operation.id} · plan {plan.fingerprint[:12]} · approval {approval.fingerprint[:12]}")
    )
    text = limits.cut(_fallback_text(approval, operation), limits.TEXT)
    return Rendered(text, tuple(limits.bounded(blocks)))


def revision(approval: Approval, operation: Operation) -> int:
    """A number that grows with each vote and with the end of the run."""
    return 2 * approval.revision + (1 if operation.is_over else 0)


def needs_review(approval: Approval, operation: Operation) -> bool:
    """Open although the operation is no longer waiting: it ran through break-glass."""
    return approval.state is ApprovalState.OPEN and operation.state is not State.AWAITING


def _header(approval: Approval, operation: Operation) -> tuple[str, str]:
    mark, words = REVIEW_HEADER if needs_review(approval, operation) else HEADERS[approval.state]
    kind = {ApprovalState.APPROVED: VoteKind.APPROVE, ApprovalState.REJECTED: VoteKind.REJECT}.get(approval.state)
    voters = [mention_person(vote.voter) for vote in approval.votes if vote.kind is kind]
    return mark, words + (f" by {', '.join(voters)}" if voters else "")


def _result(approval: Approval, operation: Operation) -> str:
    """How the operation is, once it may run."""
    if needs_review(approval, operation):
        return f"ran through break-glass and {format_state(operation)}"
    return format_state(operation) if approval.state is ApprovalState.APPROVED else ""


def _headline(approval: Approval, operation: Operation) -> str:
    mark, words = _header(approval, operation)
    name = name_operation(operation)
    subject = inline_code(name.subject) if name.subject else ""
    action = name.action[:1].lower() + name.action[1:]
    parts = [mark, f"*{words}:*", action, subject, "in", escape(operation.cluster), _result(approval, operation)]
    return " ".join(part for part in parts if part)


def _fallback_text(approval: Approval, operation: Operation) -> str:
    _, words = _header(approval, operation)
    result = _result(approval, operation)
    start = f"{words}: {escape(name_operation(operation).in_sentence)} in {escape(operation.cluster)}"
    if approval.state is not ApprovalState.OPEN or result:
        return f"{start} {result}".rstrip() + "."
    requester = mention_person(approval.requester)
    votes = f"{approval.approvals_given} of {counted(approval.quorum, 'approval')}"
    return f"{start}, requested by {requester}. {votes}."


def _facts(approval: Approval, operation: Operation, plan: Plan) -> tuple[tuple[str, str], ...]:
    approvers = untrusted(", ".join(approval.approvers))
    rows = [
        ("Requested by", mention_person(approval.requester)),
        ("Approvers", f"{approval.quorum} of {approvers} (rule {inline_code(approval.rule)})"),
        ("Reason", untrusted(approval.reason) or "No reason given"),
    ]
    if approval.state is ApprovalState.OPEN and operation.state is State.AWAITING:
        rows.append(("Expires", slack_date(approval.expires_at)))
    rows.append(("Affects", _affected(plan)))
    return tuple(rows)


def _affected(plan: Plan) -> str:
    names = sorted(plan.reach.writes or plan.reach.reads)
    namespaces = "all namespaces" if "*" in names else join_names(names) or "no namespaces"
    return namespaces + (" and cluster-scoped resources" if plan.reach.cluster_scoped else "")


def _step_lines(plan: Plan) -> list[str]:
    sentences = [_step_text(step, plan) for step in plan.steps]
    if len(sentences) == 1:
        return sentences
    lines = [f"{number}. {text}" for number, text in enumerate(sentences[:STEPS_SHOWN], 1)]
    rest = len(sentences) - STEPS_SHOWN
    return [*lines, f"and {counted(rest, 'more step')}"] if rest > 0 else lines


def _step_text(step: Step, plan: Plan) -> str:
    spec = step.manifest.get("spec") or {}
    backup = str(spec.get("backupName", ""))
    thing = KINDS.get(step.kind) or (step.kind.lower() if step.kind in {"Backup", "Restore", "Schedule"} else step.kind)
    if step.kind == "DeleteBackupRequest":
        return f"Delete backup {inline_code(backup or step.name)} and its data."
    if step.kind == "Backup" and plan.noun == "restore":
        thing = "safety backup"
    sentence = f"{STEP_VERBS[step.verb]} {thing} {inline_code(step.name)}"
    if step.kind == "Restore" and backup:
        sentence += f" from backup {inline_code(backup)}"
    if step.wait:
        sentence += f" and wait until it is {' or '.join(step.wait)}"
    return f"{sentence}."


def _vote_lines(approval: Approval) -> list[str]:
    marks = {VoteKind.APPROVE: "👍", VoteKind.REJECT: "👎"}
    votes = [
        f"{marks[vote.kind]} {mention_person(vote.voter)} {slack_date(vote.at)}"
        + (f": {untrusted(vote.reason)}" if vote.reason else "")
        for vote in approval.votes
    ]
    return [f"*Approvals: {approval.approvals_given} of {approval.quorum}*", *votes]


def _buttons(approval: Approval, operation: Operation, plan: Plan) -> list[limits.Block]:
    value = json.dumps({"fingerprint": approval.fingerprint})
    view = limits.button("View plan", f"details:{approval.id}", value)
    if approval.state is ApprovalState.OPEN:
        votes = [
            limits.button("Approve", f"approve:{approval.id}", value, "primary"),
            limits.button("Reject", f"reason:reject:{approval.id}", value, "danger"),
            view,
        ]
        if needs_review(approval, operation):
            return votes
        withdraw = limits.button("Withdraw request", f"withdraw:{approval.id}", value)
        return [*votes, *offered_buttons(plan.offers), withdraw]
    # Slack stores a button's value: a line that holds something like a secret is not offered again.
    if approval.state in {ApprovalState.STALE, ApprovalState.EXPIRED} and scrub(operation.line) == operation.line:
        line = json.dumps({"line": f"{operation.line} --cluster {operation.cluster}"})
        return [limits.button("Request again", f"{LINE}again", line, "primary"), view]
    return [view]
