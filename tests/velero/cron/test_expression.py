"""When a schedule runs, and what a server says of one that it cannot read."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import UserError
from velero.cron import go_zone
from velero.cron.expression import CronError, Dialect, dialect_for, parse
from velero.cron.search import _Walk, next_run

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo", "America/Santiago", "Australia/Lord_Howe")


def times(expr, dialect=Dialect.ROBFIG, zone="UTC", after=NOON, count=2):
    return [run.strftime("%Y-%m-%d %H:%M") for run in parse(expr, zone, dialect).runs(after, count)]


def refusal(expr, dialect=Dialect.ROBFIG, zone="UTC"):
    with pytest.raises(CronError) as failed:
        parse(expr, zone, dialect)
    return failed.value


@pytest.mark.parametrize(
    ("version", "dialect"),
    [
        (None, Dialect.ROBFIG),
        ("", Dialect.ROBFIG),
        ("v1.15.2", Dialect.ROBFIG),
        ("v1.18.2", Dialect.ROBFIG),
        ("1.9", Dialect.ROBFIG),
        ("v1.19.0-rc.1", Dialect.NETRESEARCH),
        ("v1.19", Dialect.NETRESEARCH),
        ("v1.20.3", Dialect.NETRESEARCH),
        ("v2.0.0", Dialect.NETRESEARCH),
        ("main", Dialect.NETRESEARCH),
        ("main-3f2a1bc", Dialect.NETRESEARCH),
        ("custom", Dialect.ROBFIG),
    ],
)
def test_the_dialect_goes_by_the_servers_version(version, dialect):
    assert dialect_for(version) is dialect


def test_date_and_weekday_either_before_1_19():
    assert times("0 0 13 * 5") == ["2026-11-27 00:00", "2026-12-04 00:00"]


def test_date_and_weekday_both_from_1_19():
    assert times("0 0 13 * 5", Dialect.NETRESEARCH) == ["2027-08-13 00:00", "2028-10-13 00:00"]


def test_sunday_is_not_seven_before_1_19():
    assert str(refusal("0 0 * * 7")) == "end of range (7) above maximum (6): 7"


def test_sunday_is_seven_too_from_1_19():
    assert times("0 0 * * 7", Dialect.NETRESEARCH) == ["2026-11-22 00:00", "2026-11-29 00:00"]


def test_a_run_in_the_gap_is_left_out_before_1_19():
    eve = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert times("30 2 * * *", zone="Europe/Berlin", after=eve) == ["2026-03-30 00:30", "2026-03-31 00:30"]


def test_a_run_in_the_gap_happens_after_it_from_1_19():
    eve = datetime(2026, 3, 28, 12, tzinfo=UTC)
    runs = times("30 2 * * *", Dialect.NETRESEARCH, "Europe/Berlin", eve)
    assert runs == ["2026-03-29 01:30", "2026-03-30 00:30"]


@pytest.mark.parametrize("dialect", Dialect)
def test_an_hour_that_comes_twice_runs_twice(dialect):
    eve = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert times("30 2 * * *", dialect, "Europe/Berlin", eve) == ["2026-10-25 00:30", "2026-10-25 01:30"]


@pytest.mark.parametrize("dialect", Dialect)
def test_fractions_of_a_second_play_no_part(dialect):
    schedule = parse("0 12 * * *", "UTC", dialect)
    assert schedule.next(NOON - timedelta(microseconds=1)) == NOON
    assert schedule.next(NOON) == NOON + timedelta(days=1)


def test_the_zone_of_the_question_does_not_matter():
    schedule = parse("0 2 * * *", "Asia/Tokyo", Dialect.ROBFIG)
    assert schedule.next(NOON.astimezone(BERLIN)) == schedule.next(NOON)


def test_a_zone_may_be_given_ready_made():
    assert parse("0 2 * * *", BERLIN, Dialect.ROBFIG).next(NOON) == datetime(2026, 11, 22, 1, tzinfo=UTC)


def test_a_time_without_zone_is_no_question():
    with pytest.raises(TypeError):
        parse("0 2 * * *", "UTC", Dialect.ROBFIG).next(datetime(2026, 1, 1))


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("expr", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", ", * * * *"])
def test_a_date_that_never_comes(expr, dialect):
    schedule = parse(expr, "UTC", dialect)
    assert schedule.next(NOON) is None
    assert schedule.runs(NOON, 3) == []


def test_a_leap_day_too_far_away_is_never():
    schedule = parse("0 0 29 2 *", "UTC", Dialect.ROBFIG)
    assert schedule.next(datetime(2096, 3, 1, tzinfo=UTC)) is None
    assert schedule.next(datetime(2099, 3, 1, tzinfo=UTC)) == datetime(2104, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(("expr", "after"), [("0 0 1 1 *", 9999), ("@every 2000000h", 9990)])
def test_the_calendar_ends(expr, after):
    assert parse(expr, "UTC", Dialect.ROBFIG).next(datetime(after, 6, 1, tzinfo=UTC)) is None


def test_triggered_only_never_runs_by_itself():
    assert parse("@triggered", "UTC", Dialect.NETRESEARCH).next(NOON) is None


def test_every_counts_from_the_question():
    assert times("@every 90m", after=NOON + timedelta(seconds=7)) == ["2026-11-21 13:30", "2026-11-21 15:00"]


def test_a_day_that_a_zone_skips_does_not_block_the_search():
    schedule = parse("45 * */4 * 5", "Pacific/Apia", Dialect.NETRESEARCH)
    before = datetime(2011, 12, 30, 9, 30, tzinfo=UTC)
    assert schedule.next(before) == datetime(2012, 1, 12, 10, 45, tzinfo=UTC)  # 13 January, a Friday there


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        ("", "Schedule must be a non-empty valid Cron expression"),
        ("0 0 * * * *", "invalid schedule: expected exactly 5 fields, found 6: [0 0 * * * *]"),
        (
            "CRON_TZ=Nope/Zone 0 0 * * *",
            "invalid schedule: provided bad location Nope/Zone: unknown time zone Nope/Zone",
        ),
        ("CRON_TZ=Europe/Berlin", "invalid schedule: runtime error: slice bounds out of range [:-1]"),
    ],
)
def test_what_velero_writes_into_the_status(expr, says):
    error = refusal(expr)
    assert error.as_velero_says == says
    assert isinstance(error, UserError)


@pytest.mark.parametrize(
    ("zone", "says"),
    [
        ("Europe", "is a directory"),
        ("Europe/", "is a directory"),
        ("Europe/Berlin/", "not a directory"),
        ("Europe/Berlin/x", "not a directory"),
        ("europe/berlin", "unknown time zone europe/berlin"),
        ("../UTC", "time: invalid location name"),
        ("/UTC", "time: invalid location name"),
        ("x" * 300, "file name too long"),
        ("a\x00b", "invalid argument"),
    ],
)
def test_a_name_that_is_no_zone(zone, says):
    assert str(refusal(f"TZ={zone} 0 2 * * *")) == f"provided bad location {zone}: {says}"


def test_a_server_in_an_unknown_zone():
    assert str(refusal("0 2 * * *", zone="Nope/Zone")) == "unknown time zone Nope/Zone"


@pytest.mark.parametrize("name", ["Europe//Berlin", "Europe/./Berlin"])
def test_a_zone_by_a_roundabout_path(name):
    assert times(f"TZ={name} 0 2 * * *", count=1) == ["2026-11-22 01:00"]


field = st.sampled_from(["*", "0", "*/5", "1-4", "2", "30", "1,15", "*/2"])
hours = st.sampled_from(["*", "0", "1", "2", "3", "0-3", "*/2", "23"])
days = st.sampled_from(["*", "1", "29", "*/3", "1,15", "25-31"])
months = st.sampled_from(["*", "3", "10", "3,10", "*/2", "2"])
weekdays = st.sampled_from(["*", "0", "sun", "1-5", "5"])
exprs = st.tuples(field, hours, days, months, weekdays).map(" ".join)
instants = st.datetimes(datetime(2024, 1, 1), datetime(2035, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))


@given(exprs, st.sampled_from(ZONES), st.sampled_from(Dialect), instants)
def test_the_jump_lands_where_the_libraries_walk(expr, zone, dialect, after):
    schedule = parse(expr, zone, dialect)
    second = int(after.timestamp())
    clock = go_zone.zone_of(schedule.zone)
    assert next_run(schedule.table, clock, second) == _Walk(schedule.table, clock, second + 1).run()


@given(exprs, st.sampled_from(ZONES), st.sampled_from(Dialect), instants)
def test_runs_go_onwards(expr, zone, dialect, after):
    runs = parse(expr, zone, dialect).runs(after, 5)
    assert all(earlier < later for earlier, later in zip([after, *runs], runs, strict=False))


@given(exprs, st.sampled_from(Dialect), instants)
def test_a_run_matches_its_fields(expr, dialect, after):
    run = parse(expr, "UTC", dialect).next(after)
    if run is not None:
        fields = parse(expr, "UTC", dialect).table.fields
        assert fields.minute >> run.minute & fields.hour >> run.hour & fields.month >> run.month & 1
        date, weekday = fields.dom >> run.day & 1, fields.dow >> run.isoweekday() % 7 & 1
        assert date or weekday if fields.either else date and weekday


@given(st.text(max_size=40), st.sampled_from(Dialect))
def test_any_text_is_a_schedule_or_a_refusal(expr, dialect):
    with suppress(CronError):
        assert len(parse(expr, "UTC", dialect).runs(NOON, 3)) <= 3


@given(st.text(alphabet="0123456789*/-,? LWH#@everydailyTZ=UC", max_size=30), st.sampled_from(Dialect))
def test_nearly_cron_is_a_schedule_or_a_refusal(expr, dialect):
    test_any_text_is_a_schedule_or_a_refusal.hypothesis.inner_test(expr, dialect)
