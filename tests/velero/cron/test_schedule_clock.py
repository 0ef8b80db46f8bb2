"""Velero's own arithmetic: what it waits for, what comes, what is skipped, what was passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velero.cron.expression import Dialect, parse
from velero.cron.schedule_clock import (
    DueReason,
    ScheduleTimes,
    check_due,
    last_due_before,
    next_check_after,
    next_expected,
    next_runs,
    skip_until,
    skipped_runs,
    start_window,
)

DAILY = parse("0 2 * * *", "UTC", Dialect.ROBFIG)
EVERY = parse("@every 1h", "UTC", Dialect.ROBFIG)
NEVER = parse("0 0 30 2 *", "UTC", Dialect.ROBFIG)
SECOND = timedelta(seconds=1)


def at(day, hour=0, minute=0, second=0):
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


def test_a_new_schedule_counts_from_its_creation():
    assert next_expected(DAILY, ScheduleTimes(created=at(10, 12))) == at(11, 2)


def test_a_schedule_that_ran_counts_from_that_run():
    assert next_expected(DAILY, ScheduleTimes(created=at(1), last_backup=at(11, 2, 0, 40))) == at(12, 2)


def test_a_later_skip_counts_instead():
    assert next_expected(DAILY, ScheduleTimes(created=at(1), last_backup=at(11, 2), last_skipped=at(14, 2))) == at(
        15, 2
    )


def test_a_skip_that_came_too_late_has_no_effect():
    assert next_expected(
        DAILY, ScheduleTimes(created=at(1), last_backup=at(12, 2, 0, 5), last_skipped=at(12, 2))
    ) == at(13, 2)


def test_due_is_strictly_later():
    marks = ScheduleTimes(created=at(10, 12))
    assert check_due(DAILY, marks, at(11, 2)).reason is DueReason.NOT_YET
    assert check_due(DAILY, marks, at(11, 2, 0, 1)).reason is DueReason.DUE
    assert check_due(DAILY, marks, at(11, 2, 0, 1)).at == at(11, 2)
    assert not check_due(DAILY, marks, at(11, 2))


def test_a_date_that_never_comes_is_due_at_any_time_and_no_skip_helps():
    verdict = check_due(NEVER, ScheduleTimes(created=at(10), last_skipped=at(30)), at(11))
    assert verdict.reason is DueReason.ALWAYS
    assert verdict


def test_after_an_outage_one_late_run_then_the_cadence():
    marks = ScheduleTimes(created=at(1), last_backup=at(5, 2))
    assert check_due(DAILY, marks, at(9, 12)).at == at(6, 2)
    assert next_runs(DAILY, marks.base, None, at(9, 12), 2) == [at(10, 2), at(11, 2)]


@pytest.mark.parametrize(
    ("run", "starts"),
    [(at(11, 2), at(11, 2, 0, 17)), (at(11, 2, 0, 17), at(11, 2, 1, 17)), (at(1), at(10, 8, 0, 17))],
)
def test_the_server_looks_once_a_minute_from_its_own_start(run, starts):
    assert next_check_after(run, server_started=at(10, 8, 0, 17)) == starts


def test_where_the_servers_start_is_known_so_is_the_second():
    assert start_window(at(11, 2), at(10, 8, 0, 17)) == (at(11, 2, 0, 17), at(11, 2, 0, 17))


def test_where_it_is_not_a_run_is_up_to_a_minute_late():
    assert start_window(at(11, 2)) == (at(11, 2), at(11, 2, 1))


def test_nothing_comes_up_to_the_horizon():
    assert next_runs(DAILY, at(10, 2), at(13, 2), at(10, 12), 2) == [at(14, 2), at(15, 2)]


def test_a_horizon_between_two_runs_skips_what_lies_before():
    assert next_runs(DAILY, at(10, 2), at(13, 12), at(10, 12), 1) == [at(14, 2)]


def test_a_horizon_that_is_over_changes_nothing():
    assert next_runs(DAILY, at(10, 2), at(5), at(10, 12), 1) == [at(11, 2)]


def test_skip_two_is_the_second_coming_run():
    horizon = skip_until(DAILY, at(10, 2), at(10, 12), 2)
    assert horizon == at(12, 2)
    assert skipped_runs(DAILY, at(10, 2), horizon, at(10, 12)) == [at(11, 2), at(12, 2)]
    assert next_expected(DAILY, ScheduleTimes(created=at(1), last_backup=at(10, 2), last_skipped=horizon)) == at(13, 2)


def test_two_people_skipping_at_once_skip_once():
    first = skip_until(DAILY, at(10, 2), at(10, 12), 1)
    assert skip_until(DAILY, at(10, 2), at(10, 12, 1), 1) == first


def test_one_more_extends():
    first = skip_until(DAILY, at(10, 2), at(10, 12), 1)
    assert skip_until(DAILY, at(10, 2), at(10, 12), 1, horizon=first) == at(12, 2)


@pytest.mark.parametrize("n", [0, -1, 1])
def test_there_is_no_such_run(n):
    assert skip_until(NEVER, at(10), at(10, 12), n) is None


def test_every_counts_from_the_last_run():
    assert next_runs(EVERY, at(10, 11, 30), None, at(10, 12), 2) == [at(10, 12, 30), at(10, 13, 30)]


def test_an_overdue_every_goes_on_from_now():
    assert next_runs(EVERY, at(10, 5), None, at(10, 12), 2) == [at(10, 13), at(10, 14)]


def test_a_skipped_every_goes_on_from_the_horizon():
    horizon = skip_until(EVERY, at(10, 11, 30), at(10, 12), 2)
    assert horizon == at(10, 13, 30)
    assert next_runs(EVERY, at(10, 11, 30), horizon, at(10, 12), 1) == [at(10, 14, 30)]


@pytest.mark.parametrize(
    ("now", "passed"),
    [
        (at(10, 1), None),
        (at(10, 2), at(10, 2)),
        (at(10, 2, 0, 1), at(10, 2)),
        (at(13, 1, 59, 59), at(12, 2)),
    ],
)
def test_the_last_run_already_passed(now, passed):
    assert last_due_before(DAILY, at(9, 12), now) == passed


def test_the_last_run_passed_long_after_the_base():
    schedule = parse("0 0 29 2 *", "UTC", Dialect.ROBFIG)
    base = datetime(2001, 1, 1, tzinfo=UTC)
    assert last_due_before(schedule, base, at(10)) == datetime(2024, 2, 29, tzinfo=UTC)


def test_the_last_beat_of_every():
    assert last_due_before(EVERY, at(10, 11, 30), at(10, 15)) == at(10, 14, 30)
    assert last_due_before(EVERY, at(10, 11, 30), at(10, 12)) is None


def test_nothing_passes_that_never_comes():
    assert last_due_before(NEVER, at(1), at(10)) is None


def test_taking_a_skip_back_fires_nothing_overdue():
    """Unskip writes max(value before, last occurrence passed); then the next coming run happens, none at once."""
    now = at(12, 12)
    mended = last_due_before(DAILY, at(10, 2), now)
    marks = ScheduleTimes(created=at(1), last_backup=at(10, 2), last_skipped=mended)
    assert not check_due(DAILY, marks, now)
    assert next_expected(DAILY, marks) == at(13, 2)


expressions = st.sampled_from(["*/15 * * * *", "0 2 * * *", "30 1,2 * * 0", "0 0 1 * *", "@every 90m", "5 4 29 2 *"])
zones = st.sampled_from(["UTC", "Europe/Berlin", "Africa/Cairo"])
instants = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))


@given(expressions, zones, instants, st.timedeltas(timedelta(0), timedelta(days=400)))
def test_what_was_passed_last_leaves_nothing_overdue(expr, zone, base, span):
    schedule = parse(expr, zone, Dialect.ROBFIG)
    passed = last_due_before(schedule, base, base + span)
    if passed is None:
        assert (schedule.next(base) or base + span + SECOND) > base + span
    else:
        assert base < passed <= base + span
        assert schedule.next(passed) > base + span


@given(expressions, zones, instants, st.integers(1, 12))
def test_a_skip_skips_exactly_n(expr, zone, now, n):
    schedule = parse(expr, zone, Dialect.ROBFIG)
    runs = next_runs(schedule, now, None, now, n + 1)
    if len(runs) == n + 1:
        horizon = skip_until(schedule, now, now, n)
        assert skipped_runs(schedule, now, horizon, now) == runs[:n]
        assert next_runs(schedule, now, horizon, now, 1) == runs[n:]
