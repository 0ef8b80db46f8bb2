"""Notifications: what happened, why, since when and what to do next, complete without a click.

Bullets are what Velero or a cluster said; a person's reason is labeled with who gave it; the other lines are the bot's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.actor import is_slack_user_id
from domain.counting import counted
from domain.event import Event, Severity
from notifier.render import limits
from notifier.render.answers import Rendered
from notifier.render.cards import bullets, error_lines, line_button
from notifier.render.escape import escape, inline_code, sentence, untrusted
from notifier.render.headlines import ADVICE, headline
from notifier.render.values import format_age, format_span, join_names, parse_moment, slack_date
from notifier.route import Destination, Role

MARK = {
    Severity.INFO: "ℹ️",
    Severity.WARNING: "⚠️",
    Severity.FAILURE: "❌",
    Severity.SECURITY: "🛡️",
    Severity.RECOVERY: "✅",
}
PERSONAL_REASON_KINDS = frozenset({"schedule.skipped-as-asked", "glass.broken"})
"""Their message is the reason that a person typed."""
VELERO_MESSAGE_KINDS = frozenset(
    {"location.unavailable", "velero.silent", "cluster.unreachable", "cluster.access-lost"}
)
"""Their message is what Velero or the cluster said."""
GONE_ENDINGS = (".deleted", ".gone", ".data-gone", ".removed", ".deleted-outside")
RUN_NOW_KINDS = frozenset({"schedule.missed", "schedule.no-good-backup", "schedule.recovered"})
RUN_END_KINDS = frozenset(
    f"{noun}.{end}"
    for noun in ("backup", "restore")
    for end in ("completed", "partially-failed", "failed", "failed-validation")
)
ITEM_DROP = 0.8
"""A backup with fewer items than this share of the one before it is marked."""


def render_notice(event: Event, to: Destination, extra: Mapping[str, Any], link: str, now: datetime) -> Rendered:
    """`extra` was read for the event: first errors, next step, volumes without data, the next run."""
    title = headline(event, quote=sentence, time=slack_date)
    where = f"in {escape(event.cluster)}" if event.cluster and event.object_kind != "Cluster" else ""
    first = " ".join(each for each in (MARK[event.severity], f"*{title}*", where, _mentions(to, event)) if each)
    blocks = [limits.section("\n".join([first, *_lines(event, extra, now)]))]
    blocks += limits.fields(_facts(event))
    blocks += limits.actions(_buttons(event))
    if link:
        blocks.append(limits.context(f"<{link}|View thread>"))
    return Rendered(limits.cut(escape(fallback_text(event)), limits.TEXT), tuple(limits.bounded(blocks)))


def fallback_text(event: Event) -> str:
    """One sentence: outcome, object, cluster."""
    errors = event.facts.get("errors")
    damage = f", {counted(errors, 'error')}" if isinstance(errors, int) and errors else ""
    phase = str(event.facts.get("phase") or "")
    if event.kind in RUN_END_KINDS and phase and event.cluster and not event.facts.get("headline"):
        recovered = ", after earlier failures" if event.severity is Severity.RECOVERY else ""
        return f"{event.object_kind} {event.object_name} in {event.cluster}: {phase}{damage}{recovered}."
    text = headline(event, in_cluster=True)
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _mentions(to: Destination, event: Event) -> str:
    if to.role is Role.REPLY:
        user = str(event.facts.get("user") or "")
        return f"<@{user}>" if is_slack_user_id(user) else ""
    return " ".join(_mention(each) for each in to.mention)


def _mention(who: str) -> str:
    if who in {"here", "channel", "everyone"}:
        return f"<!{who}>"
    return f"<!subteam^{who}>" if who.startswith("S") else f"<@{who}>"


def _lines(event: Event, extra: Mapping[str, Any], now: datetime) -> list[str]:
    return [
        *([line] if (line := _summary(event)) else []),
        *_reasons(event),
        *error_lines(extra),
        *_measured(event, now),
        *_next(event, now),
    ]


def _summary(event: Event) -> str:
    """`Schedule nightly · namespace shop · 3 errors · 118 of 120 items`."""
    facts = event.facts
    parts: list[str] = []
    if facts.get("schedule") and event.object_kind != "Schedule":
        parts.append(f"Schedule {inline_code(str(facts['schedule']))}")
    if event.object_kind == "Restore" and facts.get("backup"):
        parts.append(f"Backup {inline_code(str(facts['backup']))}")
    if namespaces := list(facts.get("namespaces") or []):
        parts.append(f"{'namespace' if len(namespaces) == 1 else 'namespaces'} {join_names(namespaces)}")
    for word in ("error", "warning"):
        number = facts.get(f"{word}s")
        if isinstance(number, int) and number:
            parts.append(counted(number, word))
    if items := _items(facts):
        parts.append(items)
    text = " · ".join(parts)
    return text[:1].upper() + text[1:]


def _items(facts: Mapping[str, Any]) -> str:
    done, total = int(facts.get("done", 0) or 0), int(facts.get("total", 0) or 0)
    if not (done or total):
        return ""
    text = f"{done} of {counted(total, 'item')}" if done < total else counted(done, "item")
    started, ended = parse_moment(facts.get("started")), parse_moment(facts.get("completed"))
    if started and ended:
        usual = float(facts.get("usual", 0) or 0)
        text += f" in {format_span((ended - started).total_seconds())}"
        text += f" (usually {format_span(usual)})" if usual else ""
    before = int(facts.get("last_items", 0) or 0)
    return text + (f" (⚠️ {before} in the previous backup)" if before and done < before * ITEM_DROP else "")


def _reasons(event: Event) -> list[str]:
    facts = event.facts
    message = str(facts.get("message") or "")
    said = [facts.get("failure_reason"), *(facts.get("validation_errors") or [])]
    if event.kind in VELERO_MESSAGE_KINDS:
        said.append(message)
    errors, changes = facts.get("errors"), facts.get("changes")
    said += errors if isinstance(errors, list) else []
    lines = bullets(each for each in said if each)
    lines += bullets(changes, sentence) if isinstance(changes, list) and not message else []
    if message and event.kind in PERSONAL_REASON_KINDS:
        by = str(facts.get("by") or "")
        lines.append(f"{f'Reason given by {untrusted(by)}' if by else 'Reason'}: {untrusted(limits.cut(message, 500))}")
    elif message and event.kind not in VELERO_MESSAGE_KINDS:
        lines.append(sentence(limits.cut(message, limits.FIELD)))
    if event.kind in ADVICE and (not message or event.kind in VELERO_MESSAGE_KINDS):
        lines.append(ADVICE[event.kind])
    return lines


def _measured(event: Event, now: datetime) -> list[str]:
    """Since when, and how long: the numbers behind what the first line says."""
    facts, kind = event.facts, event.kind.partition(".")[2]
    since = parse_moment(facts.get("since"))
    started = parse_moment(facts.get("started"))
    usual = float(facts.get("usual", 0) or 0)
    if kind == "slow" and started:
        running = f"Running for {format_span((now - started).total_seconds())}"
        return [running + (f"; usually {format_span(usual)}." if usual else ".")]
    if kind.startswith("stuck-in") and since:
        return [f"Waiting for {format_span((now - since).total_seconds())}."]
    if kind in {"clock-skew", "clock-right"}:
        return [f"Seen in schedule {inline_code(event.object_name)}."]
    if was_since := parse_moment(facts.get("was_since")):
        return [f"It was Unavailable since {slack_date(was_since)}."] if event.kind == "location.available" else []
    if event.kind.partition(".")[0] in {"velero", "cluster"} and since:
        began = "The outage began" if event.severity is Severity.RECOVERY else "Since"
        return [f"{began} {slack_date(since)}."]
    return []


def _next(event: Event, now: datetime) -> list[str]:
    parts: list[str] = []
    good = event.facts.get("last_good")
    if event.severity in {Severity.FAILURE, Severity.WARNING}:
        if isinstance(good, Mapping) and good.get("name"):
            at = parse_moment(good.get("at"))
            age = f", {format_age(at, now)}" if at else ""
            parts.append(f"Last Completed backup: {untrusted(str(good['name']))}{age}")
        elif event.facts.get("none_good"):
            parts.append("No earlier Completed backup exists")
    if next_run := parse_moment(event.facts.get("next_run")):
        parts.append(f"Next run: {slack_date(next_run)}")
    lines = [" · ".join(parts)] if parts else []
    if schedules := list(event.facts.get("schedules") or []):
        lines.append(f"Schedules that use it: {join_names(schedules)}")
    return lines


def _facts(event: Event) -> tuple[tuple[str, str], ...]:
    facts = event.facts
    rows: list[tuple[str, str]] = []
    if isinstance(mapping := facts.get("mapping"), Mapping) and mapping:
        pairs = [f"{source} → {target}" for source, target in mapping.items()]
        rows.append(("Namespace mapping", join_names(pairs)))
    if event.kind == "backup.completed" and (expires := parse_moment(facts.get("expires"))):
        rows.append(("Expires", slack_date(expires)))
    if facts.get("by") and event.kind not in PERSONAL_REASON_KINDS:
        rows.append(("Requested by", untrusted(str(facts["by"]))))
    return tuple(rows)


def _buttons(event: Event) -> list[limits.Block]:
    """Each stands for a command line, decided at the click."""
    kind = event.object_kind.lower()
    if event.kind.endswith(GONE_ENDINGS):
        return []
    lines: list[tuple[str, str]] = []
    if event.kind in RUN_NOW_KINDS and event.severity is not Severity.RECOVERY:
        lines.append(("Run now", f"schedule run {event.object_name}"))
    if kind in {"backup", "restore", "schedule"}:
        lines.append(("View details", f"{kind} describe {event.object_name}"))
    if kind in {"backup", "restore"}:
        lines.append(("View logs", f"{kind} logs {event.object_name}"))
    schedule = str(event.facts.get("schedule") or "")
    if kind == "backup" and event.severity is Severity.FAILURE and event.kind in RUN_END_KINDS and schedule:
        lines.append(("Back up now", f"schedule run {schedule}"))
    if event.kind == "location.unavailable":
        lines.append(("View storage location", f"backup-location get {event.object_name}"))
    return [line_button(text, f"{line} --cluster {event.cluster}", index) for index, (text, line) in enumerate(lines)]
