"""What lasts is told when it begins and when it is seen to be over, and not at every look."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from commands import conditions
from commands.conditions import ConditionKind
from domain.event import Event, Severity
from store.tables.conditions import Condition
from store.transaction import Transaction
from tests.tracking.test_watchdog import DUE, NOW, SIGHT, YESTERDAY, run
from tracking.watchdog import Run, ScheduleView, WatchdogFinding
from tracking.watchdog_conditions import LASTING_FINDINGS, without_repeats

HOUR = timedelta(hours=1)
FOUND = {kind: WatchdogFinding(kind, "x", Severity.WARNING) for kind in LASTING_FINDINGS}


def standing(kind: ConditionKind) -> ScheduleView:
    return replace(SIGHT, history=(Condition("prod", kind.value, "nightly", DUE, told=True),))


def kinds(sight: ScheduleView, *findings: WatchdogFinding) -> list[str]:
    return [each.kind for each in without_repeats(sight, findings)]


@pytest.mark.parametrize("kind", LASTING_FINDINGS)
def test_it_is_told_when_it_begins_and_not_while_it_stands(kind: str) -> None:
    assert kinds(SIGHT, FOUND[kind]) == [kind]
    waiting = replace(standing(LASTING_FINDINGS[kind].kind), runs=(replace(YESTERDAY, phase="Queued"),))
    assert kinds(waiting, FOUND[kind]) == []
    assert kinds(waiting) == []


@pytest.mark.parametrize("kind", LASTING_FINDINGS)
def test_its_end_is_told_by_what_shows_it(kind: str) -> None:
    after = replace(standing(LASTING_FINDINGS[kind].kind), runs=(YESTERDAY, run(DUE + HOUR)))
    assert kinds(after) == [LASTING_FINDINGS[kind].ended]


def skewed(by: timedelta) -> Run:
    return run(DUE + HOUR, started=DUE + HOUR + by)


def test_a_clock_is_not_right_because_nothing_ran_or_because_time_caught_up() -> None:
    sight = standing(ConditionKind.SKEWED)
    assert kinds(sight) == []
    assert kinds(replace(sight, runs=(skewed(timedelta(minutes=10)),))) == []


def test_the_store_remembers_both_ways(tx: Transaction) -> None:
    begun = Event("schedule.no-good-backup", "prod", "c", "Schedule", "u1", "nightly", "t", NOW, Severity.FAILURE)
    conditions.record_event(tx, begun)
    assert [each.kind for each in tx.conditions.all_current("prod")] == [ConditionKind.STALE]
    conditions.record_event(tx, replace(begun, kind="schedule.good-again"))
    assert tx.conditions.all_current("prod") == ()
