"""The card: the one live message of an operation, drawn from what is stored, whatever happened in between."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from domain.actor import is_slack_user_id
from domain.approval import approval_id
from domain.counting import counted
from domain.event import Event
from domain.operation import Operation, State
from notifier.render import limits
from notifier.render.answers import LINE, TYPED, Rendered
from notifier.render.escape import code, escape, untrusted
from store.scrub import scrub

MARK = {
    State.PLANNED: "📝",
    State.AWAITING: "🕐",
    State.APPROVED: "👍",
    State.SUBMITTING: "📨",
    State.UNCONFIRMED: "❓",
    State.SUBMITTED: "📨",
    State.RUNNING: "⏳",
    State.SUCCEEDED: "✅",
    State.PARTIAL: "⚠️",
    State.FAILED: "❌",
    State.LOST: "❓",
    State.REFUSED: "⛔",
    State.REJECTED: "⛔",
    State.EXPIRED: "⌛",
    State.WITHDRAWN: "↩️",
    State.STALE: "🔄",
}
STATE_LABELS = {
    State.PLANNED: "planned",
    State.AWAITING: "waiting for approval",
    State.APPROVED: "approved",
    State.SUBMITTING: "submitting",
    State.UNCONFIRMED: "not confirmed by Velero yet; checking",
    State.SUBMITTED: "submitted, waiting for Velero",
    State.RUNNING: "running",
    State.SUCCEEDED: "done",
    State.PARTIAL: "partially failed",
    State.FAILED: "failed",
    State.LOST: "status unknown",
    State.REFUSED: "refused",
    State.REJECTED: "rejected",
    State.EXPIRED: "expired without approval",
    State.WITHDRAWN: "withdrawn",
    State.STALE: "outdated; not started",
}


NOTES = 40
NOTE = 450
PROGRESS_INTERVAL_S = 2.0
"""Seconds before which a pace says nothing."""


@dataclass(frozen=True, slots=True)
class History:
    """Beside the operation: how far its object is, what its end told, who asked."""

    started: Mapping[str, Any] = field(default_factory=dict)
    seen: Mapping[str, Any] = field(default_factory=dict)
    ending: Event | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    requester: str = ""


def render_card(operation: Operation, history: History, now: datetime) -> Rendered:
    """Velero's own word stands in the message itself, text and blocks."""
    word = phase_word(operation)
    title = f"{MARK[operation.state]} {operation.noun} {operation.verb} {operation.subject}: {word}"
    head = limits.section(
        f"{MARK[operation.state]} *{escape(f'{operation.noun} {operation.verb} {operation.subject}')}*: *{escape(word)}*"
    )
    blocks = [head, *limits.fields(_facts(operation, history, now))]
    if bar := progress_text(history.seen):
        blocks.append(limits.section(bar + ("" if operation.is_over else time_left(history.seen, now))))
    if text := _trouble(operation, history):
        blocks.append(limits.section(text))
    notes = [limits.cut(untrusted(str(note)), NOTE) for note in (history.started.get("notes") or [])[:NOTES]]
    blocks += [limits.context(*notes[at : at + limits.CONTEXT]) for at in range(0, len(notes), limits.CONTEXT)]
    if cli := str(history.started.get("cli", "")):
        blocks.append(limits.section(f"```{code(cli)}```"))
    blocks += limits.actions([*buttons(operation), *_undo(operation, history), *_offers(operation, history)])
    blocks.append(limits.context(f"{operation.id} · {escape(operation.cluster)} · plan {operation.fingerprint[:12]}"))
    summary = f"{title} [{operation.cluster}]" + (f" {_plain_bar(history.seen)}" if bar else "")
    return Rendered(limits.cut(escape(summary), limits.TEXT), tuple(limits.bounded(blocks)))


def phase_word(operation: Operation) -> str:
    if operation.phase and operation.state not in {State.UNCONFIRMED, State.WITHDRAWN, State.STALE}:
        return operation.phase
    return STATE_LABELS[operation.state]


def _facts(operation: Operation, history: History, now: datetime) -> tuple[tuple[str, str], ...]:
    rows = [
        ("Requested by", _who(history)),
        ("Cluster", escape(operation.cluster)),
        ("Duration", _time(operation, history, now)),
    ]
    if operation.reason:
        rows.append(("Reason", untrusted(operation.reason)))
    namespaces = history.seen.get("namespaces") or []
    if namespaces:
        rows.append(("Namespaces", untrusted(", ".join(map(str, namespaces[:8])))))
    return tuple(rows)


def _who(history: History) -> str:
    """A pipeline links to the page of its run."""
    if is_slack_user_id(history.requester):
        return f"<@{history.requester}>"
    name = escape(history.requester or "-")
    link = escape(str(history.started.get("link", ""))).replace("|", "%7C")
    return f"<{link}|{name}>" if link.startswith(("https://", "http://")) else name


def _time(operation: Operation, history: History, now: datetime) -> str:
    begun = operation.created_at
    ended = operation.changed_at if operation.is_over else now
    spent = format_span((ended - begun).total_seconds())
    usual = float((history.ending.facts if history.ending else {}).get("usual", 0) or history.seen.get("usual", 0) or 0)
    return f"{spent}" + (f" (usually {format_span(usual)})" if usual else "")


def format_span(seconds: float) -> str:
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes}m" if hours else f"{minutes}m {rest}s" if minutes else f"{rest}s"


def progress_text(seen: Mapping[str, Any]) -> str:
    done, total = int(seen.get("done", 0) or 0), int(seen.get("total", 0) or 0)
    if not total:
        return ""
    filled = min(10, done * 10 // total)
    return f"{'▰' * filled}{'▱' * (10 - filled)} {min(100, done * 100 // total)}% · {done} of {counted(total, 'item')}"


def time_left(seen: Mapping[str, Any], now: datetime) -> str:
    """By the pace so far; the total is Velero's estimate and may sink or grow, so this may too."""
    done, total = int(seen.get("done", 0) or 0), int(seen.get("total", 0) or 0)
    try:
        spent = (now - datetime.fromisoformat(str(seen.get("started", "")))).total_seconds()
    except ValueError:
        return ""
    if not 0 < done < total or spent < PROGRESS_INTERVAL_S:
        return ""
    return f" · about {format_span(spent * (total - done) / done)} left"


def _plain_bar(seen: Mapping[str, Any]) -> str:
    done, total = int(seen.get("done", 0) or 0), int(seen.get("total", 0) or 0)
    return f"{done} of {counted(total, 'item')}" if total else ""


def _trouble(operation: Operation, history: History) -> str:
    lines: list[str] = []
    ending = history.ending.facts if history.ending else {}
    lines += [
        untrusted(str(each))
        for each in [ending.get("failure_reason"), *(ending.get("validation_errors") or [])]
        if each
    ]
    lines += [untrusted(str(each)) for each in (history.extra.get("errors") or [])[:5]]
    if history.extra.get("hint"):
        lines.append(f"_{escape(str(history.extra['hint']))}_")
    if operation.state is State.FAILED and operation.reason and not lines:
        lines.append(untrusted(operation.reason))
    lines += restore_remarks(history.extra)
    lines += [f"⚠️ {untrusted(str(each))}" for each in (history.extra.get("unprotected") or [])[:8]]
    return "\n".join(lines)


def restore_remarks(extra: Mapping[str, Any]) -> list[str]:
    """Of a restore: warnings that are news, the routine ones in a line, and what to look at now."""
    lines = [f"⚠️ {untrusted(limits.cut(str(each), 500))}" for each in (extra.get("warnings") or [])[:5]]
    if extra.get("routine"):
        lines.append(f"Expected warnings: {untrusted(str(extra['routine']))}.")
    if extra.get("check"):
        lines.append(f"Next: check that pods are Ready and PVCs are Bound: `{code(str(extra['check']))}`")
    return lines


def buttons(operation: Operation) -> list[limits.Block]:
    """Each stands for a command line, decided at the click. Of what never came to be there is nothing to look at."""
    where = f" --cluster {operation.cluster}"
    name = operation.object_name or operation.subject
    made: list[limits.Block] = []
    if operation.state is State.AWAITING:  # who asked need not be in the approvers' channel
        made.append(limits.button("Withdraw request", f"withdraw:{approval_id(operation.id)}", "{}"))
    if operation.noun in {"backup", "restore"} and operation.verb == "create" and name:
        there = bool(operation.object_uid) and operation.state is not State.WITHDRAWN
        if there:
            made.append(_line("View details", f"{operation.noun} describe {name}{where}", 0))
        if there and operation.is_over:
            made.append(_line("View logs", f"{operation.noun} logs {name}{where}", 1))
        # Slack keeps a button's value: a line with something like a secret in it is not offered again.
        failed = operation.state in {State.FAILED, State.PARTIAL}
        if failed and operation.noun == "backup" and operation.line and scrub(operation.line) == operation.line:
            made.append(_line("Retry backup", _again(operation) + where, 2, "primary"))
        if there and operation.is_over and operation.noun == "backup":
            made.append(_typed("Delete backup…", f"backup delete {name}{where}", name))
    return made


def _undo(operation: Operation, history: History) -> list[limits.Block]:
    """Where a safety backup was made before: the way back, through plan and approval of its own."""
    line = str(history.started.get("undo") or "")
    ended = operation.state in {State.SUCCEEDED, State.PARTIAL, State.FAILED} and operation.object_uid
    return [_line("Undo restore", f"{line} --cluster {operation.cluster}", 3)] if line and ended else []


def _offers(operation: Operation, history: History) -> list[limits.Block]:
    """While it runs: what goes well with it."""
    return [] if operation.is_over else offered_buttons(history.started.get("offers") or {})


def offered_buttons(offers: Mapping[str, str]) -> list[limits.Block]:
    return [_line(word, line, 4 + index) for index, (word, line) in enumerate(offers.items())]


def _again(operation: Operation) -> str:
    """The same asking under a free name: Velero never takes a name twice."""
    words = operation.line.split(" ")
    if len(words) > 2 and words[2] == operation.subject:
        words[2] = f"{operation.subject[:200]}-r{operation.id[-4:]}"
    return " ".join(words)


def _line(text: str, line: str, index: int, style: str = "") -> limits.Block:
    return limits.button(text, f"{LINE}{index}", json.dumps({"line": line}), style)


def _typed(text: str, line: str, word: str) -> limits.Block:
    return limits.button(text, f"{TYPED}9", json.dumps({"line": line, "word": word}), "danger")


def slack_date(at: datetime) -> str:
    """In each reader's own zone."""
    whole = int(at.timestamp())
    return f"<!date^{whole}^{{date_short_pretty}} {{time}}|{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC>"


def join_names(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
