"""Times that people type, relative to a now and in their zone."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import UserError
from domain.when import BadTime, Direction, parse

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 13, 0, tzinfo=UTC)  # a Saturday, 14:00 in Berlin


def read(text, towards=Direction.FUTURE, now=NOW):
    return parse(text, now, BERLIN, towards).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("now", "2026-11-21T13:00:00Z"),
        ("2026-11-21T14:30:00Z", "2026-11-21T14:30:00Z"),
        ("2026-11-21t14:30:00z", "2026-11-21T14:30:00Z"),
        ("2026-11-21 14:30:00+01:00", "2026-11-21T13:30:00Z"),
        ("2026-11-21T14:30:00+0100", "2026-11-21T13:30:00Z"),
        ("2026-11-21T14:30:00.250Z", "2026-11-21T14:30:00.250000Z"),
        ("2026-11-21T14:30:00.123456789Z", "2026-11-21T14:30:00.123456Z"),
        ("2026-11-21 14:30 UTC", "2026-11-21T14:30:00Z"),
        ("2026-11-21 14:30", "2026-11-21T13:30:00Z"),
        ("2026-11-21  14:30:05", "2026-11-21T13:30:05Z"),
        ("2026-07-01", "2026-06-30T22:00:00Z"),
        ("14:30", "2026-11-21T13:30:00Z"),
        ("at 14:30", "2026-11-21T13:30:00Z"),
        ("13:30", "2026-11-22T12:30:00Z"),
        ("14:00", "2026-11-22T13:00:00Z"),
        ("9:05", "2026-11-22T08:05:00Z"),
        ("today 09:00", "2026-11-21T08:00:00Z"),
        ("tomorrow 09:00", "2026-11-22T08:00:00Z"),
        ("Tomorrow at 09:00", "2026-11-22T08:00:00Z"),
        ("tomorrow", "2026-11-21T23:00:00Z"),
        ("yesterday 23:59", "2026-11-20T22:59:00Z"),
        ("monday 07:00", "2026-11-23T06:00:00Z"),
        ("Mon 07:00", "2026-11-23T06:00:00Z"),
        ("next monday", "2026-11-22T23:00:00Z"),
        ("last monday 07:00", "2026-11-16T06:00:00Z"),
        ("saturday 15:00", "2026-11-21T14:00:00Z"),
        ("saturday 13:00", "2026-11-28T12:00:00Z"),
        ("+2h", "2026-11-21T15:00:00Z"),
        ("+1d", "2026-11-22T13:00:00Z"),
        ("in 3 days", "2026-11-24T13:00:00Z"),
        ("in 1h30m", "2026-11-21T14:30:00Z"),
        ("-1h", "2026-11-21T12:00:00Z"),
        ("2h ago", "2026-11-21T11:00:00Z"),
        ("2 weeks ago", "2026-11-07T13:00:00Z"),
    ],
)
def test_an_instant_in_utc(text, instant):
    assert read(text) == instant


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("14:30", "2026-11-20T13:30:00Z"),
        ("13:30", "2026-11-21T12:30:00Z"),
        ("14:00", "2026-11-21T13:00:00Z"),
        ("monday 07:00", "2026-11-16T06:00:00Z"),
        ("saturday 13:00", "2026-11-21T12:00:00Z"),
        ("saturday 15:00", "2026-11-14T14:00:00Z"),
        ("next monday 07:00", "2026-11-23T06:00:00Z"),
    ],
)
def test_what_was_before_is_looked_for_in_the_past(text, instant):
    assert read(text, Direction.PAST) == instant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "isn't a time"),
        ("soon", "isn't a time"),
        ("someday 09:00", "isn't a time"),
        ("25:00", "isn't a time of day. Use 00:00 to 23:59"),
        ("14:60", "isn't a time of day. Use 00:00 to 23:59"),
        ("tomorrow 24:00", "isn't a time of day. Use 00:00 to 23:59"),
        ("2026-02-30 10:00", "isn't a valid date"),
        ("2026-13-01", "isn't a valid date"),
        ("2026-11-21T25:00:00Z", "isn't a valid time"),
        ("+2", "has no unit"),
        ("+0h", "must be greater than zero"),
        ("+-2h", "must be greater than zero"),
        ("in a while", "isn't a valid time: `a while` isn't a duration"),
        ("three days ago", "isn't a valid time: `three days` isn't a duration"),
        ("290y", "is a duration, not a time"),
        ("٣:30", "isn't a time"),
    ],
)
def test_what_is_no_time_is_refused_with_what_is_allowed(text, why):
    with pytest.raises(BadTime, match=why) as failed:
        read(text)
    assert isinstance(failed.value, UserError)
    assert "tomorrow 09:00" in failed.value.fix


@pytest.mark.parametrize(("towards", "meant"), [(Direction.FUTURE, "+2h"), (Direction.PAST, "2h ago")])
def test_a_bare_duration_is_corrected_in_the_direction_of_the_flag(towards, meant):
    with pytest.raises(BadTime, match="is a duration, not a time") as failed:
        read("2h", towards)
    assert failed.value.nearest == (meant,)


def test_beyond_the_calendar():
    with pytest.raises(BadTime, match="is too far away"):
        read("+290y", now=datetime(9800, 1, 1, tzinfo=UTC))


def test_a_time_that_the_clocks_leave_out_is_named():
    with pytest.raises(BadTime) as failed:
        read("2026-03-29 02:30")
    assert str(failed.value) == (
        "`2026-03-29 02:30` doesn't exist: on 2026-03-29, clocks in Europe/Berlin skip 02:30. Use 2026-03-29T01:30+01:00 or 2026-03-29T03:30+02:00."
    )


def test_a_time_that_comes_twice_is_named_with_both():
    with pytest.raises(BadTime) as failed:
        read("2026-10-25 02:30")
    assert str(failed.value) == (
        "`2026-10-25 02:30` is ambiguous: on 2026-10-25, clocks in Europe/Berlin show 02:30 twice. Use 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00."
    )


@pytest.mark.parametrize(
    ("text", "instant"),
    [("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00Z"), ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00Z")],
)
def test_either_of_the_two_can_be_said(text, instant):
    assert read(text) == instant


def test_hours_are_hours_where_clocks_change():
    eve = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
    assert read("+4h", now=eve) == "2026-10-25T02:00:00Z"
    assert read("+4h", now=eve.astimezone(BERLIN)) == "2026-10-25T02:00:00Z"


def test_the_same_clock_tomorrow_is_not_a_day_of_hours():
    eve = datetime(2026, 10, 24, 10, 0, tzinfo=UTC)  # 12:00 in Berlin
    assert read("tomorrow 12:00", now=eve) == "2026-10-25T11:00:00Z"


@given(st.text(max_size=30), st.sampled_from(Direction))
def test_any_text_is_a_time_or_a_plain_refusal(text, towards):
    with suppress(BadTime):
        assert parse(text, NOW, BERLIN, towards).utcoffset() == timedelta(0)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)))
def test_what_is_printed_with_its_offset_reads_back(moment):
    at = moment.replace(microsecond=0, tzinfo=UTC)
    assert parse(at.astimezone(BERLIN).isoformat(), NOW, ZoneInfo("Asia/Tokyo")) == at


@given(st.times())
def test_a_bare_clock_lies_within_a_day_on_the_side_that_is_meant(clock):
    text = clock.strftime("%H:%M")
    assert NOW < parse(text, NOW, BERLIN) <= NOW + timedelta(days=1)
    assert NOW - timedelta(days=1) < parse(text, NOW, BERLIN, Direction.PAST) <= NOW
