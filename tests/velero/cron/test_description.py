"""Expressions in words, and warnings of what people trip over."""

from __future__ import annotations

import pytest

from velero.cron.description import PRESETS, Trap, describe, find_traps, preset_name
from velero.cron.expression import CronError, Dialect


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("0 * * * *", "every hour"),
        ("15 * * * *", "at minute 15 past every hour"),
        ("5/15 * * * *", "at minutes 5, 20, 35 and 50 past every hour"),
        ("0 2 * * *", "every day at 02:00"),
        ("30 2,14 * * *", "every day at 02:30 and 14:30"),
        ("0 */6 * * *", "every 6 hours"),
        ("15 */6 * * 1", "every 6 hours at minute 15, every Monday"),
        ("*/15 8-18 * * 1-5", "every 15 minutes during hours 8 to 18, on Monday to Friday"),
        ("0-29 7 * * *", "at minutes 0 to 29 during hour 7"),
        ("0 0 * * 0", "every Sunday at 00:00"),
        ("0 0 * * MON-FRI", "on Monday to Friday at 00:00"),
        ("0 9 * jun 1,3", "on Monday and Wednesday in June at 09:00"),
        ("0 0 1 * *", "on the 1st of the month at 00:00"),
        ("0 3 1,15,22,23 jan,jul *", "on the 1st, 15th, 22nd and 23rd of January and July at 03:00"),
        ("0 0 11-13 * *", "on the 11th to 13th of the month at 00:00"),
        ("15 0 */4 * *", "on every 4th day, 1st to 29th, of the month at 00:15"),
        ("0 0 * 6 *", "every day in June at 00:00"),
        ("*/5 * * 1 *", "every 5 minutes, every day in January"),
        ("@weekly", "every Sunday at 00:00"),
        ("@yearly", "on the 1st of January at 00:00"),
        ("@every 90m", "every 90 minutes, counted from the start of the previous run"),
        ("@every 24h", "every day, counted from the start of the previous run"),
        ("@every 1m30s", "every 90 seconds, counted from the start of the previous run"),
        ("CRON_TZ=Europe/Berlin 30 2 * * *", "every day at 02:30 (Europe/Berlin time)"),
        ("TZ= @daily", "every day at 00:00 (UTC time)"),
        (", * * * *", "never: the expression matches no time"),
    ],
)
def test_in_words(expr, words):
    assert describe(expr) == words


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        (Dialect.ROBFIG, "on the 13th of the month and every Friday at 00:00"),
        (Dialect.NETRESEARCH, "on the 13th of the month, but only if it's a Friday, at 00:00"),
    ],
)
def test_the_same_expression_means_different_days(dialect, words):
    assert describe("0 0 13 * 5", dialect) == words


def test_expressions_that_only_the_newer_server_accepts():
    assert describe("0 22-1 * * FRI-MON", Dialect.NETRESEARCH) == (
        "on Sunday, Monday, Friday and Saturday at 00:00, 01:00, 22:00 and 23:00"
    )
    assert describe("@triggered", Dialect.NETRESEARCH) == "never"
    assert describe("0 0 , * 1", Dialect.NETRESEARCH) == "never: the expression matches no time"


def test_an_expression_that_the_server_refuses_has_no_description():
    with pytest.raises(CronError, match="found 6"):
        describe("0 0 2 * * *")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hourly", "every hour"),
        ("daily", "every day at 00:00"),
        ("weekly", "every Monday at 00:00"),
        ("monthly", "on the 1st of the month at 00:00"),
    ],
)
def test_presets(name, words):
    assert describe(PRESETS[name]) == words
    assert preset_name(PRESETS[name]) == name


def test_a_preset_is_recognized_in_any_spelling():
    assert preset_name(" 0 0  * * mon") == "weekly"
    assert preset_name("0 0 * * 2") is None


@pytest.mark.parametrize(
    ("expr", "dialect", "trap", "says"),
    [
        ("0 0 * * 7", Dialect.ROBFIG, Trap.WEEKDAY_SEVEN, "Use 0 or SUN for Sunday"),
        ("0 0 * * 1,7", Dialect.ROBFIG, Trap.WEEKDAY_SEVEN, "Use 0 or SUN for Sunday"),
        ("CRON_TZ=Asia/Tokyo 0 0 * * 5-7", Dialect.ROBFIG, Trap.WEEKDAY_SEVEN, "Use 0 or SUN for Sunday"),
        ("0 0 2 * * *", Dialect.ROBFIG, Trap.SIX_FIELDS, "five fields, without seconds"),
        ("0 0 2 * * *", Dialect.NETRESEARCH, Trap.SIX_FIELDS, "five fields, without seconds"),
        ("@weekly", Dialect.ROBFIG, Trap.WEEKLY_IS_SUNDAY, "Monday"),
        ("0 0 13 * 5", Dialect.ROBFIG, Trap.DATE_AND_WEEKDAY, "match the day of the month or the weekday"),
        ("0 0 13 * 5", Dialect.NETRESEARCH, Trap.DATE_AND_WEEKDAY, "both the day of the month and the weekday"),
        ("0 0 30 2 *", Dialect.ROBFIG, Trap.NEVER, "The expression matches no date"),
        ("0 0 29 2 1", Dialect.NETRESEARCH, Trap.NEVER, "no date in the next five years"),
        ("@triggered", Dialect.NETRESEARCH, Trap.NEVER, "always due"),
        ("@never", Dialect.ROBFIG, Trap.KOTS_WORD, "pause the schedule"),
        ("@default", Dialect.ROBFIG, Trap.KOTS_WORD, "write a cron expression"),
        ("@Daily", Dialect.ROBFIG, Trap.CAPITALS, "@daily"),
        ("@every 30s", Dialect.ROBFIG, Trap.UNDER_A_MINUTE, "once a minute"),
        ("@every 24h", Dialect.ROBFIG, Trap.DRIFT, "drifts"),
    ],
)
def test_traps(expr, dialect, trap, says):
    assert any(warning.trap is trap and says in warning.text for warning in find_traps(expr, dialect))


@pytest.mark.parametrize(
    "expr", ["0 2 * * *", "0 0 * * MON", "0 0 29 2 *", "*/15 * * * *", "0 0 */2 * *", "@daily", "x"]
)
def test_nothing_to_warn_of(expr):
    assert find_traps(expr, Dialect.ROBFIG) == []


def test_weekday_seven_is_no_trap_from_1_19():
    assert find_traps("0 0 * * 7", Dialect.NETRESEARCH) == []
