"""Forecast of a schedule: its expression as this server parses it, the times it counts from, and its next runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from commands.planning import object_fields
from commands.planning.context import ClusterView, PlanContext
from domain.json_types import Json
from velero.cron import expression, schedule_clock
from velero.cron.description import describe
from velero.cron.schedule_clock import ScheduleTimes

RUNS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Forecast:
    """`schedule` is None where Velero rejects the expression; `error` is why."""

    name: str
    expr: str
    schedule: expression.CronSchedule | None
    error: str
    marks: ScheduleTimes
    paused: bool
    now: datetime

    @property
    def horizon(self) -> datetime | None:
        """Until when no run starts; None if that has passed."""
        until = self.marks.last_skipped
        return until if until is not None and until > self.now else None

    def runs(self, count: int = RUNS_SHOWN, *, without_horizon: bool = False) -> list[datetime]:
        """The next runs; of a paused schedule, the ones that it would have."""
        if self.schedule is None:
            return []
        horizon = None if without_horizon else self.marks.last_skipped
        return schedule_clock.next_runs(self.schedule, self.marks.last_run, horizon, self.now, count)

    def nth(self, count: int, *, more: bool = False) -> datetime | None:
        if self.schedule is None:
            return None
        horizon = self.horizon if more else None
        return schedule_clock.skip_until(self.schedule, self.marks.last_run, self.now, count, horizon=horizon)

    def skipped(self, until: datetime, limit: int = 100) -> list[datetime]:
        if self.schedule is None:
            return []
        return schedule_clock.skipped_runs(self.schedule, self.marks.last_run, until, self.now, limit)

    @property
    def last_passed(self) -> datetime | None:
        if self.schedule is None:
            return None
        return schedule_clock.last_due_before(self.schedule, self.marks.last_run, self.now)

    @property
    def period(self) -> float | None:
        """The longest gap between the next runs, in seconds."""
        gaps = self._gaps()
        return max(gaps) if gaps else None

    @property
    def closest(self) -> float | None:
        gaps = self._gaps()
        return min(gaps) if gaps else None

    def _gaps(self) -> list[float]:
        runs = self.schedule.runs(self.now, 9) if self.schedule is not None else []
        return [(after - before).total_seconds() for before, after in pairwise(runs)]


def make_forecast(item: Json, view: ClusterView, now: datetime) -> Forecast:
    """The forecast of a Schedule object, as this cluster's server would decide."""
    spec, status = object_fields.spec(item), object_fields.status(item)
    expr = str(spec.get("schedule") or "")
    found, error = parse_expression(expr, view)
    created = object_fields.parse_time((item.get("metadata") or {}).get("creationTimestamp"))
    marks = ScheduleTimes(
        created or now,
        object_fields.parse_time(status.get("lastBackup")),
        object_fields.parse_time(status.get("lastSkipped")),
    )
    return Forecast(object_fields.name(item), expr, found, error, marks, spec.get("paused") is True, now)


def parse_expression(expr: str, view: ClusterView) -> tuple[expression.CronSchedule | None, str]:
    try:
        return expression.parse(expr, view.velero_timezone, dialect(view)), ""
    except expression.CronError as wrong:
        return None, wrong.as_velero_says


def dialect(view: ClusterView) -> expression.Dialect:
    return expression.dialect_for(view.server_version or None)


def describe_expression(found: Forecast, view: ClusterView) -> str:
    return (
        describe(found.expr, dialect(view)) if found.schedule is not None else "never (Velero rejects the expression)"
    )


def forecast_lines(found: Forecast, context: PlanContext) -> tuple[str, ...]:
    """The schedule in words, and its next three runs in the reader's zone and the server's."""
    if found.schedule is None:
        return (f"{found.name}: Velero rejects `{found.expr}`: {found.error}",)
    said = [f"{found.name} runs {describe_expression(found, context.cluster)} ({found.expr})."]
    if found.paused:
        return (*said, "Paused: no next run.")
    runs = found.runs()
    if not runs:
        return (*said, "No next run.")
    if found.horizon is not None:
        said.append(f"No runs until {in_both_zones(found.horizon, context)}.")
    said.append(f"Next runs: {list_runs(runs, context.timezone)}.")
    if zone_of(context.timezone) != zone_of(context.cluster.velero_timezone):
        said.append(f"In the server's time zone: {list_runs(runs, context.cluster.velero_timezone)}.")
    return tuple(said)


def zone_of(name: str) -> tzinfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def format_clock(at: datetime, where: str) -> str:
    shown = at.astimezone(zone_of(where))
    return shown.strftime("%a %Y-%m-%d %H:%M" + (":%S" if shown.second else ""))


def list_runs(runs: Iterable[datetime], where: str) -> str:
    return f"{', '.join(format_clock(run, where) for run in runs)} ({where or 'UTC'})"


def in_both_zones(at: datetime, context: PlanContext) -> str:
    """A time in the reader's zone, and in the server's where its clock differs."""
    mine, server = context.timezone or "UTC", context.cluster.velero_timezone
    if at.astimezone(zone_of(mine)).utcoffset() == at.astimezone(zone_of(server)).utcoffset():
        return f"{format_clock(at, mine)} {mine}"
    return f"{format_clock(at, mine)} {mine} ({format_clock(at, server)} {server})"
