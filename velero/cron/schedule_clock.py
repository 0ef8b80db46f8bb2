"""Computes due, next and past runs of a schedule as Velero does (schedule_controller, getNextRunTime).

The server checks schedules once a minute, counted from its own start, so a run is up to 60 seconds late. It doesn't catch
up: after an outage one late run happens, then the usual times follow. `@every` counts from the actual start of the last
run, so it drifts, and its next times are the earliest possible ones.
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
"""The libraries search no further ahead, so nothing further back matters."""


@dataclass(frozen=True, slots=True)
class ScheduleTimes:
    """The times that the controller counts from: creationTimestamp, status.lastBackup, status.lastSkipped."""

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
    NOT_YET = "the next run is in the future"
    ALWAYS = "the expression matches no time, which Velero treats as always due"


@dataclass(frozen=True, slots=True)
class Due:
    """`at` is the run that the controller waits for, or starts late at its next check."""

    reason: DueReason
    at: datetime | None

    def __bool__(self) -> bool:
        return self.reason is not DueReason.NOT_YET


def next_expected(schedule: CronSchedule, marks: ScheduleTimes) -> datetime | None:
    """Return the run that the controller waits for. A past one starts at the next check. None: see DueReason.ALWAYS."""
    return schedule.next(marks.base)


def check_due(schedule: CronSchedule, marks: ScheduleTimes, now: datetime) -> Due:
    """Tell whether a run is due: `now` must be strictly later, as in the controller."""
    if (at := next_expected(schedule, marks)) is None:
        return Due(DueReason.ALWAYS, None)
    return Due(DueReason.DUE if now > at else DueReason.NOT_YET, at)


def next_check_after(at: datetime, server_started: datetime) -> datetime:
    """Return the server's first check later than `at`, which is when a run due at `at` actually starts."""
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
    """Return the next `n` runs after now that aren't skipped by the horizon; an overdue run isn't included (see `check_due`)."""
    start = base if horizon is None else max(base, horizon)
    first = schedule.next(start)
    return schedule.runs(start if first is not None and first > now else max(start, now), n)


def skip_until(
    schedule: CronSchedule, base: datetime, now: datetime, n: int, *, horizon: datetime | None = None
) -> datetime | None:
    """Return the horizon that skips the next `n` runs, counted from now, so that a repetition skips nothing more.

    With `horizon`, the current one, the result skips `n` more runs than that.
    """
    runs = next_runs(schedule, base, horizon, now, n)
    return runs[n - 1] if 0 < n <= len(runs) else None


def skipped_runs(
    schedule: CronSchedule, base: datetime, horizon: datetime, now: datetime, limit: int = 100
) -> list[datetime]:
    """Return the next runs that a horizon skips, at most `limit`."""
    return [run for run in next_runs(schedule, base, None, now, limit) if run <= horizon]


def last_due_before(schedule: CronSchedule, base: datetime, now: datetime) -> datetime | None:
    """Return the last run after `base` up to now: for cancelling a skip, and to find missed runs."""
    first = schedule.next(base)
    if first is None or first > now:
        return None
    if schedule.every is not None:
        every = timedelta(seconds=schedule.every)
        return first + (now - first) // every * every
    base, now = base.astimezone(UTC), now.astimezone(UTC)  # arithmetic in a local zone would shift wall-clock times
    low, high = _bracket(schedule, max(base, now - _FARTHEST), now)
    while high - low > _SECOND:
        middle = low + (high - low) / 2
        low, high = (middle, high) if _has_run_between(schedule, middle, now) else (low, middle)
    run = schedule.next(low)
    return run if run is not None and run <= now else first


def _has_run_between(schedule: CronSchedule, after: datetime, now: datetime) -> bool:
    run = schedule.next(after)
    return run is not None and run <= now


def _bracket(schedule: CronSchedule, earliest: datetime, now: datetime) -> tuple[datetime, datetime]:
    """Return an instant with a run between it and now, and a later instant without one."""
    high, back = now, CHECK_INTERVAL
    while (low := now - back) > earliest:
        if _has_run_between(schedule, low, now):
            return low, high
        high, back = low, back * 2
    return earliest, high
