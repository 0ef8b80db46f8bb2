"""Velero's errors about cron expressions are explained."""

import pytest

from commands.schedule.cron_errors import explain_cron_error
from velero.cron.expression import CronError, Dialect, parse

EXPRESSIONS = {
    "CRON_TZ=UTC": "it has a time zone but no cron fields",
    "CRON_TZ=": "it has a time zone but no cron fields",
    "CRON_TZ=UTC 0 1 * *": "it has 4 fields instead of five (minute, hour",
    "0 0 1 * * *": "it has 6 fields instead of five",
    "61 * * * *": "61 is too large; the maximum is 59",
    "* * 0 * *": "0 is too small; the minimum is 1",
    "*/0 * * * *": "the step after / must be a whole number of at least 1",
    "x * * * *": "something that isn't a number",
    "@every": "after @ use hourly",
    "@evry 6h": "after @ use hourly",
    "@every six hours": "@every needs a duration",
    "CRON_TZ=Mars/Base 0 1 * * *": "unknown time zone",
    "1-2-3 * * * *": "a range can have one '-'",
    "1/2/3 * * * *": "a step can have one '/'",
    "": "it's empty",
}


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_an_error_is_explained(expr, dialect):
    with pytest.raises(CronError) as refused:
        parse(expr, "UTC", dialect)
    assert EXPRESSIONS[expr] in explain_cron_error(refused.value.as_velero_says)


def test_only_the_older_library_rejects_a_reversed_range():
    with pytest.raises(CronError) as refused:
        parse("5-1 * * * *", "UTC", Dialect.ROBFIG)
    assert "the range 5-1 is reversed" in explain_cron_error(refused.value.as_velero_says)


def test_an_unknown_error_has_no_explanation():
    assert explain_cron_error("invalid schedule: something new") == ""
