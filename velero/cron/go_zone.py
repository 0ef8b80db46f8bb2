"""Time zones with the rules of Go's time package: which instant a wall-clock time means around a clock change.

ZoneInfo answers one instant at a time; a search for runs needs millions. So a zone remembers its offsets and clock
changes per mean year, found by probing. Results must equal Go's, including where a wall-clock time is skipped or happens
twice: Velero starts a backup then or it doesn't.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import PurePosixPath
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from velero.cron.go_text import GoError

DAY: Final = 86_400
EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_SPAN: Final = 31_556_952  # a mean year: clock changes are searched and cached per such span
_PROBE: Final = 5 * DAY  # no zone has changed its clocks twice within five days
_FIRST: Final = (date(2, 1, 1).toordinal() - EPOCH_DAY) * DAY
_LAST: Final = (date(9998, 12, 31).toordinal() - EPOCH_DAY) * DAY
_NEAR_MIDNIGHT: Final = 2 * 3_600


@dataclass(frozen=True, slots=True)
class Change:
    """Clocks change at `at`, seconds since 1970 UTC, from offset `before` to `after`."""

    at: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class _Span:
    """One mean year: the offsets with their starts, and the local days that a clock change affects."""

    starts: tuple[int, ...]
    offsets: tuple[int, ...]
    changed_days: frozenset[int]
    broken_midnights: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    info: ZoneInfo
    _spans: dict[int, _Span] = field(default_factory=dict)

    def lookup(self, at: int) -> tuple[int, int, int]:
        """Return the offset at an instant, and the start and end of the time for which it is known."""
        number = at // _SPAN
        span = self._spans.get(number) or self._load_span(number)
        if len(span.starts) == 1:
            return span.offsets[0], number * _SPAN, number * _SPAN + _SPAN
        index = bisect_right(span.starts, at) - 1
        end = span.starts[index + 1] if index + 1 < len(span.starts) else number * _SPAN + _SPAN
        return span.offsets[index], span.starts[index], end

    def instant(self, day: int, second: int) -> int:
        """Go's time.Date: a wall-clock time that is skipped or happens twice gets the offset that Go chooses."""
        wall = day * DAY + second
        offset, start, end = self.lookup(wall)
        if not offset:
            return wall
        if not start <= wall - offset < end:
            offset = self.lookup(wall - offset)[0]
        return wall - offset

    def is_plain(self, first: int, last: int) -> bool:
        """Tell whether neither day has a clock change, and no midnight between them is affected by one."""
        span = self._span_of_day(first)
        end = span if last * DAY // _SPAN == first * DAY // _SPAN else self._span_of_day(last)
        if first in span.changed_days or last in end.changed_days:
            return False
        return not self.lacks_midnights(first, last)

    def lacks_midnights(self, first: int, last: int) -> bool:
        """Tell whether a midnight of these days is skipped, happens twice or is close to a clock change."""
        return any(first <= day <= last for day in self._broken(first, last))

    def changes(self, first: int, last: int) -> Iterator[Change]:
        """Yield the clock changes in [first, last), in order."""
        for number in range(first // _SPAN, last // _SPAN + 1):
            span = self._spans.get(number) or self._load_span(number)
            for at, before, after in zip(span.starts[1:], span.offsets, span.offsets[1:], strict=False):
                if first <= at < last:
                    yield Change(at, before, after)

    def _broken(self, first: int, last: int) -> Iterator[int]:
        for number in range(first * DAY // _SPAN, last * DAY // _SPAN + 1):
            yield from (self._spans.get(number) or self._load_span(number)).broken_midnights

    def _span_of_day(self, day: int) -> _Span:
        number = day * DAY // _SPAN
        return self._spans.get(number) or self._load_span(number)

    def _load_span(self, number: int) -> _Span:
        start, end = number * _SPAN, (number + 1) * _SPAN
        found = tuple(_probe(self.info, start - 3 * DAY, end + 3 * DAY))
        inside = [change for change in found if start < change.at < end]
        span = _Span(
            starts=(start, *(change.at for change in inside)),
            offsets=(_offset(self.info, start), *(change.after for change in inside)),
            changed_days=frozenset(day for change in found for day in _affected_days(change)),
            broken_midnights=tuple(day for change in found for day in _broken_midnights(change)),
        )
        self._spans[number] = span
        return span


def _offset(info: ZoneInfo, at: int) -> int:
    moment = datetime.fromtimestamp(min(max(at, _FIRST), _LAST), UTC).astimezone(info)
    return int((moment.utcoffset() or timedelta()).total_seconds())


def _probe(info: ZoneInfo, start: int, end: int) -> Iterator[Change]:
    before = _offset(info, start)
    for low in range(start, end, _PROBE):
        high = min(low + _PROBE, end)
        if (after := _offset(info, high)) != before:
            yield Change(_narrow(info, low, high), before, after)
            before = after


def _narrow(info: ZoneInfo, low: int, high: int) -> int:
    old = _offset(info, low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(info, middle) == old else (low, middle)
    return high


def _affected_days(change: Change) -> Iterator[int]:
    walls = (change.at + change.before, change.at + change.after)
    yield from range((min(walls) - _NEAR_MIDNIGHT) // DAY, (max(walls) + _NEAR_MIDNIGHT) // DAY + 1)


def _broken_midnights(change: Change) -> Iterator[int]:
    """Return days whose midnight is skipped, happens twice or is so close to a change that a search can step over it."""
    days = tuple(_affected_days(change))
    return iter(days if len(days) > 1 else ())


@cache
def zone_of(info: ZoneInfo) -> Zone:
    return Zone(info)


def load_zone(name: str) -> ZoneInfo | None:
    """time.LoadLocation: the empty name is UTC; None is the server's own zone. Raises GoError."""
    if name in {"", "UTC"}:
        return ZoneInfo("UTC")
    if name == "Local":
        return None
    if ".." in name or name[0] in "/\\":
        raise GoError("time: invalid location name")
    path = PurePosixPath(name)
    if (reason := _path_error(name, path)) is not None:
        raise GoError(reason)
    try:
        return ZoneInfo(str(path))
    except ZoneInfoNotFoundError as error:
        raise GoError(f"unknown time zone {name}") from error
    except (ValueError, OSError) as error:  # other files in the same directory: tables, lists of leap seconds
        raise GoError("malformed time zone information") from error


def _path_error(name: str, path: PurePosixPath) -> str | None:
    """Return the file-system error that Go gets for a name that isn't a zone file."""
    if "\x00" in name:
        return "invalid argument"
    if any(len(part.encode()) > 255 for part in path.parts):
        return "file name too long"
    if str(path) in _folders() or not path.parts:
        return "is a directory"
    above = [*path.parents, *((path,) if name.endswith("/") else ())]
    return "not a directory" if any(str(part) in _names() for part in above) else None


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _folders() -> frozenset[str]:
    return frozenset(str(folder) for name in _names() for folder in PurePosixPath(name).parents)
