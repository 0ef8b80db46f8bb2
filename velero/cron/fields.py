"""Parses the five fields of a cron expression to bit sets, in both dialects, with the error texts of the Go libraries.

Velero up to 1.18 uses robfig/cron v3.0.1, later versions use netresearch/go-cron v0.15.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from velero.cron.go_text import GoError, atoi, fold, quote

_UINT64_MASK: Final = (1 << 64) - 1
_STAR: Final = 1 << 63
"""Set if a field contains `*`; a step above 1 clears it."""


class Dialect(Enum):
    ROBFIG = "robfig"
    NETRESEARCH = "netresearch"


@dataclass(frozen=True, slots=True)
class Bounds:
    low: int
    high: int
    names: Mapping[str, int]


_MONTHS: Final = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS: Final = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
MINUTE: Final = Bounds(0, 59, {})
HOUR: Final = Bounds(0, 23, {})
DOM: Final = Bounds(1, 31, {})
MONTH: Final = Bounds(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)})
DOW: Final = Bounds(0, 6, {name: number for number, name in enumerate(_DAYS)})
DOW_TO_SEVEN: Final = Bounds(0, 7, DOW.names)


@dataclass(frozen=True, slots=True)
class Fields:
    """One bit per value. With `either`, a day matches by date or by weekday; otherwise both must match."""

    minute: int
    hour: int
    dom: int
    month: int
    dow: int
    either: bool = False
    gap_runs: bool = False
    """A run in an hour that a clock change skips happens right after the gap."""


@dataclass(frozen=True, slots=True)
class _Range:
    start: int
    end: int
    open: bool


def _shown(text: str, dialect: Dialect) -> str:
    return quote(text) if dialect is Dialect.NETRESEARCH else text


def _number(text: str, dialect: Dialect) -> int:
    try:
        number = atoi(text)
    except GoError as error:
        raise GoError(f"failed to parse int from {_shown(text, dialect)}: {error}") from error
    if number < 0:
        raise GoError(f"negative number ({number}) not allowed: {_shown(text, dialect)}")
    return number


def _value(text: str, bounds: Bounds, dialect: Dialect) -> int:
    named = bounds.names.get(fold(text)) if bounds.names else None
    return _number(text, dialect) if named is None else named


def _range(parts: list[str], expr: str, bounds: Bounds, dialect: Dialect) -> _Range:
    if parts[0] in {"*", "?"}:
        return _Range(bounds.low, bounds.high, open=True)
    start = _value(parts[0], bounds, dialect)
    if len(parts) == 1:
        return _Range(start, start, open=False)
    if len(parts) == 2:
        return _Range(start, _value(parts[1], bounds, dialect), open=False)
    whole = "-".join(parts) if dialect is Dialect.NETRESEARCH else expr
    raise GoError(f"too many hyphens: {_shown(whole, dialect)}")


def _check(span: _Range, step: int, bounds: Bounds, shown: str, dialect: Dialect) -> None:
    if span.start < bounds.low:
        raise GoError(f"beginning of range ({span.start}) below minimum ({bounds.low}): {shown}")
    if span.end > bounds.high:
        raise GoError(f"end of range ({span.end}) above maximum ({bounds.high}): {shown}")
    if dialect is Dialect.ROBFIG:
        if span.start > span.end:
            raise GoError(f"beginning of range ({span.start}) beyond end of range ({span.end}): {shown}")
        if step == 0:
            raise GoError(f"step of range should be a positive number: {shown}")
        return
    if step == 0:
        raise GoError(f"step of range must be a positive number: {shown}")
    wrap = bounds.high - bounds.low + 1 if span.start > span.end else 0
    size = (span.end - span.start + 1 + wrap) & _UINT64_MASK  # unsigned in Go: a start far beyond the field wraps
    if step > 1 and step >= size:
        raise GoError(f"step ({step}) must be less than range size ({size}): {shown}")


def _bits(span: _Range, step: int, bounds: Bounds) -> int:
    size = bounds.high - bounds.low + 1
    end = span.end + size if span.start > span.end else span.end
    bits = 0
    for value in range(span.start, end + 1, step):
        bits |= 1 << (value if value <= bounds.high else (value - bounds.low) % size + bounds.low)
    return bits


def _part(expr: str, bounds: Bounds, dialect: Dialect) -> int:
    ranges, *steps = expr.split("/")
    parts = ranges.split("-")
    span = _range(parts, expr, bounds, dialect)
    step = 1
    if len(steps) == 1:
        step = _number(steps[0], dialect)
        if len(parts) == 1:
            span = _Range(span.start, bounds.high, open=span.open)
        if step > 1:
            span = _Range(span.start, span.end, open=False)
    elif steps:
        raise GoError(f"too many slashes: {_shown(expr, dialect)}")
    _check(span, step, bounds, _shown(expr, dialect), dialect)
    return _bits(span, step, bounds) | (_STAR if span.open else 0)


def _field(text: str, bounds: Bounds, dialect: Dialect) -> int:
    bits = 0
    for expr in text.split(","):
        if expr:
            bits |= _part(expr, bounds, dialect)
    return bits


def _refuse_extensions(words: list[str]) -> None:
    if any(part.startswith("H") for word in words for part in word.split(",")):
        raise GoError("h expressions require hash option to be enabled")


def _netresearch_days(dom: str, dow: str) -> tuple[int, int]:
    if any(char in dom for char in "lLwW"):
        raise GoError(
            "extended day-of-month syntax requires DomL option (for L, L-n) or DomW option (for nW, LW) to be enabled"
        )
    dates = _field(dom, DOM, Dialect.NETRESEARCH)
    if "#" in dow:
        raise GoError("#n/#L syntax requires DowNth or DowLast option to be enabled")
    weekdays = _field(dow, DOW_TO_SEVEN, Dialect.NETRESEARCH)
    return dates, (weekdays | 1) & ~(1 << 7) if weekdays & 1 << 7 else weekdays


def _plain(bits: int) -> int:
    return bits & ~_STAR


def parse_fields(words: list[str], dialect: Dialect) -> Fields:
    """Parse five words. Raises GoError with the first error, in the order of the library's checks."""
    if len(words) != 5:
        raise GoError(f"expected exactly 5 fields, found {len(words)}: [{' '.join(words)}]")
    minute, hour, dom, month, dow = words
    if dialect is Dialect.NETRESEARCH:
        _refuse_extensions(words)
        minutes, hours, months = (
            _plain(_field(word, bounds, dialect)) for word, bounds in ((minute, MINUTE), (hour, HOUR), (month, MONTH))
        )
        dates, weekdays = _netresearch_days(dom, dow)
        return Fields(minutes, hours, _plain(dates), months, _plain(weekdays), gap_runs=True)
    bits = [_field(word, bounds, dialect) for word, bounds in zip(words, (MINUTE, HOUR, DOM, MONTH, DOW), strict=True)]
    minutes, hours, dates, months, weekdays = map(_plain, bits)
    return Fields(minutes, hours, dates, months, weekdays, either=not (bits[2] | bits[4]) & _STAR)
