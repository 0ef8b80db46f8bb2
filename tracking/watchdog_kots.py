"""Schedules of KOTS, which have no Schedule object: they are inferred from their backups, and nothing is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from domain.event import Severity
from tracking.watchdog import Limits, Run, WatchdogFinding

MIN_RUNS = 4
"""Runs that are needed before the interval counts as regular."""
PERIOD_TOLERANCE = 0.25
UNEVEN = 0.5


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The usual interval between runs, and when the last one began."""

    last: datetime
    period: timedelta

    @property
    def expected(self) -> datetime:
        return self.last + self.period

    def late_after(self, limits: Limits) -> datetime:
        return self.expected + max(self.period * PERIOD_TOLERANCE, timedelta(seconds=limits.grace))


def rhythm(times: Sequence[datetime]) -> Rhythm | None:
    """None where the runs are too few or too irregular to expect another one."""
    if len(times) < MIN_RUNS:
        return None
    gaps = sorted(after - before for before, after in pairwise(times[-11:]))
    middle = gaps[len(gaps) // 2]
    odd = sum(abs(gap - middle) > middle * UNEVEN for gap in gaps)
    if middle <= timedelta(0) or odd * 2 > len(gaps):
        return None
    return Rhythm(times[-1], middle)


def series_of_runs(runs: Iterable[tuple[str, Run]]) -> Mapping[str, list[Run]]:
    """Runs by series, oldest first; the infrastructure and application backups of one snapshot count as one run."""
    found: dict[str, list[Run]] = {}
    for key, run in sorted(runs, key=lambda each: (each[1].created, each[1].name)):
        mine = found.setdefault(key, [])
        if not mine or run.created - mine[-1].created > timedelta(minutes=2):
            mine.append(run)
    return found


def judge_series(name: str, runs: Sequence[Run], now: datetime, limits: Limits) -> tuple[WatchdogFinding, ...]:
    """The run that is missing now, or that the last run ended a gap."""
    times = [run.created for run in runs]
    known = rhythm(times)
    before = rhythm(times[:-1])
    if before is not None and times[-1] > before.late_after(limits):
        facts = {"schedule": name, "expected": before.expected.isoformat(), "backup": runs[-1].name}
        recovered = WatchdogFinding("schedule.recovered", before.expected.isoformat(), Severity.RECOVERY, facts)
        if known is None or now <= known.late_after(limits):
            return (recovered,)
    if known is None or now <= known.late_after(limits):
        return ()
    at = known.expected.isoformat()
    text = f"A run was expected at {known.expected:%Y-%m-%d %H:%M} UTC. The last run was {runs[-1].name}."
    facts = {"schedule": name, "expected": at, "cause": "kots", "message": text}
    return (WatchdogFinding("schedule.missed", at, Severity.FAILURE, facts),)
