"""What Velero would refuse is told in our words, with its own beside them."""

import pytest

from commands.schedule.cron_errors import explain_cron_error
from velero.cron.expression import CronError, Dialect, parse

EXPRESSIONS = {
    "CRON_TZ=UTC": "a time zone and no times after it",
    "CRON_TZ=": "a time zone and no times after it",
    "CRON_TZ=UTC 0 1 * *": "it has 4 of the five fields: minute, hour",
    "0 0 1 * * *": "it has 6 of the five fields",
    "61 * * * *": "61 is too large; the maximum is 59",
    "* * 0 * *": "0 is too small; the minimum is 1",
    "*/0 * * * *": "the step after / must be a whole number of at least 1",
    "x * * * *": "what is no number",
    "@every": "after @ stands hourly",
    "@evry 6h": "after @ stands hourly",
    "@every six hours": "after @every comes a duration",
    "CRON_TZ=Mars/Base 0 1 * * *": "unknown time zone",
    "1-2-3 * * * *": "a range has one -",
    "1/2/3 * * * *": "a step has one /",
    "": "it's empty",
}


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_a_fault_in_words(expr, dialect):
    with pytest.raises(CronError) as refused:
        parse(expr, "UTC", dialect)
    assert EXPRESSIONS[expr] in explain_cron_error(refused.value.as_velero_says)


def test_only_the_older_library_minds_a_range_that_runs_backwards():
    with pytest.raises(CronError) as refused:
        parse("5-1 * * * *", "UTC", Dialect.ROBFIG)
    assert "the range 5-1 is reversed" in explain_cron_error(refused.value.as_velero_says)


def test_what_nobody_foresaw_is_left_to_velero_s_words():
    assert explain_cron_error("invalid schedule: something new") == ""
