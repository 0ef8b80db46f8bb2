"""Durations as Go reads and prints them, and as people type them."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.duration import (
    DAY,
    HOUR,
    MAX_DURATION,
    MINUTE,
    SECOND,
    BadDuration,
    DurationFlaw,
    format_go,
    format_human,
    from_timedelta,
    parse,
    parse_go,
    parse_positive,
    to_timedelta,
)
from domain.errors import UserError


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("-0", 0),
        ("1ns", 1),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("1μs", 1_000),
        ("1ms", 1_000_000),
        ("1h30m", 90 * MINUTE),
        ("30m1h", 90 * MINUTE),
        ("1.5h", 90 * MINUTE),
        (".5m", 30 * SECOND),
        ("1.m", MINUTE),
        ("-1.5h", -90 * MINUTE),
        ("+5s", 5 * SECOND),
        ("720h0m0s", 720 * HOUR),
        ("0.333333333333333333h", 1_199_999_999_999),
        ("0.3333333333333333333h", 1_200_000_000_000),
        ("0.100000000000000000000h", 360_000_000_000),
        ("0.9223372036854775807h", 3_320_413_933_267),
        ("2562047h47m16.854775807s", MAX_DURATION),
        ("-2562047h47m16.854775808s", -MAX_DURATION - 1),
        ("9007199254740993ns", 9_007_199_254_740_993),
        ("0.0000000000000000000000000000001h", 0),
    ],
)
def test_reads_what_go_reads(text, ns):
    assert parse_go(text) == ns


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("", DurationFlaw.SHAPE),
        ("-", DurationFlaw.SHAPE),
        (".", DurationFlaw.SHAPE),
        (".s", DurationFlaw.SHAPE),
        ("-.s", DurationFlaw.SHAPE),
        ("h", DurationFlaw.SHAPE),
        (" 1h", DurationFlaw.SHAPE),
        ("--1h", DurationFlaw.SHAPE),
        ("1h-1m", DurationFlaw.UNIT),
        ("1h 2m", DurationFlaw.UNIT),
        ("3", DurationFlaw.NO_UNIT),
        ("1h30", DurationFlaw.NO_UNIT),
        ("1.2.3s", DurationFlaw.NO_UNIT),
        ("00", DurationFlaw.NO_UNIT),
        ("1d", DurationFlaw.UNIT),
        ("1H", DurationFlaw.UNIT),
        ("٣h", DurationFlaw.SHAPE),
        ("9223372036854775808ns", DurationFlaw.TOO_LONG),
        ("9223372036854775809ns", DurationFlaw.TOO_LONG),
        ("2562048h", DurationFlaw.TOO_LONG),
        ("2562047h47m16.854775808s", DurationFlaw.TOO_LONG),
        ("-9223372036854775809ns", DurationFlaw.TOO_LONG),
        ("9" * 5000 + "h", DurationFlaw.TOO_LONG),
    ],
)
def test_refuses_what_go_refuses(text, flaw):
    with pytest.raises(BadDuration) as failed:
        parse_go(text)
    assert failed.value.flaw is flaw


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("3 years", "26298h0m0s"),
        ("5 weeks", "840h0m0s"),
        ("2 weeks", "336h0m0s"),
        ("6 months", "4320h0m0s"),
        ("1 day", "24h0m0s"),
        ("1000 seconds", "16m40s"),
        ("500 minutes", "8h20m0s"),
        ("1000 s", "16m40s"),
        ("500 min", "8h20m0s"),
        ("12 Hours", "12h0m0s"),
        ("1d", "24h0m0s"),
        ("2w", "336h0m0s"),
        ("6mo", "4320h0m0s"),
        ("1y", "8766h0m0s"),
        ("1.5d", "36h0m0s"),
        ("1w2d", "216h0m0s"),
        ("  30d ", "720h0m0s"),
        ("720h0m0s", "720h0m0s"),
        ("3\u00a0days", "72h0m0s"),
        ("90m", "1h30m0s"),
    ],
)
def test_reads_what_people_type(typed, printed):
    assert format_go(parse(typed)) == printed


@pytest.mark.parametrize(
    "text", ["7years", "three decades", "3 decades", "1 2", "ten days", "3days", "1 d 2", "1mon", "1D", "-3 days"]
)
def test_refuses_what_nobody_can_be_sure_of_and_says_what_is_allowed(text):
    with pytest.raises(BadDuration, match=r"Use a number with a unit, for example .*30d.*3 years") as failed:
        parse(text)
    assert isinstance(failed.value, UserError)
    assert f"`{text}`" in failed.value.text


def test_an_unknown_unit_is_named():
    with pytest.raises(BadDuration, match="`3 decades` has an unknown unit `decades`"):
        parse("3 decades")


@pytest.mark.parametrize("text", ["300 years", "106752d", "99999999999999999999 days"])
def test_longer_than_go_can_hold_is_too_long(text):
    with pytest.raises(BadDuration) as failed:
        parse(text)
    assert failed.value.flaw is DurationFlaw.TOO_LONG


@pytest.mark.parametrize("text", ["0", "0s", "-1h"])
def test_what_has_to_last_is_longer_than_nothing(text):
    with pytest.raises(BadDuration, match="must be greater than zero"):
        parse_positive(text)


def test_what_lasts_is_taken():
    assert parse_positive("30d") == 30 * DAY


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1µs"),
        (2_200_000, "2.2ms"),
        (999_999_999, "999.999999ms"),
        (SECOND, "1s"),
        (3_300_000_000, "3.3s"),
        (245 * SECOND, "4m5s"),
        (245_001_000_000, "4m5.001s"),
        (18_367_001_000_000, "5h6m7.001s"),
        (480_000_000_001, "8m0.000000001s"),
        (720 * HOUR, "720h0m0s"),
        (-90 * MINUTE, "-1h30m0s"),
        (MAX_DURATION, "2562047h47m16.854775807s"),
        (-MAX_DURATION - 1, "-2562047h47m16.854775808s"),
    ],
)
def test_prints_as_go_prints(ns, text):
    assert format_go(ns) == text


@given(st.integers(-MAX_DURATION - 1, MAX_DURATION))
def test_what_is_printed_reads_back(ns):
    assert abs(parse_go(format_go(ns)) - ns) <= 1  # Go itself loses a nanosecond in some fractions


@given(st.text(alphabet="0123456789.hmsdwyoµun+- ", max_size=24))
def test_any_text_is_a_duration_or_a_plain_refusal(text):
    with suppress(BadDuration):
        assert -MAX_DURATION - 1 <= parse(text) <= MAX_DURATION


@given(st.text(alphabet="0123456789.hms", max_size=12))
def test_people_may_type_all_that_go_reads(text):
    try:
        expected = parse_go(text)
    except BadDuration:
        return
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("720h", "1 month"),
        ("4320h", "6 months"),
        ("8766h", "1 year"),
        ("336h", "2 weeks"),
        ("240h", "10 days"),
        ("25h", "25 hours"),
        ("90m", "90 minutes"),
        ("1s", "1 second"),
        ("1.5s", "1.5s"),
        ("0", "0s"),
        ("-2h", "-2 hours"),
    ],
)
def test_people_read_the_largest_exact_unit(text, words):
    assert format_human(parse_go(text)) == words


@given(st.timedeltas(min_value=timedelta(days=-1000), max_value=timedelta(days=1000)))
def test_python_and_go_mean_the_same_span(span):
    assert to_timedelta(from_timedelta(span)) == span
