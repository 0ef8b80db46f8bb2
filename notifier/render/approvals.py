"""The asking for approval: what would run, what it changes, who asked and why, and the votes so far."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from domain.actor import is_slack_user_id
from domain.approval import Approval, ApprovalState, VoteKind
from domain.counting import plural_of
from domain.operation import Operation, State
from domain.plan import Level, Plan, Step
from notifier.render import limits
from notifier.render.answers import LINE, Rendered
from notifier.render.cards import offered_buttons, phase_word, slack_date
from notifier.render.escape import code, escape, untrusted
from store.scrub import scrub

WORDS = {
    ApprovalState.OPEN: ("🕐", "waiting for approval"),
    ApprovalState.DECIDING: ("🔎", "approved; running the final check"),
    ApprovalState.APPROVED: ("✅", "approved"),
    ApprovalState.REJECTED: ("⛔", "rejected"),
    ApprovalState.EXPIRED: ("⌛", "expired without approval"),
    ApprovalState.WITHDRAWN: ("↩️", "withdrawn"),
    ApprovalState.STALE: ("🔄", "outdated; not started"),
}
NOTES = 40
"""What a restore says of itself, every class of its preview, volumes, hooks: whoever votes sees all of it."""
NOTE = 450


def render_request(
    approval: Approval, operation: Operation, plan: Plan, said: Mapping[str, Any] | None = None
) -> Rendered:
    """`said`: what the event of its end told (`message`: the difference, or why not)."""
    mark, word = WORDS[approval.state]
    title = f"{operation.noun} {operation.verb} {operation.subject}"
    state = _state(approval, operation, word)
    blocks = [
        limits.section(f"{mark} *{escape(title)}* in *{escape(operation.cluster)}*: {escape(state)}"),
        *limits.fields(_facts(approval, operation, plan)),
        limits.section("\n".join(_would(plan))),
    ]
    blocks += limits.bullets([untrusted(scrub(note)) for note in plan.notes], NOTES, NOTE)
    if warnings := [f"⚠️ {untrusted(guard.text)}" for guard in plan.guards if guard.level is not Level.REFUSE]:
        blocks.append(limits.section("\n".join(warnings)))
    if plan.cli:
        blocks.append(limits.section(f"```{code(scrub(plan.cli))}```"))
    blocks.append(limits.section(_votes(approval)))
    if message := str((said or {}).get("message") or ""):
        blocks.append(limits.section(untrusted(message)))
    blocks += limits.actions(_buttons(approval, operation, plan))
    blocks.append(
        limits.context(f"{operation.id} · plan {plan.fingerprint[:12]} · approval {approval.fingerprint[:12]}")
    )
    return Rendered(
        limits.cut(_text(approval, operation, plan, f"{mark} {title}", state), limits.TEXT),
        tuple(limits.bounded(blocks)),
    )


def revision(approval: Approval, operation: Operation) -> int:
    """What an edit of the message has to be newer than: votes, and the end of the run."""
    return 2 * approval.revision + (1 if operation.is_over else 0)


def _state(approval: Approval, operation: Operation, word: str) -> str:
    if approval.state is ApprovalState.APPROVED and operation.is_over:
        return f"{word}, {phase_word(operation)}"
    if approval.state is ApprovalState.OPEN and operation.state is not State.AWAITING:
        return "running through break-glass; needs a review"
    return word


def _text(approval: Approval, operation: Operation, plan: Plan, title: str, state: str) -> str:
    lines = [
        f"{escape(title)} [{escape(operation.cluster)}]: {escape(state)}",
        *_would(plan),
        f"Requested by {_who(approval.requester)}" + (f": {untrusted(approval.reason)}" if approval.reason else ""),
        _votes(approval),
        f"Plan {approval.fingerprint[:12]}",
        *(limits.cut(untrusted(scrub(note)), NOTE) for note in plan.notes[:NOTES]),
    ]
    return "\n".join(lines)


def _facts(approval: Approval, operation: Operation, plan: Plan) -> tuple[tuple[str, str], ...]:
    rows = [("Requested by", _who(approval.requester)), ("Reason", untrusted(approval.reason) or "No reason given")]
    backup = (plan.evidence.get("backup") or {}).get("name")
    if backup:
        rows.append(("Backup", untrusted(str(backup))))
    rows.append(
        ("Approvers", f"{approval.quorum} of {untrusted(', '.join(approval.approvers))} (rule {escape(approval.rule)})")
    )
    if approval.state is ApprovalState.OPEN and operation.state is State.AWAITING:
        rows.append(("Expires", slack_date(approval.expires_at)))
    rows.append(("Affects", untrusted(_reach(plan))))
    return tuple(rows)


def _reach(plan: Plan) -> str:
    names = sorted(plan.reach.writes or plan.reach.reads)
    where = "all namespaces" if "*" in names else ", ".join(names[:8]) or "no namespaces"
    return where + (" and cluster-scoped objects" if plan.reach.cluster_scoped else "")


def _would(plan: Plan) -> list[str]:
    shown = [_step(step) for step in plan.steps[:6]]
    more = [f"and {len(plan.steps) - 6} more {plural_of(len(plan.steps) - 6, 'step')}"] if len(plan.steps) > 6 else []
    return [*shown, *more]


def _step(step: Step) -> str:
    spec = step.manifest.get("spec") or {}
    name = step.name or str(spec.get("backupName", ""))
    source = (
        f" from backup {untrusted(str(spec['backupName']))}"
        if step.kind == "Restore" and spec.get("backupName")
        else ""
    )
    wait = f", then wait until it is {' or '.join(step.wait)}" if step.wait else ""
    return f"{step.verb.value} {escape(step.kind)} {untrusted(name)}{source}{wait}"


def _votes(approval: Approval) -> str:
    marks = {VoteKind.APPROVE: "👍", VoteKind.REJECT: "👎"}
    lines = [
        f"{marks[vote.kind]} {_who(vote.voter)} {slack_date(vote.at)}"
        + (f": {untrusted(vote.reason)}" if vote.reason else "")
        for vote in approval.votes
    ]
    given = sum(vote.kind is VoteKind.APPROVE for vote in approval.votes)
    return "\n".join([f"*Approvals: {given} of {approval.quorum}*", *lines])


def _who(ident: str) -> str:
    return f"<@{ident}>" if is_slack_user_id(ident) else untrusted(ident)


def _buttons(approval: Approval, operation: Operation, plan: Plan) -> list[limits.Block]:
    value = json.dumps({"fingerprint": approval.fingerprint})
    details = limits.button("View plan", f"details:{approval.id}", value)
    if approval.state is ApprovalState.OPEN:
        votes = [
            limits.button("Approve", f"approve:{approval.id}", value, "primary"),
            limits.button("Reject", f"reason:reject:{approval.id}", value, "danger"),
            details,
        ]
        if operation.state is not State.AWAITING:
            return votes
        return [
            *votes,
            limits.button("Withdraw request", f"withdraw:{approval.id}", value),
            *offered_buttons(plan.offers),
        ]
    if approval.state in {ApprovalState.STALE, ApprovalState.EXPIRED}:
        if scrub(operation.line) != operation.line:  # a button's value is kept by Slack
            return [details]
        line = json.dumps({"line": f"{operation.line} --cluster {operation.cluster}"})
        return [limits.button("Request again", f"{LINE}again", line, "primary"), details]
    return [details]
