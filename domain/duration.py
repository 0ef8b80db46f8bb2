"""Durations in nanoseconds: Go's grammar exactly, plus the days, weeks, months and years that people type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from typing import Final

from domain.errors import UsageError

NANOSECOND: Final = 1
MICROSECOND: Final = 1_000
MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
MONTH: Final = 30 * DAY
YEAR: Final = 8766 * HOUR
"""365.25 days, so that four years have the right length."""

MAX_DURATION: Final = (1 << 63) - 1
_OVERFLOW: Final = 1 << 63

GO_UNITS: Final[Mapping[str, int]] = {
    "ns": NANOSECOND,
    "us": MICROSECOND,
    "µs": MICROSECOND,  # U+00B5, micro sign
    "μs": MICROSECOND,  # U+03BC, Greek mu
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
}
_LONG_UNITS: Final[Mapping[str, int]] = {"d": DAY, "w": WEEK, "mo": MONTH, "y": YEAR}
_LONG_WORDS: Final[Mapping[str, int]] = {
    "year": YEAR,
    "month": MONTH,
    "week": WEEK,
    "day": DAY,
    "hour": HOUR,
    "minute": MINUTE,
    "second": SECOND,
}
_UNIT_WORDS: Final[Mapping[str, int]] = {
    **_LONG_WORDS,
    **{f"{word}s": size for word, size in _LONG_WORDS.items()},
    "min": MINUTE,
    "mins": MINUTE,
    "sec": SECOND,
    "secs": SECOND,
    "hr": HOUR,
    "hrs": HOUR,
}
ALLOWED: Final = "a number with a unit, for example 90m, 36h, 30d, 2w, 6mo, 1y or 3 years"

_PART: Final = re.compile(r"([0-9]*)(?:(\.)([0-9]*))?([^0-9.]*)", re.ASCII)
_PHRASE: Final = re.compile(r"([0-9]+)[ \t\u00a0]+([a-z]+)", re.ASCII | re.IGNORECASE)


class DurationFlaw(Enum):
    """The error in a duration; the value completes a sentence."""

    SHAPE = "isn't a duration"
    NO_UNIT = "has no unit"
    UNIT = "has an unknown unit"
    TOO_LONG = "is too long"
    NEGATIVE = "must be greater than zero"


class BadDuration(UsageError, ValueError):
    """`unit` is the unknown unit, if `flaw` is UNIT. `str()` adds what is allowed."""

    def __init__(self, given: str, flaw: DurationFlaw, unit: str = "") -> None:
        super().__init__(f"`{given}` {flaw.value}{f' `{unit}`' if unit else ''}.", fix=f"Use {ALLOWED}.")
        self.given = given
        self.flaw = flaw
        self.unit = unit

    def __str__(self) -> str:
        return f"{self.text} {self.fix}"


def _whole(digits: str, text: str) -> int:
    significant = digits.lstrip("0")
    if len(significant) > 19 or int(significant or 0) > _OVERFLOW:
        raise BadDuration(text, DurationFlaw.TOO_LONG)
    return int(significant or 0)


def _fraction(digits: str) -> tuple[int, float]:
    """Go stops reading a fraction where its integer would overflow."""
    value, scale = 0, 1.0
    for digit in digits:
        if value > MAX_DURATION // 10 or value * 10 + int(digit) > _OVERFLOW:
            break
        value, scale = value * 10 + int(digit), scale * 10
    return value, scale


def _size(whole: int, fraction: str, unit: int, text: str) -> int:
    """Compute in double precision as Go does: other arithmetic differs in the last nanosecond."""
    if whole > _OVERFLOW // unit:
        raise BadDuration(text, DurationFlaw.TOO_LONG)
    value, scale = _fraction(fraction)
    size = whole * unit + (int(float(value) * (float(unit) / scale)) if value else 0)
    if size > _OVERFLOW:
        raise BadDuration(text, DurationFlaw.TOO_LONG)
    return size


def _sum(text: str, body: str, units: Mapping[str, int]) -> int:
    total, at = 0, 0
    while at < len(body):
        part = _PART.match(body, at)
        if part is None or not (part[1] or part[3]):
            raise BadDuration(text, DurationFlaw.SHAPE)
        whole = _whole(part[1], text)
        if not part[4]:
            raise BadDuration(text, DurationFlaw.NO_UNIT)
        if part[4] not in units:
            raise BadDuration(text, DurationFlaw.UNIT, part[4])
        total += _size(whole, part[3] or "", units[part[4]], text)
        if total > _OVERFLOW:
            raise BadDuration(text, DurationFlaw.TOO_LONG)
        at = part.end()
    return total


def _read(text: str, units: Mapping[str, int]) -> int:
    body = text[1:] if text[:1] in {"-", "+"} else text
    if body == "0":
        return 0
    if not body:
        raise BadDuration(text, DurationFlaw.SHAPE)
    total = _sum(text, body, units)
    if text[0] == "-":
        return -total
    if total > MAX_DURATION:
        raise BadDuration(text, DurationFlaw.TOO_LONG)
    return total


def parse_go(text: str) -> int:
    """Parse exactly what Go's time.ParseDuration accepts."""
    return _read(text, GO_UNITS)


def parse(text: str) -> int:
    """Parse what people type: Go's grammar, the units d, w, mo and y, or a number, a space and a unit in words."""
    given = text.strip()
    if phrase := _PHRASE.fullmatch(given):
        word = phrase[2].lower()
        unit = _UNIT_WORDS.get(word) or GO_UNITS.get(word) or _LONG_UNITS.get(word)
        if unit is None:
            raise BadDuration(text, DurationFlaw.UNIT, phrase[2])
        number = _whole(phrase[1], text)
        if number * unit > MAX_DURATION:
            raise BadDuration(text, DurationFlaw.TOO_LONG)
        return number * unit
    return _read(given, {**GO_UNITS, **_LONG_UNITS})


def parse_positive(text: str) -> int:
    """Parse a duration that must be longer than zero: a TTL, a pause, a timeout."""
    if (size := parse(text)) <= 0:
        raise BadDuration(text, DurationFlaw.NEGATIVE)
    return size


def _decimal(value: int, unit: int, suffix: str) -> str:
    whole, rest = divmod(value, unit)
    digits = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0") if unit > 1 else ""
    return f"{whole}.{digits}{suffix}" if digits else f"{whole}{suffix}"


def format_go(ns: int) -> str:
    """Format as Go's Duration.String, which Velero and kubectl print."""
    if ns == 0:
        return "0s"
    sign, size = ("-", -ns) if ns < 0 else ("", ns)
    if size < SECOND:
        unit, suffix = next(
            (unit, suffix)
            for unit, suffix in ((MILLISECOND, "ms"), (MICROSECOND, "µs"), (NANOSECOND, "ns"))
            if size >= unit
        )
        return sign + _decimal(size, unit, suffix)
    minutes, rest = divmod(size, MINUTE)
    hours, minutes = divmod(minutes, 60)
    text = _decimal(rest, SECOND, "s")
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else sign + text


def format_human(ns: int) -> str:
    """Format in the largest unit that divides the duration: 30 days become `1 month`."""
    if ns < 0:
        return f"-{format_human(-ns)}"
    for word, unit in _LONG_WORDS.items():
        if ns >= unit and ns % unit == 0:
            return f"{ns // unit} {word}{'' if ns == unit else 's'}"
    return format_go(ns)


def from_timedelta(span: timedelta) -> int:
    return (span // timedelta(microseconds=1)) * MICROSECOND


def to_timedelta(ns: int) -> timedelta:
    return timedelta(microseconds=ns // MICROSECOND)
