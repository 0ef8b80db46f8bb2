"""Finds the next run of five cron fields, in two ways that agree: a jump by calendar, and the libraries' own walk.

The jump answers nearly every search: bit sets per field, and the matching days of a month as one integer. The walk repeats
the loops of the Go libraries step by step, including their oddities. It is used if clocks change on the way, because the
result there depends only on the order of those steps. Both must give the libraries' results, even the surprising ones.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

from velero.cron.fields import Fields
from velero.cron.go_zone import DAY, EPOCH_DAY, Zone

SEARCH_YEARS: Final = 5
"""Both libraries stop after the fifth year."""

_MAX_WALK_ROUNDS: Final = 20_000
"""More than a walk over five years needs."""
_MAX_STANDSTILLS: Final = 50
"""More than the midnights that a zone can skip in five years."""

_MONTH_LENGTHS: Final = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _first_of(year: int, month: int) -> int:
    """Return the day number of the first of a month; `month` may be 13. Raises ValueError after year 9999."""
    return date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1).toordinal() - EPOCH_DAY


def _length(year: int, month: int) -> int:
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if leap else _MONTH_LENGTHS[month]


@dataclass(frozen=True, slots=True)
class Timetable:
    """Fields unrolled: `moments` are the seconds of a day, `patterns` the days of a month by the weekday of its first."""

    fields: Fields
    seconds_of_day: tuple[int, ...]
    patterns: tuple[int, ...]

    @property
    def years_without_run(self) -> int:
        """The number of years, of 28 that cover every calendar, from which a search finds no run. 28 means never."""
        starts = (date(year, 1, 1).toordinal() - EPOCH_DAY for year in range(2000, 2028))
        return sum(1 for start in starts if not self.seconds_of_day or self.first_day(start) is None)

    def first_day(self, day: int) -> int | None:
        """Return the first matching day from `day` on, within the years that the libraries search."""
        start = date.fromordinal(day + EPOCH_DAY)
        year, month, skip = start.year, start.month, start.day
        limit = year + SEARCH_YEARS
        first = day - skip + 1
        while year <= limit:
            length = _length(year, month)
            if self.fields.month >> month & 1:
                days = self.patterns[(first + 4) % 7] >> skip & (1 << (length - skip + 1)) - 1
                if days:
                    return first + skip - 1 + (days & -days).bit_length() - 1
            first += length
            skip, month = 1, month + 1
            if month > 12:
                year, month = year + 1, 1
        return None


@lru_cache(maxsize=1024)
def build_timetable(fields: Fields) -> Timetable:
    minutes = [minute * 60 for minute in range(60) if fields.minute >> minute & 1]
    moments = tuple(hour * 3600 + minute for hour in range(24) if fields.hour >> hour & 1 for minute in minutes)
    return Timetable(fields, moments, tuple(_pattern(fields, first) for first in range(7)))


def _pattern(fields: Fields, first: int) -> int:
    """Return the matching days, as bits, of a month that begins on weekday `first` (Sunday is 0)."""
    weekdays = sum(1 << day for day in range(1, 32) if fields.dow >> (first + day - 1) % 7 & 1)
    return (fields.dom | weekdays if fields.either else fields.dom & weekdays) & ~1


def next_run(table: Timetable, zone: Zone, after: int) -> int | None:
    """Return the first run later than `after`, both in seconds since 1970 UTC; None if there is none in five years."""
    moments = table.seconds_of_day
    if not moments:
        return None
    now = after + 1
    offset = zone.lookup(now)[0]
    today, second = divmod(now + offset, DAY)
    try:
        # A run today must be later than `after`; on a later day it is the first run of that day.
        day = table.first_day(today)
        later = bisect_right(moments, second - 1)
        if day == today and later == len(moments):
            day = _first_day_after(table, today)
        if day is None:
            return _find_without_date(table, zone, today, now)
        moment = moments[later] if day == today else moments[0]
        if zone.is_plain(_start_of_walk(table, today, day), day) and zone.is_plain(today, day):
            return day * DAY + moment - zone.lookup(day * DAY + moment - offset)[0]
        try:
            return _Walk(table, zone, now).run()
        except _EndlessWalkError:
            return _find_by_calendar(table, zone, day, after)
    except (ValueError, OverflowError):  # after the last year of the calendar
        return None


def _first_day_after(table: Timetable, today: int) -> int | None:
    """Search from tomorrow, but count the years from today, which may be in the year before."""
    day = table.first_day(today + 1)
    year = date.fromordinal(today + EPOCH_DAY).year
    return day if day is None or date.fromordinal(day + EPOCH_DAY).year <= year + SEARCH_YEARS else None


def _find_without_date(table: Timetable, zone: Zone, today: int, now: int) -> int | None:
    """Walk, although no date matches: at a midnight that a zone skips, the libraries can reach a day they didn't check."""
    if zone.is_plain(today, today) and not zone.lacks_midnights(today, today + (SEARCH_YEARS + 1) * 366):
        return None
    try:
        return _Walk(table, zone, now).run()
    except _EndlessWalkError:
        return None


def _find_by_calendar(table: Timetable, zone: Zone, first: int, after: int) -> int | None:
    """Find the run by calendar alone, where the libraries would loop without end."""
    day: int | None = first
    while day is not None:
        if (run := zone.instant(day, table.seconds_of_day[0])) > after:
            return run
        day = table.first_day(day + 1)
    return None


def _start_of_walk(table: Timetable, today: int, day: int) -> int:
    """Return where the walk starts: if the month doesn't match, it first goes back to the first of the month."""
    if day == today:
        return today
    start = date.fromordinal(today + EPOCH_DAY)
    return today if table.fields.month >> start.month & 1 else today - start.day + 1


class _EndlessWalkError(Exception):
    """The libraries loop without end at a day that a zone skipped completely (Samoa, 30 December 2011)."""


class _Walk:
    """One search as the libraries do it. `moved` is their flag that a field has already been advanced."""

    def __init__(self, table: Timetable, zone: Zone, now: int) -> None:
        self.table = table
        self.zone = zone
        self.now = now
        self.moved = False
        self.stuck = 0

    def run(self) -> int | None:
        limit = self._date().year + SEARCH_YEARS
        for _ in range(_MAX_WALK_ROUNDS):
            if self._date().year > limit:
                return None
            if not (self._month() or self._day() or self._hour() or self._minute() or self._second()):
                return self.now
        raise _EndlessWalkError

    def _wall(self) -> tuple[int, int]:
        return divmod(self.now + self.zone.lookup(self.now)[0], DAY)

    def _date(self) -> date:
        return date.fromordinal(self._wall()[0] + EPOCH_DAY)

    def _second_of_hour(self) -> int:
        return self._wall()[1] % 3600

    def _hour_now(self) -> int:
        return self._wall()[1] // 3600

    def _month(self) -> bool:
        while not self.table.fields.month >> self._date().month & 1:
            if not self.moved:
                self.moved = True
                start = self._date()
                self.now = self.zone.instant(_first_of(start.year, start.month), 0)
            here, second = self._date(), self._wall()[1]
            self.now = self.zone.instant(_first_of(here.year, here.month + 1) + here.day - 1, second)
            if self._date().month == 1:
                return True
        return False

    def _matches(self, day: int) -> bool:
        here = date.fromordinal(day + EPOCH_DAY)
        return bool(self.table.patterns[(day - here.day + 5) % 7] >> here.day & 1)

    def _day(self) -> bool:
        while not self._matches(self._wall()[0]):
            if not self.moved:
                self.moved = True
                self.now = self.zone.instant(self._wall()[0], 0)
            day, second = self._wall()
            self.now = self.zone.instant(day + 1, second)
            hour = self._hour_now()
            self.now += (24 - hour if hour > 12 else -hour) * 3600
            if self._date().day == 1:
                return True
            if self._wall()[0] <= day:
                self.stuck += 1
            if self.stuck > _MAX_STANDSTILLS:
                raise _EndlessWalkError
        return False

    def _hour(self) -> bool:
        hours = self.table.fields.hour
        while not hours >> self._hour_now() & 1:
            if not self.moved:
                self.moved = True
                day, second = self._wall()
                self.now = self.zone.instant(day, second - second % 3600)
            before = self._hour_now()
            self.now += 3600
            hour = self._hour_now()
            if self.table.fields.gap_runs and hour - before == 2 and hours >> (hour - 1) & 1:
                return False
            if hour == 0:
                return True
        return False

    def _minute(self) -> bool:
        while not self.table.fields.minute >> self._second_of_hour() // 60 & 1:
            if not self.moved:
                self.moved = True
                self.now -= self.now % 60
            self.now += 60
            if self._second_of_hour() < 60:
                return True
        return False

    def _second(self) -> bool:
        if not (second := self._second_of_hour() % 60):
            return False
        self.now += 60 - second
        if not self.table.fields.gap_runs:  # only the older library sets its flag here
            self.moved = True
        return True
