"""Notices: what happened, why, since when, what next; complete without a click, and complete as plain text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.actor import is_slack_user_id
from domain.counting import plural_of
from domain.event import Event, Severity
from notifier.render import limits
from notifier.render.answers import LINE, Rendered
from notifier.render.cards import format_span, restore_remarks, slack_date
from notifier.render.escape import escape, untrusted
from notifier.route import Destination, Role

MARK = {
    Severity.INFO: "ℹ️",
    Severity.WARNING: "⚠️",
    Severity.FAILURE: "❌",
    Severity.SECURITY: "🛡️",
    Severity.RECOVERY: "✅",
}
WORDS = {
    "backup.completed": "Backup {name} Completed",
    "backup.partially-failed": "Backup {name} PartiallyFailed",
    "backup.failed": "Backup {name} Failed",
    "backup.failed-validation": "Backup {name} FailedValidation",
    "backup.deleted": "Backup {name} and its data were deleted",
    "backup.gone": "The record of backup {name} is gone",
    "backup.returned": "Backup {name} is back",
    "backup.data-gone": "The data of backup {name} are gone too",
    "backup.deletion-failed": "Backup {backup} couldn't be deleted",
    "backup.stuck-in-queue": "Backup {name} is stuck in the queue",
    "backup.stuck-in-finalizing": "Backup {name} is stuck in Finalizing",
    "backup.slow": "Backup {name} is taking much longer than usual",
    "restore.completed": "Restore {name} Completed",
    "restore.partially-failed": "Restore {name} PartiallyFailed",
    "restore.failed": "Restore {name} Failed",
    "restore.failed-validation": "Restore {name} FailedValidation",
    "restore.removed": "Restore {name} was deleted",
    "restore.outside": "Restore {name} of backup {backup} was made outside approval",
    "restore.stuck-in-queue": "Restore {name} is stuck in the queue",
    "restore.stuck-in-finalizing": "Restore {name} is stuck in Finalizing",
    "restore.slow": "Restore {name} is taking much longer than usual",
    "schedule.changed": "Schedule {name} was changed: {verb}",
    "schedule.changed-outside": "Schedule {name} was changed outside Slack",
    "schedule.paused-outside": "Schedule {name} was paused outside Slack",
    "schedule.resumed-outside": "Schedule {name} was resumed outside Slack",
    "schedule.skipped-outside": "Runs of schedule {name} were skipped outside Slack",
    "schedule.deleted-outside": "Schedule {name} was deleted outside Slack",
    "schedule.replaced-outside": "Schedule {name} was replaced outside Slack",
    "schedule.skip-lost": "Skip of schedule {name} was removed outside Slack and is restored",
    "schedule.pause-ended": "Schedule {name} is resumed: its pause ended",
    "schedule.failed-validation": "Schedule {name} doesn't run: FailedValidation",
    "schedule.fixed": "Schedule {name} is valid again",
    "schedule.skipped-as-asked": "Schedule {name} skipped its run at {expected}, as requested",
    "schedule.not-skipped": "Schedule {name} ran at {expected} although the run was to be skipped",
    "schedule.missed": "Schedule {name} missed its run at {expected}",
    "schedule.ran-late": "Schedule {name} ran late: run of {expected}",
    "schedule.recovered": "Schedule {name} is running again",
    "schedule.unseen": "Schedule {name}: unknown whether it ran at {expected}",
    "schedule.seen": "Schedule {name} did run at {expected}",
    "schedule.clock-skew": "Velero's clock is wrong",
    "schedule.piling-up": "Runs of schedule {name} are piling up in the queue",
    "schedule.no-good-backup": "Schedule {name} has no recent Completed backup",
    "schedule.clock-right": "Velero's clock is right again, by schedule {name}",
    "schedule.drained": "Runs of schedule {name} no longer wait in the queue",
    "schedule.good-again": "Schedule {name} has a good backup again: {backup}",
    "schedule.near-period": "Runs of schedule {name} take almost as long as their interval",
    "location.unavailable": "Storage location {name} is Unavailable",
    "location.available": "Storage location {name} is Available again",
    "location.removed": "Storage location {name}, which was Unavailable, was removed",
    "cluster.unreachable": "Cluster {name} does not answer",
    "cluster.reachable": "Cluster {name} answers again",
    "cluster.access-lost": "Cluster {name} refuses the bot's credentials",
    "cluster.access-back": "Cluster {name} accepts the bot's credentials again",
    "velero.silent": "Velero doesn't respond",
    "velero.back": "Velero responds again",
    "receiver.disabled": "Webhook receiver {name} is disabled",
}


def render_notice(event: Event, to: Destination, extra: Mapping[str, Any], link: str) -> Rendered:
    """`extra` is what was found out beside the event: first errors, hint, volumes without data, next run."""
    title = headline(event)
    mark = MARK[event.severity]
    mention = _mentions(to, event)
    lines = [*_why(event, extra), *_around(event, extra)]
    where = escape(event.cluster)
    blocks = [
        limits.section(
            " ".join(each for each in (mark, f"*{escape(title)}*", where and f"in {where}", mention) if each)
        )
    ]
    if lines:
        blocks.append(limits.section("\n".join(lines)))
    if rows := _facts(event):
        blocks += limits.fields(rows)
    blocks += limits.actions(_buttons(event))
    if link:
        blocks.append(limits.context(f"<{link}|View thread>"))
    first = " ".join(each for each in (mark, escape(title), where and f"[{where}]", mention) if each)
    text = "\n".join([first, *lines])
    return Rendered(limits.cut(text, limits.TEXT), tuple(limits.bounded(blocks)))


def headline(event: Event) -> str:
    words = WORDS.get(event.kind, event.kind.replace(".", " ").replace("-", " ") + " {name}")
    said = words.format(
        name=event.object_name,
        backup=event.facts.get("backup", event.object_name),
        expected=_expected(event),
        verb=event.facts.get("verb", ""),
    )
    if event.kind == "backup.completed" and event.severity is Severity.RECOVERY:
        said += ", after earlier failures"
    if text := event.facts.get("headline"):
        said = str(text)
    return said


def _expected(event: Event) -> str:
    at = _moment(event.facts.get("expected"))
    return f"{at:%a %Y-%m-%d %H:%M} UTC" if at else "an unknown time"


def _mentions(to: Destination, event: Event) -> str:
    if to.role is Role.REPLY:
        user = str(event.facts.get("user") or "")
        return f"<@{user}>" if is_slack_user_id(user) else ""
    return " ".join(_mention(each) for each in to.mention)


def _mention(who: str) -> str:
    if who in {"here", "channel", "everyone"}:
        return f"<!{who}>"
    return f"<!subteam^{who}>" if who.startswith("S") else f"<@{who}>"


def _why(event: Event, extra: Mapping[str, Any]) -> list[str]:
    said = [
        event.facts.get("failure_reason"),
        *(event.facts.get("validation_errors") or []),
        event.facts.get("message"),
    ]
    changes = event.facts.get("changes")
    said += changes if isinstance(changes, list) and not event.facts.get("message") else []
    listed = event.facts.get("errors")
    said += listed if isinstance(listed, list) else []
    lines = [f"• {untrusted(limits.cut(str(each), 500))}" for each in said if each]
    lines += [f"• {untrusted(limits.cut(str(each), 500))}" for each in (extra.get("errors") or [])[:5]]
    if extra.get("more_errors"):
        lines.append(f"and {extra['more_errors']} more {plural_of(int(extra['more_errors']), 'error')}")
    if extra.get("hint"):
        lines.append(f"{escape(str(extra['hint']))}")
    lines += restore_remarks(extra)
    lines += [f"No volume data: {untrusted(str(each))}" for each in (extra.get("unprotected") or [])[:8]]
    return lines


def _around(event: Event, extra: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    good = event.facts.get("last_good")
    if event.severity in {Severity.FAILURE, Severity.WARNING} and event.kind.startswith("backup."):
        if isinstance(good, Mapping) and good.get("name"):
            lines.append(f"Last Completed backup: {untrusted(str(good['name']))}, {_when(good.get('at'))}")
        elif event.facts.get("none_good"):
            lines.append("No earlier Completed backup exists.")
    if extra.get("next_run"):
        lines.append(f"Next run: {_when(extra['next_run'])}")
    return lines


def _when(said: object) -> str:
    at = _moment(said)
    return slack_date(at) if at else escape(str(said or ""))


def _facts(event: Event) -> tuple[tuple[str, str], ...]:
    facts = event.facts
    rows: list[tuple[str, str]] = []
    if facts.get("schedule"):
        rows.append(("Schedule", untrusted(str(facts["schedule"]))))
    if event.object_kind == "Restore" and facts.get("backup"):
        rows.append(("Backup", untrusted(str(facts["backup"]))))
    if isinstance(mapping := facts.get("mapping"), Mapping) and mapping:
        pairs = ", ".join(f"{source} → {target}" for source, target in list(mapping.items())[:8])
        rows.append(("Namespace mapping", untrusted(pairs)))
    if facts.get("namespaces"):
        rows.append(("Namespaces", untrusted(", ".join(map(str, facts["namespaces"][:8])))))
    if facts.get("done") or facts.get("total"):
        rows.append(("Items", f"{facts.get('done', 0)}" + _drop(facts)))
    if isinstance(facts.get("errors"), int) or isinstance(facts.get("warnings"), int):
        rows.append(("Errors / warnings", f"{facts.get('errors', 0)} / {facts.get('warnings', 0)}"))
    if lasted := _lasted(facts):
        usual = float(facts.get("usual", 0) or 0)
        rows.append(("Duration", format_span(lasted) + (f" (usually {format_span(usual)})" if usual else "")))
    if expires := _moment(facts.get("expires")):
        rows.append(("Expires", slack_date(expires)))
    if facts.get("by"):
        rows.append(("Requested by", untrusted(str(facts["by"]))))
    return tuple(rows)


def _drop(facts: Mapping[str, Any]) -> str:
    before, done = int(facts.get("last_items", 0) or 0), int(facts.get("done", 0) or 0)
    return f"  (⚠️ {before} in the previous backup)" if before and done < before * 0.8 else ""


def _lasted(facts: Mapping[str, Any]) -> float:
    begun, ended = _moment(facts.get("started")), _moment(facts.get("completed"))
    return (ended - begun).total_seconds() if begun and ended else 0.0


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) and value else None
    except ValueError:
        return None


def _buttons(event: Event) -> list[limits.Block]:
    if event.object_kind not in {"Backup", "Restore"} or event.kind.endswith(
        (".deleted", ".gone", ".data-gone", ".removed")
    ):
        return []
    noun, where = event.object_kind.lower(), f" --cluster {event.cluster}"
    lines = [
        ("View details", f"{noun} describe {event.object_name}{where}"),
        ("View logs", f"{noun} logs {event.object_name}{where}"),
    ]
    return [
        limits.button(text, f"{LINE}{index}", json.dumps({"line": line})) for index, (text, line) in enumerate(lines)
    ]
