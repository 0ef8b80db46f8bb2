"""A year over fifty schedules: every run that did not come is told once, and nothing else is."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from random import Random

import pytest

from tracking.watchdog import Limits, Run, ScheduleView, WatchdogMemory, judge_schedule
from velero.cron import expression
from velero.cron.expression import Dialect
from velero.cron.schedule_clock import ScheduleTimes, next_check_after

BEGIN = datetime(2026, 1, 1, 0, 0, 19, tzinfo=UTC)
END = BEGIN + timedelta(days=365)
GRACE = timedelta(seconds=Limits().grace)
MINUTE = timedelta(minutes=1)
EXPRESSIONS = (
    "0 * * * *",
    "30 */6 * * *",
    *(f"{minute} {hour} * * *" for minute, hour in ((0, 1), (15, 2), (30, 2), (45, 23), (5, 12))),
    "CRON_TZ=Europe/Berlin 30 2 * * *",
    "CRON_TZ=America/New_York 30 1 * * *",
    "0 3 * * 1-5",
    "0 4 * * SUN",
    "@weekly",
    "0 0 1 * *",
)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo")

Span = tuple[datetime, datetime]


def inside(spans: list[Span], at: datetime) -> Span | None:
    return next((span for span in spans if span[0] <= at < span[1]), None)


@dataclass
class Year:
    """What a server does with one schedule: it is down at times, its store is, people pause and skip."""

    schedule: expression.CronSchedule
    down: list[Span] = field(default_factory=list)
    store_down: list[Span] = field(default_factory=list)
    skipped: list[Span] = field(default_factory=list)
    paused: list[Span] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def live(self) -> Year:
        """The server's own loop: the first look after what is due; one late run after an outage, no catching up."""
        base = BEGIN
        while (due := self.schedule.next(base)) is not None and due < END:
            if span := inside(self.skipped, due):
                base = span[1]
                continue
            if span := inside(self.paused, due):
                base = span[1]  # resumed by us: what fell into it is not made up for
                continue
            start = next_check_after(due, BEGIN)
            if span := inside(self.down, start):
                start = span[1]
            self.runs.append(self._run(start))
            base = start
        return self

    def _run(self, start: datetime) -> Run:
        if inside(self.store_down, start):
            return Run(f"b-{start:%Y%m%d%H%M%S}", "FailedValidation", start, refused="location is Unavailable")
        return Run(f"b-{start:%Y%m%d%H%M%S}", "Completed", start, start, start + timedelta(minutes=4))

    @cached_property
    def due(self) -> list[datetime]:
        return [each for each in self.schedule.runs(BEGIN, 9000) if each < END]

    def missed(self) -> set[datetime]:
        """By the meaning of the word: due, not held back, and nothing of use began in time."""
        good = [run.created for run in self.runs if run.phase == "Completed"]
        found = set()
        for at in self.due:
            if inside(self.skipped, at) or inside(self.paused, at) or at + GRACE > END - timedelta(hours=1):
                continue
            place = bisect_left(good, at)
            if place == len(good) or good[place] >= at + GRACE:
                found.add(at)
        return found

    def sight(self, now: datetime) -> ScheduleView:
        place = bisect_right(self.runs, now, key=lambda run: run.created)
        held = [span for span in (*self.skipped, *self.paused) if span[1] <= now or span in self.skipped]
        reached = [span[1] for span in held if span[0] <= now]
        last = self.runs[place - 1].created if place else None
        return ScheduleView(
            name="nightly",
            key=self.schedule.expr,
            schedule=self.schedule,
            marks=ScheduleTimes(BEGIN, last, max(reached) if reached else None),
            runs=self.runs[max(0, place - 120) : place],
            paused=inside(self.paused, now) is not None,
            paused_by_us=True,
            server=inside(self.down, now) is None,
        )


@dataclass
class Told:
    missed: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    recovered: set[str] = field(default_factory=set)
    causes: set[str] = field(default_factory=set)
    other: set[str] = field(default_factory=set)
    also: int = 0


def watched(year: Year, absent: list[Span]) -> Told:
    """The watchdog looks soon after each grace, and not at all while it is down itself."""
    memory, told = WatchdogMemory(checked=BEGIN, key=year.schedule.expr, period=_period(year)), Told()
    looks = sorted({*(at + GRACE + MINUTE for at in year.due), *(run.created + MINUTE for run in year.runs)})
    for now in looks:
        if inside(absent, now):
            continue
        memory, findings = judge_schedule(year.sight(now), memory, now, Limits())
        for finding in findings:
            target = {
                "schedule.missed": told.missed,
                "schedule.recovered": told.recovered,
                "schedule.ran-late": told.late,
            }
            target.get(finding.kind, told.other).add(finding.transition)
            told.causes |= {str(finding.facts["cause"])} if finding.kind == "schedule.missed" else set()
            told.also += int(finding.facts.get("also", 0))
    return told


def _period(year: Year) -> float:
    runs = year.schedule.runs(BEGIN, 9)
    return max((after - before).total_seconds() for before, after in pairwise(runs))


def schedules() -> list[expression.CronSchedule]:
    found = []
    for number in range(50):
        dialect = Dialect.ROBFIG if number % 3 else Dialect.NETRESEARCH
        expr = EXPRESSIONS[number % len(EXPRESSIONS)]
        expr = expr if number == 0 or expr != EXPRESSIONS[0] else "20 5 * * *"  # one that is hourly is enough work
        found.append(expression.parse(expr, ZONES[number % 4], dialect))
    return found


def spans(random: Random, count: int, shortest: timedelta, longest: timedelta) -> list[Span]:
    """Apart from each other, so that one trouble ends before the next begins."""
    found: list[Span] = []
    for number in range(count):
        start = BEGIN + timedelta(days=(number + 0.2 + 0.5 * random.random()) * 360 / count)
        length = shortest + (longest - shortest) * random.random()
        found.append((start.replace(second=19, microsecond=0), (start + length).replace(second=19, microsecond=0)))
    return found


@pytest.mark.parametrize("seed", range(50))
def test_a_quiet_year_is_quiet(seed: int) -> None:
    """With skips, pauses and restarts of the bot, through both changes of the clock."""
    random = Random(seed)
    year = Year(
        schedules()[seed],
        skipped=spans(random, 4, timedelta(hours=2), timedelta(days=3)),
        paused=spans(random, 3, timedelta(hours=1), timedelta(days=2)),
    ).live()
    told = watched(year, absent=spans(random, 6, timedelta(minutes=1), timedelta(days=4)))
    assert told == Told()


@pytest.mark.parametrize("seed", range(50))
def test_every_injected_miss_is_told(seed: int) -> None:
    """What the server did late enough to be told as late, is; the rest of the due runs of an outage is missed."""
    random = Random(seed)
    year = Year(
        schedules()[seed],
        down=spans(random, 5, timedelta(minutes=10), timedelta(days=2)),
        store_down=spans(random, 4, timedelta(hours=1), timedelta(days=1)),
    ).live()
    told = watched(year, absent=[])
    assert told.missed == {at.isoformat() for at in year.missed()}
    assert told.also == 0
    assert bool(told.recovered) == bool(told.missed)
    assert told.causes <= {"server-down", "unknown", "location-unavailable"}


@pytest.mark.parametrize("seed", range(0, 50, 5))
def test_what_was_missed_while_the_bot_was_down_is_found_at_its_start(seed: int) -> None:
    random = Random(seed)
    year = Year(schedules()[seed], down=spans(random, 5, timedelta(hours=1), timedelta(days=2))).live()
    absent = [(begin - timedelta(minutes=7), end + timedelta(hours=1)) for begin, end in year.down]
    told = watched(year, absent)
    missed = {at.isoformat() for at in year.missed()}
    assert told.missed <= missed
    assert len(told.missed) + len(told.late) + told.also == len(missed)
