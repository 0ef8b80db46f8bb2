"""Checks on when a schedule runs: what Velero rejects, and what it accepts although people mean something else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from zoneinfo import available_timezones

from commands.planning import object_fields
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.schedule.cron_errors import explain_cron_error
from commands.schedule.forecast import Forecast, dialect, make_forecast
from domain.counting import plural_of
from domain.duration import SECOND, BadDuration, format_human
from domain.duration import parse as parse_duration
from domain.json_types import Json
from domain.plan import Guard, Level
from velero.cron.description import Trap, TrapWarning, find_traps
from velero.features import parse_version

DEFAULT_TTL = 720 * 3600 * SECOND
"""Velero's default, for a template without a ttl."""
_REFUSED = {Trap.NEVER: "never-runs", Trap.UNDER_A_MINUTE: "too-often"}
_MINUTE_FIELD = re.compile(r"((?:(?:CRON_)?TZ=\S+ +)?)(\d{1,2})( .+)")


def when_guards(item: Json, facts: Facts, context: PlanContext) -> tuple[Guard, ...]:
    """Checks of a Schedule as it would be after the change."""
    found = make_forecast(item, context.cluster, context.now)
    warned = find_traps(found.expr, dialect(context.cluster))
    if found.schedule is None:
        return (_unreadable(found, warned),)
    guards = [_trap_guard(each) for each in warned]
    if not any(guard.level is Level.REFUSE for guard in guards):
        guards += [
            *_same_minute(item, found, facts, context),
            *_short_lived(item, found),
            *_too_close(found, item, context),
        ]
    return tuple(guards)


def _unreadable(found: Forecast, warned: list[TrapWarning]) -> Guard:
    hints = " ".join(each.text for each in warned)
    ours = explain_cron_error(found.error)
    why = f"{ours}. Velero's message: {found.error}" if ours else found.error
    text = f"Velero would reject `{found.expr}`: {why}. {hints}".strip()
    near = _nearest(found, warned)
    return Guard("bad-cron", Level.REFUSE, text, near)


def _nearest(found: Forecast, warned: list[TrapWarning]) -> tuple[str, ...]:
    """Suggest what was probably meant: five of the six fields, or an existing time zone."""
    zone = re.match(r"(?:CRON_)?TZ=(\S+)", found.expr)
    if any(each.trap is Trap.SIX_FIELDS for each in warned):
        kept = found.expr.split()
        return (" ".join([*kept[:1], *kept[2:]] if zone else kept[1:]),)
    if zone is not None and "time zone" in found.error:
        return tuple(get_close_matches(zone[1], sorted(available_timezones()), n=3))
    return ()


def _trap_guard(warned: TrapWarning) -> Guard:
    if warned.trap in _REFUSED:
        return Guard(_REFUSED[warned.trap], Level.REFUSE, warned.text)
    code = re.sub(r"[^a-z0-9]+", "-", warned.trap.name.lower())
    return Guard(f"cron-{code}", Level.WARN, warned.text)


def _same_minute(item: Json, found: Forecast, facts: Facts, context: PlanContext) -> Iterable[Guard]:
    runs = found.schedule.runs(context.now, 1) if found.schedule is not None else []
    if not runs or found.schedule is None or found.schedule.every is not None:
        return
    others = [each for each in _others(item, facts, context) if each.schedule is not None]
    meeting = [other.name for other in others if _runs_at(other, runs[0].timestamp())]
    if meeting:
        free = _free_minute(found, others, context)
        text = f"{', '.join(meeting[:3])} {plural_of(len(meeting), 'starts', 'start')} at the same minute. Velero runs them one after the other."
        offer = f" Free minute: {free}." if free else ""
        yield Guard("same-minute", Level.WARN, text + offer, (free,) if free else ())


def _others(item: Json, facts: Facts, context: PlanContext) -> Iterable[Forecast]:
    for other in facts.all("schedules"):
        if object_fields.name(other) != object_fields.name(item):
            seen = make_forecast(other, context.cluster, context.now)
            if not seen.paused:
                yield seen


def _runs_at(other: Forecast, second: float) -> bool:
    schedule = other.schedule
    return schedule is not None and schedule.every is None and schedule.next_second(int(second) - 1) == int(second)


def _free_minute(found: Forecast, others: list[Forecast], context: PlanContext) -> str:
    """The next later minute of the hour in which no other schedule starts."""
    parts = _MINUTE_FIELD.fullmatch(found.expr.strip())
    if parts is None:
        return ""
    run = found.runs(1, without_horizon=True)
    start = run[0].timestamp() if run else context.now.timestamp()
    for shift in range(5, 60, 5):
        minute = int(parts[2]) + shift
        if minute < 60 and not any(_runs_at(other, start + shift * 60) for other in others):
            return f"{parts[1]}{minute}{parts[3]}"
    return ""


def _short_lived(item: Json, found: Forecast) -> Iterable[Guard]:
    template = object_fields.spec(item).get("template")
    ttl = _span(template.get("ttl") if isinstance(template, Mapping) else None)
    if found.period is not None and 0 < ttl < 2 * found.period * SECOND:
        text = f"Backups expire after {format_human(ttl)}, which covers less than two runs (every {format_human(int(found.period) * SECOND)}). After one failed run, no backup is left."
        yield Guard("ttl-short-of-two-periods", Level.WARN, text)


def _span(value: object) -> int:
    try:
        return parse_duration(str(value or "0s")) or DEFAULT_TTL
    except BadDuration:
        return 0


def _too_close(found: Forecast, item: Json, context: PlanContext) -> Iterable[Guard]:
    namespaces = (object_fields.spec(item).get("template") or {}).get("includedNamespaces") or ["*"]
    usual = context.usual.get(found.name) or context.usual.get(",".join(sorted(map(str, namespaces)))) or 0.0
    if found.closest is not None and usual > found.closest:
        text = f"Runs usually take {format_human(int(usual) * SECOND)}, but the next one is due after {format_human(int(found.closest) * SECOND)}."
        yield Guard("closer-than-usual", Level.WARN, text)


def version_guards(context: PlanContext) -> tuple[Guard, ...]:
    """Velero supports a future `status.lastSkipped` since 1.13."""
    known = parse_version(context.cluster.server_version)
    if known is not None and known < (1, 13):
        text = f"Velero {context.cluster.server_version} can't skip runs (needs 1.13). Pause the schedule instead: `schedule pause NAME`."
        return (Guard("velero-too-old", Level.REFUSE, text),)
    return ()
