"""Describes a cron expression in plain English, names the presets, and finds common mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Final

from domain.duration import MINUTE, SECOND, format_human
from velero.cron.expression import CronError, CronSchedule, Dialect, parse
from velero.cron.fields import Fields

PRESETS: Final[Mapping[str, str]] = {
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "weekly": "0 0 * * MON",
    "monthly": "0 0 1 * *",
}
"""As in KOTS, where a week starts on Monday; `@weekly` starts it on Sunday."""

_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS: Final = (
    *("", "January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_MAX_LISTED_TIMES: Final = 6
_ALL_MINUTES: Final = frozenset(range(60))
_ALL_HOURS: Final = frozenset(range(24))
_ALL_DATES: Final = frozenset(range(1, 32))
_ALL_MONTHS: Final = frozenset(range(1, 13))
_ALL_DAYS: Final = frozenset(range(7))
_ZONE: Final = re.compile(r"(?:CRON_)?TZ=(\S*) +(.*)", re.DOTALL)


class Trap(Enum):
    """Common mistakes. The values are identifiers, not texts to show."""

    WEEKDAY_SEVEN = "weekday 7"
    SIX_FIELDS = "six fields"
    WEEKLY_IS_SUNDAY = "@weekly is Sunday"
    DATE_AND_WEEKDAY = "day of month and day of week"
    NEVER = "never runs"
    KOTS_WORD = "a word of KOTS"
    CAPITALS = "capitals"
    UNDER_A_MINUTE = "under a minute"
    DRIFT = "drifts"


@dataclass(frozen=True, slots=True)
class TrapWarning:
    trap: Trap
    text: str


def describe(expr: str, dialect: Dialect = Dialect.ROBFIG) -> str:
    """Describe the expression as this dialect reads it. Raises CronError where the server would refuse it."""
    schedule = parse(expr, "UTC", dialect)
    zone = _zone_words(expr)
    if schedule.every is not None:
        return f"every {_every(schedule.every)}, counted from the start of the previous run"
    if schedule.table is None:
        return "never"
    return _fields(schedule.table.fields) + zone


def preset_name(expr: str) -> str | None:
    """Return the name of the preset with this expression."""
    normalized = " ".join(expr.split()).upper()
    return next((name for name, preset in PRESETS.items() if preset == normalized), None)


def _zone_words(expr: str) -> str:
    found = _ZONE.match(expr)
    return f" ({found[1].strip(chr(34) + chr(39)) or 'UTC'} time)" if found else ""


def _every(seconds: int) -> str:
    words = format_human(seconds * SECOND)
    return words.removeprefix("1 ") if words.startswith("1 ") else words


def _values(bits: int) -> frozenset[int]:
    return frozenset(value for value in range(64) if bits >> value & 1)


def _fields(fields: Fields) -> str:
    minutes, hours, months = _values(fields.minute), _values(fields.hour), _values(fields.month)
    days_named = fields.dom | fields.dow if fields.either else fields.dom and fields.dow
    if not (minutes and hours and months and days_named):
        return "never: the expression matches no time"
    days = _days_words(fields, "" if months == _ALL_MONTHS else _span(months, _MONTHS.__getitem__))
    when, many = _times(minutes, hours)
    if many:
        return f"{when}, {days}" if days else when
    return f"{days or 'every day'} at {when}"


def _times(minutes: frozenset[int], hours: frozenset[int]) -> tuple[str, bool]:
    """Return the text, and whether it already says how often within a day."""
    if hours == _ALL_HOURS:
        return _hourly(minutes, " past every hour"), True
    step = _step(hours, 24)
    if step and len(minutes) == 1 and len(hours) > 2:
        minute = min(minutes)
        return f"every {step} hours" + (f" at minute {minute}" if minute else ""), True
    if len(minutes) * len(hours) <= _MAX_LISTED_TIMES:
        return _listed([f"{hour:02d}:{minute:02d}" for hour in sorted(hours) for minute in sorted(minutes)]), False
    return f"{_hourly(minutes, '')} during {_hour_spans(hours)}", True


def _hourly(minutes: frozenset[int], suffix: str) -> str:
    if minutes == _ALL_MINUTES:
        return "every minute"
    if minutes == {0}:
        return "every hour"
    if len(minutes) > 1 and (step := _step(minutes, 60)):
        return f"every {step} minutes"
    return f"at {'minute' if len(minutes) == 1 else 'minutes'} {_span(minutes, str)}{suffix}"


def _hour_spans(hours: frozenset[int]) -> str:
    return f"{'hour' if len(hours) == 1 else 'hours'} {_span(hours, str)}"


def _days_words(fields: Fields, months: str) -> str:
    dates, weekdays = _values(fields.dom), _values(fields.dow)
    any_date, any_weekday = dates == _ALL_DATES, weekdays == _ALL_DAYS
    within = f" in {months}" if months else ""
    if (any_date and any_weekday) or (fields.either and (any_date or any_weekday)):
        return within and f"every day{within}"
    on_days = f"{'on' if len(weekdays) > 1 else 'every'} {_span(weekdays, _DAYS.__getitem__)}" if weekdays else ""
    if any_date or not dates:
        return on_days + within
    on_dates = f"on {_dates(dates)} of {months or 'the month'}"
    if any_weekday or not weekdays:
        return on_dates
    if fields.either:
        return f"{on_dates} and {on_days}{within}"
    return f"{on_dates}, but only if it's a {_span(weekdays, _DAYS.__getitem__, last='or')},"


def _dates(dates: frozenset[int]) -> str:
    ordered = sorted(dates)
    steps = {after - before for before, after in pairwise(ordered)}
    if len(dates) > 4 and len(steps) == 1 and (step := steps.pop()) > 1:
        return f"every {_ordinal(step)} day, {_ordinal(ordered[0])} to {_ordinal(ordered[-1])},"
    return f"the {_span(dates, _ordinal)}"


def _step(values: frozenset[int], size: int) -> int | None:
    """Return the step between values that are evenly spread from zero over the whole size; else None."""
    step = size // len(values)
    return step if step > 1 and values == frozenset(range(0, size, step)) else None


def _runs(values: frozenset[int]) -> Iterator[tuple[int, int]]:
    ordered = sorted(values)
    low = ordered[0]
    for here, following in zip(ordered, [*ordered[1:], 99], strict=True):
        if following != here + 1:
            yield low, here
            low = following


def _span(values: frozenset[int], name: Callable[[int], str], last: str = "and") -> str:
    words: list[str] = []
    for low, high in _runs(values):
        if high - low >= 2:
            words.append(f"{name(low)} to {name(high)}")
        else:
            words.extend(name(value) for value in range(low, high + 1))
    return _listed(words, last)


def _listed(words: list[str], last: str = "and") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def _ordinal(day: int) -> str:
    ending = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def find_traps(expr: str, dialect: Dialect) -> list[TrapWarning]:
    """Return warnings about likely mistakes; if the server would refuse the expression, what to write instead."""
    found = _ZONE.match(expr)
    body = (found[2] if found else expr).strip()
    warnings = list(_traps_of_refused(body, dialect))
    try:
        schedule = parse(expr, "UTC", dialect)
    except CronError:
        return warnings
    return warnings + list(_traps_of_accepted(schedule, body))


def _traps_of_refused(body: str, dialect: Dialect) -> Iterator[TrapWarning]:
    words = body.split()
    if body in {"@never", "@default"}:
        fix = "pause the schedule instead" if body == "@never" else "write a cron expression"
        yield TrapWarning(Trap.KOTS_WORD, f"Velero doesn't support `{body}` (KOTS does): {fix}.")
    elif body.startswith("@") and body != body.lower() and not body.lower().startswith("@every"):
        yield TrapWarning(Trap.CAPITALS, f"Use lowercase: `{body.lower()}`.")
    elif len(words) == 6:
        yield TrapWarning(Trap.SIX_FIELDS, "Velero's cron expressions have five fields, without seconds.")
    elif len(words) == 5 and dialect is Dialect.ROBFIG and re.search(r"(?<!/)\b7\b", words[4]):
        yield TrapWarning(Trap.WEEKDAY_SEVEN, "Velero before 1.19 doesn't accept weekday 7. Use 0 or SUN for Sunday.")


def _traps_of_accepted(schedule: CronSchedule, body: str) -> Iterator[TrapWarning]:
    if body == "@weekly":
        yield TrapWarning(
            Trap.WEEKLY_IS_SUNDAY,
            "`@weekly` runs on Sunday at 00:00. The KOTS preset weekly runs on Monday: '0 0 * * MON'.",
        )
    if schedule.every is not None:
        if schedule.every * SECOND < MINUTE:
            yield TrapWarning(
                Trap.UNDER_A_MINUTE, "Velero checks schedules once a minute, so it can't run more often than that."
            )
        yield TrapWarning(Trap.DRIFT, "`@every` counts from the start of the previous run, so the time of day drifts.")
    elif schedule.table is None:
        yield _never("The expression never matches")
    elif years := schedule.table.years_without_run:
        yield _never(
            "The expression matches no date in the next five years" if years < 28 else "The expression matches no date"
        )
    elif text := _day_fields_text(schedule.table.fields):
        yield TrapWarning(Trap.DATE_AND_WEEKDAY, text)


def _never(reason: str) -> TrapWarning:
    return TrapWarning(
        Trap.NEVER, f"{reason}. Velero treats such a schedule as always due and creates backups continuously."
    )


def _day_fields_text(fields: Fields) -> str | None:
    if _values(fields.dom) == _ALL_DATES or _values(fields.dow) == _ALL_DAYS:
        return None
    if fields.gap_runs:
        return "From Velero 1.19, both the day of the month and the weekday must match. Before, either was enough."
    if fields.either:
        return "Runs on days that match the day of the month or the weekday. From Velero 1.19, both must match."
    return "Both the day of the month and the weekday must match, because one of the fields contains `*`."
