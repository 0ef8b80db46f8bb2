"""The status message of an operation: one message that is edited while the operation runs.

It is rendered from the stored operation, what tracking knows of its object and how it ended, so an edit that was
lost is repaired by the next one. Velero's phase is in the first line of the blocks and in the fallback text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.actor import is_slack_user_id
from domain.approval import approval_id
from domain.counting import counted
from domain.event import Event
from domain.operation import Operation, State
from domain.operation_name import name_operation
from notifier.render import limits
from notifier.render.answers import LINE, TYPED, Rendered
from notifier.render.escape import code, escape, sentence, untrusted
from notifier.render.values import (
    format_age,
    format_span,
    join_names,
    mention_person,
    parse_moment,
    slack_date,
)
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
PREDICATES = {
    State.PLANNED: ("is", "planned"),
    State.AWAITING: ("is", "waiting for approval"),
    State.APPROVED: ("is", "approved"),
    State.SUBMITTING: ("is", "being submitted"),
    State.UNCONFIRMED: ("is", "not confirmed by Velero yet"),
    State.SUBMITTED: ("is", "submitted"),
    State.RUNNING: ("is", "running"),
    State.SUCCEEDED: ("is", "done"),
    State.PARTIAL: ("", "partially failed"),
    State.FAILED: ("", "failed"),
    State.LOST: ("has an", "unknown status"),
    State.REFUSED: ("was", "refused"),
    State.REJECTED: ("was", "rejected"),
    State.EXPIRED: ("", "expired without approval"),
    State.WITHDRAWN: ("was", "withdrawn"),
    State.STALE: ("is", "outdated and wasn't started"),
}
"""Verb and state, as they follow the name of the operation."""

NOTES_SHOWN = 40
NOTE_LENGTH = 450
ERRORS_SHOWN = 5
REMARKS_SHOWN = 8
REMARK_LENGTH = 500
PROGRESS_INTERVAL_S = 2.0
"""A pace measured over less than this says nothing."""


@dataclass(frozen=True, slots=True)
class History:
    """Details of an operation: its first event, its object now, its last event and what was read for that event."""

    started: Mapping[str, Any] = field(default_factory=dict)
    seen: Mapping[str, Any] = field(default_factory=dict)
    ending: Event | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    requester: str = ""

    @property
    def end_facts(self) -> Mapping[str, Any]:
        return self.ending.facts if self.ending else {}


def render_card(operation: Operation, history: History, now: datetime) -> Rendered:
    blocks = [limits.section("\n".join([_headline(operation), *_progress_lines(operation, history, now)]))]
    if lines := _explanation(operation, history):
        blocks.append(limits.section("\n".join(lines)))
    blocks += limits.fields(_facts(operation, history, now))
    notes = history.started.get("notes") or []
    notes = [sentence(limits.cut(str(note), NOTE_LENGTH)) for note in notes[:NOTES_SHOWN]]
    blocks += [limits.context(*notes[at : at + limits.CONTEXT]) for at in range(0, len(notes), limits.CONTEXT)]
    if cli := str(history.started.get("cli", "")):
        blocks.append(limits.section(f"```{code(cli)}```"))
    blocks += limits.actions([*buttons(operation), *_undo(operation, history), *_offers(operation, history)])
    blocks.append(limits.context(f"{operation.id} · plan {operation.fingerprint[:12]}"))
    text = escape(_fallback_text(operation, history))
    return Rendered(limits.cut(text, limits.TEXT), tuple(limits.bounded(blocks)))


def shows_phase(operation: Operation) -> bool:
    """Velero's phase says more than the bot's state, except where the state is about something else than the run."""
    return bool(operation.phase) and operation.state not in {State.UNCONFIRMED, State.WITHDRAWN, State.STALE}


def format_state(operation: Operation) -> str:
    """`is Completed`, `failed`."""
    return " ".join(part for part in _predicate(operation) if part)


def _predicate(operation: Operation) -> tuple[str, str]:
    return ("is", operation.phase) if shows_phase(operation) else PREDICATES[operation.state]


def _headline(operation: Operation) -> str:
    name = name_operation(operation)
    verb, state = _predicate(operation)
    subject = f"*{escape(name.subject)}*" if name.subject else ""
    parts = [MARK[operation.state], name.action, subject, verb, f"*{escape(state)}*", "in", escape(operation.cluster)]
    return " ".join(part for part in parts if part)


def _fallback_text(operation: Operation, history: History) -> str:
    """One sentence for a phone's notification: what, where, how it is."""
    start = f"{name_operation(operation)} in {operation.cluster}"
    counts = _item_counts(history)
    if not operation.is_over or not shows_phase(operation):
        progress = f": {counts[0]} of {counted(counts[1], 'item')}" if counts[1] and not operation.is_over else ""
        return f"{start} {format_state(operation)}{progress}."
    items = f" ({counted(counts[0] or counts[1], 'item')})" if any(counts) else ""
    if operation.state is State.SUCCEEDED:
        return f"{start}: {operation.phase} in {format_span(_run_seconds(operation, history))}{items}."
    return f"{start}: {operation.phase}{_damage(history)}."


def _damage(history: History) -> str:
    errors = history.end_facts.get("errors")
    if isinstance(errors, int) and errors:
        return f", {counted(errors, 'error')}"
    bare = len(history.extra.get("unprotected") or [])
    return f", {counted(bare, 'volume')} without data" if bare else ""


def _item_counts(history: History) -> tuple[int, int]:
    found = {**history.seen, **{key: value for key, value in history.end_facts.items() if key in {"done", "total"}}}
    return int(found.get("done", 0) or 0), int(found.get("total", 0) or 0)


def _progress_lines(operation: Operation, history: History, now: datetime) -> list[str]:
    if operation.is_over:
        return [line] if (line := _result_line(operation, history)) else []
    bar = progress_text(history.seen)
    return [bar + time_left(history.seen, now)] if bar else []


def _result_line(operation: Operation, history: History) -> str:
    """`120 items in 2 min 31 s (usually 2 min), 3 errors`."""
    if not shows_phase(operation):
        return ""
    done, total = _item_counts(history)
    items = f"{done} of {counted(total, 'item')}" if done < total else counted(done, "item") if done else ""
    lasted = format_span(_run_seconds(operation, history))
    usual = float(history.end_facts.get("usual", 0) or history.seen.get("usual", 0) or 0)
    line = f"{items} in {lasted}" if items else f"Took {lasted}"
    line += f" (usually {format_span(usual)})" if usual else ""
    errors = history.end_facts.get("errors")
    return line + (f", {counted(errors, 'error')}" if isinstance(errors, int) and errors else "")


def _run_seconds(operation: Operation, history: History) -> float:
    """By Velero's own times where they are known."""
    started = parse_moment(history.end_facts.get("started")) or operation.created_at
    ended = parse_moment(history.end_facts.get("completed")) or operation.changed_at
    return (ended - started).total_seconds()


def progress_text(seen: Mapping[str, Any]) -> str:
    done, total = int(seen.get("done", 0) or 0), int(seen.get("total", 0) or 0)
    if not total:
        return ""
    filled = min(10, done * 10 // total)
    return f"{'▰' * filled}{'▱' * (10 - filled)} {min(100, done * 100 // total)}% · {done} of {counted(total, 'item')}"


def time_left(seen: Mapping[str, Any], now: datetime) -> str:
    """By the pace so far. Velero's total is an estimate that may grow or shrink, so this may too."""
    done, total = int(seen.get("done", 0) or 0), int(seen.get("total", 0) or 0)
    started = parse_moment(seen.get("started"))
    if started is None:
        return ""
    spent = (now - started).total_seconds()
    if not 0 < done < total or spent < PROGRESS_INTERVAL_S:
        return ""
    return f" · about {format_span(spent * (total - done) / done)} left"


def _facts(operation: Operation, history: History, now: datetime) -> tuple[tuple[str, str], ...]:
    rows: list[tuple[str, str]] = []
    if namespaces := history.seen.get("namespaces"):
        rows.append(("Namespaces", join_names(list(namespaces))))
    rows.append(("Requested by", _requester(history)))
    if operation.state is State.AWAITING:
        rows.append(("Waiting for", format_span((now - operation.created_at).total_seconds())))
    elif operation.state is State.RUNNING:
        started = parse_moment(history.seen.get("started")) or operation.created_at
        rows.append(("Running for", format_span((now - started).total_seconds())))
    if volumes := int(history.extra.get("volumes", 0) or 0):
        saved = volumes - len(history.extra.get("unprotected") or [])
        rows.append(("Volume data", f"{saved} of {counted(volumes, 'volume')}"))
    if expires := parse_moment(history.end_facts.get("expires") or history.seen.get("expires")):
        rows.append(("Expires", slack_date(expires)))
    if operation.reason and not _reason_is_failure(operation, history):
        rows.append(("Reason", untrusted(operation.reason)))
    if operation.state in {State.FAILED, State.PARTIAL} and (good := _last_good(history, now)):
        rows.append(("Last Completed backup", good))
    return tuple(rows)


def _last_good(history: History, now: datetime) -> str:
    good = history.end_facts.get("last_good")
    if not isinstance(good, Mapping) or not good.get("name"):
        return ""
    at = parse_moment(good.get("at"))
    return untrusted(str(good["name"])) + (f", {format_age(at, now)}" if at else "")


def _requester(history: History) -> str:
    """A pipeline links to the page of its run."""
    if is_slack_user_id(history.requester):
        return mention_person(history.requester)
    name = escape(history.requester or "-")
    link = escape(str(history.started.get("link", ""))).replace("|", "%7C")
    return f"<{link}|{name}>" if link.startswith(("https://", "http://")) else name


def _reason_is_failure(operation: Operation, history: History) -> bool:
    """A write that fails replaces the requester's reason by the failure; a run that fails keeps it."""
    if operation.state is State.LOST:
        return not operation.object_uid
    return operation.state is State.REFUSED or (operation.state is State.FAILED and history.ending is None)


def _explanation(operation: Operation, history: History) -> list[str]:
    """Velero's reasons as bullets, then the bot's own sentences."""
    reasons = [history.end_facts.get("failure_reason"), *(history.end_facts.get("validation_errors") or [])]
    lines = bullets(each for each in reasons if each)
    if not lines and operation.reason and _reason_is_failure(operation, history):
        lines = bullets([operation.reason], sentence)
    lines += error_lines(history.extra)
    if operation.state is State.UNCONFIRMED:
        lines.append("Velero's answer was lost. The bot is checking the cluster.")
    if operation.state is State.LOST and operation.object_uid:
        thing = escape(str(name_operation(operation)))
        lines.append(f"{thing} doesn't exist in {escape(operation.cluster)} any more, so its result isn't known.")
    return lines


def bullets(texts: Iterable[object], quote: Callable[[str], str] = untrusted) -> list[str]:
    """Reasons and details, as Velero or a cluster says them; `quote` is `sentence` where the bot says them."""
    return [f"• {quote(limits.cut(str(each), REMARK_LENGTH))}" for each in texts]


def error_lines(extra: Mapping[str, Any]) -> list[str]:
    """Errors, next step, warnings and volumes without data, as they were read from the object store."""
    lines = bullets((extra.get("errors") or [])[:ERRORS_SHOWN])
    if more := int(extra.get("more_errors") or 0):
        lines.append(f"• and {counted(more, 'more error')}")
    if extra.get("hint"):
        lines.append(sentence(str(extra["hint"])))
    warnings, unprotected = (
        (extra.get("warnings") or [])[:ERRORS_SHOWN],
        (extra.get("unprotected") or [])[:REMARKS_SHOWN],
    )
    lines += [f"⚠️ {untrusted(limits.cut(str(each), REMARK_LENGTH))}" for each in warnings]
    lines += [f"⚠️ {sentence(limits.cut(str(each), REMARK_LENGTH))}" for each in unprotected]
    if extra.get("routine"):
        lines.append(sentence(str(extra["routine"])))
    if extra.get("check"):
        lines.append(f"Next: check that pods are Ready and PVCs are Bound: `{code(str(extra['check']))}`")
    return lines


def buttons(operation: Operation) -> list[limits.Block]:
    """Each stands for a command line, decided at the click. An object that was never created has nothing to view."""
    cluster = f" --cluster {operation.cluster}"
    name = operation.object_name or operation.subject
    found: list[limits.Block] = []
    if operation.state is State.AWAITING:  # the requester may not be in the approvers' channel
        found.append(limits.button("Withdraw request", f"withdraw:{approval_id(operation.id)}", "{}"))
    if operation.noun not in {"backup", "restore"} or operation.verb != "create" or not name:
        return found
    exists = bool(operation.object_uid) and operation.state not in {State.WITHDRAWN, State.LOST}
    # Slack stores a button's value: a line that holds something like a secret is not offered again.
    is_clean = bool(operation.line) and scrub(operation.line) == operation.line
    if operation.state in {State.FAILED, State.PARTIAL} and operation.noun == "backup" and is_clean:
        found.append(line_button("Retry backup", _retry_line(operation) + cluster, 2, "primary"))
    if exists:
        found.append(line_button("View details", f"{operation.noun} describe {name}{cluster}", 0))
    if exists and operation.is_over:
        found.append(line_button("View logs", f"{operation.noun} logs {name}{cluster}", 1))
        if operation.noun == "backup":
            value = json.dumps({"line": f"backup delete {name}{cluster}", "word": name})
            found.append(limits.button("Delete backup…", f"{TYPED}9", value, "danger"))
    return found


def _undo(operation: Operation, history: History) -> list[limits.Block]:
    """Where a safety backup was created first: a restore from it, with a plan and an approval of its own."""
    line = str(history.started.get("undo") or "")
    ended = operation.state in {State.SUCCEEDED, State.PARTIAL, State.FAILED} and operation.object_uid
    return [line_button("Undo restore", f"{line} --cluster {operation.cluster}", 3)] if line and ended else []


def _offers(operation: Operation, history: History) -> list[limits.Block]:
    return [] if operation.is_over else offered_buttons(history.started.get("offers") or {})


def offered_buttons(offers: Mapping[str, str]) -> list[limits.Block]:
    return [line_button(text, line, 4 + index) for index, (text, line) in enumerate(offers.items())]


def _retry_line(operation: Operation) -> str:
    """The same command under a free name: Velero accepts a name only once."""
    words = operation.line.split(" ")
    if len(words) > 2 and words[2] == operation.subject:
        words[2] = f"{operation.subject[:200]}-r{operation.id[-4:]}"
    return " ".join(words)


def line_button(text: str, line: str, index: int, style: str = "") -> limits.Block:
    return limits.button(text, f"{LINE}{index}", json.dumps({"line": line}), style)
