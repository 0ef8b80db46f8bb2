"""Velero's arithmetic of schedules (schedule_controller, getNextRunTime): what is due, what comes, what was passed.

The server looks once a minute, counted from its own start, so a run is up to sixty seconds late. It does not catch up:
after an outage one late run happens, then the cadence goes on. `@every` counts from the real start of the last run and
so drifts: its coming times are the earliest ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

from velero.cron.expression import CronSchedule

CHECK_INTERVAL: Final = timedelta(seconds=60)
_SECOND: Final = timedelta(seconds=1)
_FARTHEST: Final = timedelta(days=5 * 366)
"""The libraries look no further ahead, so nothing further back can matter."""


@dataclass(frozen=True, slots=True)
class ScheduleTimes:
    """What the controller counts from: metadata.creationTimestamp, status.lastBackup, status.lastSkipped."""

    created: datetime
    last_backup: datetime | None = None
    last_skipped: datetime | None = None

    @property
    def last_run(self) -> datetime:
        return self.last_backup or self.created

    @property
    def base(self) -> datetime:
        return self.last_run if self.last_skipped is None else max(self.last_run, self.last_skipped)


class DueReason(Enum):
    DUE = "the next run has passed"
    NOT_YET = "the next run lies ahead"
    ALWAYS = "it matches no time, which Velero treats as always due"


@dataclass(frozen=True, slots=True)
class Due:
    """`at` is the occurrence the controller waits for, or would make up for at its next look."""

    reason: DueReason
    at: datetime | None

    def __bool__(self) -> bool:
        return self.reason is not DueReason.NOT_YET


def next_expected(schedule: CronSchedule, marks: ScheduleTimes) -> datetime | None:
    """The run that the controller waits for. May be past: then it starts at the next look. None: see Why.ALWAYS."""
    return schedule.next(marks.base)


def check_due(schedule: CronSchedule, marks: ScheduleTimes, now: datetime) -> Due:
    """Strictly later, as the controller compares."""
    if (at := next_expected(schedule, marks)) is None:
        return Due(DueReason.ALWAYS, None)
    return Due(DueReason.DUE if now > at else DueReason.NOT_YET, at)


def next_check_after(at: datetime, server_started: datetime) -> datetime:
    """The server's first look later than `at`: when a run that is due at `at` really starts."""
    if at < server_started:
        return server_started
    return server_started + ((at - server_started) // CHECK_INTERVAL + 1) * CHECK_INTERVAL


def start_window(at: datetime, server_started: datetime | None = None) -> tuple[datetime, datetime]:
    """From when until when a run due at `at` may start, if nothing blocks it and the server lives."""
    if server_started is None:
        return at, at + CHECK_INTERVAL
    look = next_check_after(at, server_started)
    return look, look


def next_runs(
    schedule: CronSchedule, base: datetime, horizon: datetime | None, now: datetime, n: int
) -> list[datetime]:
    """The next `n` real runs after now: nothing up to the horizon. A run that is overdue is not among them (see due)."""
    start = base if horizon is None else max(base, horizon)
    first = schedule.next(start)
    return schedule.runs(start if first is not None and first > now else max(start, now), n)


def skip_until(
    schedule: CronSchedule, base: datetime, now: datetime, n: int, *, horizon: datetime | None = None
) -> datetime | None:
    """The horizon that skips the next `n` runs. Counted from now, so that asking twice skips once;
    with the horizon in force it extends that one.
    """
    runs = next_runs(schedule, base, horizon, now, n)
    return runs[n - 1] if 0 < n <= len(runs) else None


def skipped_runs(
    schedule: CronSchedule, base: datetime, horizon: datetime, now: datetime, limit: int = 100
) -> list[datetime]:
    """The coming occurrences that a horizon suppresses, at most `limit`."""
    return [run for run in next_runs(schedule, base, None, now, limit) if run <= horizon]


def last_due_before(schedule: CronSchedule, base: datetime, now: datetime) -> datetime | None:
    """The last occurrence later than `base` that is not later than now. For taking back a skip, and for misses."""
    first = schedule.next(base)
    if first is None or first > now:
        return None
    if schedule.every is not None:
        every = timedelta(seconds=schedule.every)
        return first + (now - first) // every * every
    base, now = base.astimezone(UTC), now.astimezone(UTC)  # sums in a zone would move wall clocks
    low, high = _around(schedule, max(base, now - _FARTHEST), now)
    while high - low > _SECOND:
        middle = low + (high - low) / 2
        low, high = (middle, high) if _passed(schedule, middle, now) else (low, middle)
    run = schedule.next(low)
    return run if run is not None and run <= now else first


def _passed(schedule: CronSchedule, after: datetime, now: datetime) -> bool:
    run = schedule.next(after)
    return run is not None and run <= now


def _around(schedule: CronSchedule, earliest: datetime, now: datetime) -> tuple[datetime, datetime]:
    """An instant with an occurrence between it and now, and a later one without."""
    high, back = now, CHECK_INTERVAL
    while (low := now - back) > earliest:
        if _passed(schedule, low, now):
            return low, high
        high, back = low, back * 2
    return earliest, high
