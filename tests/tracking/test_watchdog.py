"""One look of the watchdog: causes, lateness, what piles up, what is too old."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands.conditions import ConditionKind
from store.tables.conditions import Condition
from store.tables.observed import Observed
from tracking.watchdog import Limits, Run, ScheduleView, WatchdogFinding, WatchdogMemory, judge_schedule
from tracking.watchdog_kots import judge_series, rhythm
from tracking.watchdog_round import run_of
from velero.cron import expression
from velero.cron.expression import Dialect
from velero.cron.schedule_clock import ScheduleTimes

DAILY = expression.parse("0 1 * * *", "UTC", Dialect.ROBFIG)
NOW = datetime(2026, 11, 21, 1, 6, tzinfo=UTC)
DUE = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def run(at: datetime, phase: str = "Completed", **more: Any) -> Run:
    done = at + timedelta(minutes=4) if phase == "Completed" else None
    return Run(f"nightly-{at:%Y%m%d%H%M%S}", phase, at, **{"started": at, "completed": done, **more})


YESTERDAY = run(DUE - DAY + timedelta(seconds=19))
SIGHT = ScheduleView(
    name="nightly",
    key="0 1 * * *",
    schedule=DAILY,
    marks=ScheduleTimes(DUE - 10 * DAY, YESTERDAY.created),
    runs=(YESTERDAY,),
)
SEEN = WatchdogMemory(DUE - DAY, "0 1 * * *", period=DAY.total_seconds())


def look(sight: ScheduleView, memory: WatchdogMemory = SEEN, now: datetime = NOW) -> tuple[WatchdogFinding, ...]:
    return judge_schedule(sight, memory, now, Limits())[1]


def ran(*runs: Run) -> ScheduleView:
    return replace(SIGHT, runs=runs, marks=replace(SIGHT.marks, last_backup=runs[-1].created))


def test_a_run_in_time_is_no_news() -> None:
    assert look(ran(YESTERDAY, run(DUE + timedelta(seconds=19)))) == ()


def test_a_run_that_did_not_come_is_missed_after_its_grace_only() -> None:
    assert look(SIGHT, now=DUE + timedelta(minutes=4)) == ()
    (finding,) = look(SIGHT)
    assert (finding.kind, finding.transition) == ("schedule.missed", DUE.isoformat())


def test_it_is_told_once() -> None:
    memory, _ = judge_schedule(SIGHT, SEEN, NOW, Limits())
    assert look(SIGHT, memory, NOW + timedelta(hours=2)) == ()


def test_the_cause_is_named() -> None:
    hanging = run(DUE - timedelta(hours=1), "InProgress")
    refused = run(
        DUE + timedelta(seconds=19), "FailedValidation", refused="BackupStorageLocation is in Unavailable status"
    )
    sights = {
        "unknown": SIGHT,
        "server-down": replace(SIGHT, server=False),
        "paused-outside": replace(SIGHT, paused=True),
        "schedule-invalid": replace(SIGHT, valid=False),
        "name-too-long": replace(SIGHT, name="n" * 64),
        "blocked-by-own-run": replace(SIGHT, runs=(YESTERDAY, hanging)),
        "location-unavailable": ran(YESTERDAY, refused),
        "failed-validation": ran(YESTERDAY, replace(refused, refused="no such thing")),
    }
    causes = {
        cause: [each.facts["cause"] for each in look(sight) if each.kind == "schedule.missed"]
        for cause, sight in sights.items()
    }
    assert causes == {cause: [cause] for cause in sights}


def test_a_queued_run_of_its_own_does_not_block() -> None:
    queued = run(DUE - timedelta(hours=1), "Queued")
    assert look(replace(SIGHT, runs=(YESTERDAY, queued)))[0].facts["cause"] == "unknown"


def test_what_is_held_back_is_not_missed() -> None:
    assert look(replace(SIGHT, marks=replace(SIGHT.marks, last_skipped=DUE))) == ()
    assert look(replace(SIGHT, paused=True, paused_by_us=True)) == ()


def test_an_edited_schedule_owes_nothing_from_before() -> None:
    assert look(replace(SIGHT, key="0 1 * * *|other")) == ()


def test_a_schedule_seen_for_the_first_time_may_be_missing_already() -> None:
    assert [each.kind for each in look(SIGHT, WatchdogMemory())] == ["schedule.missed"]


def test_a_run_by_hand_does_not_stand_in() -> None:
    by_hand = replace(run(DUE + timedelta(seconds=30)), manual=True)
    assert [each.kind for each in look(replace(SIGHT, runs=(YESTERDAY, by_hand)))] == ["schedule.missed"]


def test_a_late_run_that_was_seen_only_afterwards_is_late() -> None:
    (finding,) = look(ran(YESTERDAY, run(DUE + timedelta(minutes=20))), now=DUE + timedelta(hours=2))
    assert (finding.kind, finding.transition) == ("schedule.ran-late", DUE.isoformat())


def test_it_recovers_with_the_next_run() -> None:
    memory, _ = judge_schedule(SIGHT, SEEN, NOW, Limits())
    found = look(ran(YESTERDAY, run(DUE + DAY + timedelta(seconds=19))), memory, NOW + DAY)
    assert [(each.kind, each.transition) for each in found] == [("schedule.recovered", DUE.isoformat())]


def test_runs_that_wait_behind_each_other_pile_up() -> None:
    waiting = [run(DUE - timedelta(hours=hours), "Queued") for hours in (3, 2)]
    found = look(ran(YESTERDAY, *waiting, run(DUE + timedelta(seconds=19))))
    assert [(each.kind, each.transition) for each in found] == [("schedule.piling-up", waiting[0].name)]


def test_a_last_good_backup_older_than_three_periods_is_told() -> None:
    bad = [run(DUE - days * DAY + timedelta(seconds=19), "Failed") for days in (3, 2, 1, 0)]
    good = run(DUE - 4 * DAY + timedelta(seconds=19))
    found = look(ran(good, *bad))
    assert [(each.kind, each.transition) for each in found] == [("schedule.no-good-backup", good.name)]
    assert look(ran(good, *bad[:-2]), now=NOW - 2 * DAY, memory=replace(SEEN, checked=DUE - 3 * DAY)) == ()


def test_a_run_that_takes_nearly_the_whole_period_is_told() -> None:
    long = replace(YESTERDAY, completed=YESTERDAY.created + timedelta(hours=22))
    found = look(ran(long, run(DUE + timedelta(seconds=19), "InProgress")))
    assert [each.kind for each in found] == ["schedule.near-period"]


def test_a_server_whose_clock_runs_ahead_is_told() -> None:
    ahead = replace(SIGHT, marks=replace(SIGHT.marks, last_backup=NOW + timedelta(minutes=10)))
    assert "schedule.clock-skew" in [each.kind for each in look(ahead)]


def test_every_counts_from_the_last_run_and_is_missed_once() -> None:
    every = expression.parse("@every 6h", "UTC", Dialect.ROBFIG)
    sight = replace(SIGHT, schedule=every)
    expected = YESTERDAY.created + timedelta(hours=6)
    memory, (finding, *_) = judge_schedule(sight, SEEN, expected + timedelta(minutes=6), Limits())
    assert finding.transition == expected.isoformat()
    kinds = [each.kind for each in look(sight, memory, expected + timedelta(hours=7))]
    assert "schedule.missed" not in kinds


def test_a_rhythm_needs_runs_that_are_even() -> None:
    even = [DUE + number * DAY for number in range(5)]
    assert rhythm(even) is not None
    assert rhythm(even[:3]) is None
    assert rhythm([DUE + timedelta(hours=number**3) for number in range(6)]) is None


def test_a_series_of_kots_recovers_by_its_next_run() -> None:
    runs = [run(DUE + number * DAY) for number in range(5)]
    after = [*runs, run(DUE + 6 * DAY)]
    (missed,) = judge_series("KOTS instance", runs, DUE + 6 * DAY - timedelta(hours=1), Limits())
    (recovered,) = judge_series("KOTS instance", after, DUE + 6 * DAY + timedelta(hours=1), Limits())
    assert (missed.kind, recovered.kind) == ("schedule.missed", "schedule.recovered")
    assert missed.transition == recovered.transition


def seen(generation: int) -> Observed:
    """A run of yesterday whose object was made today."""
    facts = {"created": NOW.isoformat(), "started": YESTERDAY.created.isoformat(), "generation": generation}
    return Observed("u1", YESTERDAY.name, "Completed", NOW, facts)


def test_a_backup_that_came_from_the_bucket_says_nothing_of_clocks() -> None:
    synced = run_of(seen(generation=1))
    assert synced is not None
    assert "schedule.clock-skew" not in [each.kind for each in look(replace(SIGHT, runs=(synced,)))]


def test_one_that_ran_here_does() -> None:
    ours = run_of(seen(generation=9))
    assert ours is not None
    assert "schedule.clock-skew" in [each.kind for each in look(replace(SIGHT, runs=(ours,)))]


def stood(kind: ConditionKind, since: timedelta, until: timedelta | None, subject: str = "") -> Condition:
    """A condition that began and ended relative to when the run was due."""
    return Condition("prod", kind.value, subject, DUE + since, None if until is None else DUE + until, told=True)


BRIEF = timedelta(seconds=50)


@pytest.mark.parametrize(
    ("condition", "cause"),
    [
        (stood(ConditionKind.SILENT, BRIEF, 3 * BRIEF), "server-down"),
        (stood(ConditionKind.SILENT, -BRIEF, None), "server-down"),
        (stood(ConditionKind.PAUSED, -BRIEF, BRIEF, "nightly"), "paused-outside"),
        (stood(ConditionKind.INVALID, -BRIEF, BRIEF, "nightly"), "schedule-invalid"),
        (stood(ConditionKind.UNREACHABLE, -BRIEF, BRIEF), "cluster-unreachable"),
        (stood(ConditionKind.PAUSED, -BRIEF, BRIEF, "weekly"), "unknown"),
        (stood(ConditionKind.SILENT, -3 * BRIEF, -BRIEF), "unknown"),
        (stood(ConditionKind.SILENT, timedelta(minutes=3), None), "unknown"),
    ],
)
def test_a_cause_that_is_over_still_explains_the_miss(condition: Condition, cause: str) -> None:
    (finding,) = look(replace(SIGHT, server=True, history=(condition,)))
    assert finding.facts["cause"] == cause


def told_of(period: int, starts: list[int], minutes: int, lasts: int = 0) -> list[str]:
    """What is told of a schedule with this period that begins a run at these minutes, looked at every half minute."""
    every = expression.parse(f"*/{period} * * * *", "UTC", Dialect.ROBFIG)
    runs = [run(DUE + timedelta(minutes=minute, seconds=20)) for minute in starts]
    runs = [replace(each, completed=each.created + timedelta(minutes=lasts, seconds=20)) for each in runs]
    memory = WatchdogMemory(DUE, "k", period=60.0 * period)
    told: list[str] = []
    for step in range(2 * minutes):
        now = DUE + timedelta(seconds=30 * step)
        begun = tuple(each for each in runs if each.created <= now)
        marks = ScheduleTimes(DUE - DAY, begun[-1].created if begun else None)
        sight = ScheduleView("nightly", "k", every, marks, begun)
        memory, findings = judge_schedule(sight, memory, now, Limits())
        told += [each.kind for each in findings if each.kind in {"schedule.missed", "schedule.recovered"}]
    return told


@pytest.mark.parametrize("starts", [list(range(0, 60, 2)), list(range(0, 60, 4)), list(range(60))])
def test_a_schedule_of_a_minute_that_leaves_runs_out_is_not_missed(starts: list[int]) -> None:
    assert told_of(1, starts, 60) == []


def test_a_schedule_of_a_minute_that_stops_is_missed_once_and_recovers_once() -> None:
    starts = [*range(10), *range(30, 60)]
    assert told_of(1, starts, 60) == ["schedule.missed", "schedule.recovered"]


def test_every_other_run_blocked_by_the_one_before_is_one_story() -> None:
    assert told_of(10, list(range(0, 240, 20)), 240, lasts=12) == ["schedule.missed"]
