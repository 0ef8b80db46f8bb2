"""What Velero would refuse is told in our words, with its own beside them."""

import pytest

from commands.schedule.cron_errors import explain_cron_error
from velero.cron.expression import CronError, Dialect, parse

EXPRESSIONS = {
    "CRON_TZ=UTC": "a time zone and no times after it",
    "CRON_TZ=": "a time zone and no times after it",
    "CRON_TZ=UTC 0 1 * *": "it has 4 of the five fields: minute, hour",
    "0 0 1 * * *": "it has 6 of the five fields",
    "61 * * * *": "61 is too large, at most 59 can stand there",
    "* * 0 * *": "0 is too small, at least 1 has to stand there",
    "*/0 * * * *": "a step after / is a whole number from 1 on",
    "x * * * *": "what is no number",
    "@every": "after @ stands hourly",
    "@evry 6h": "after @ stands hourly",
    "@every six hours": "after @every comes a duration",
    "CRON_TZ=Mars/Base 0 1 * * *": "there is no such time zone",
    "1-2-3 * * * *": "a range has one -",
    "1/2/3 * * * *": "a step has one /",
    "": "it is empty",
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
    assert "the range from 5 to 1 runs backwards" in explain_cron_error(refused.value.as_velero_says)


def test_what_nobody_foresaw_is_left_to_velero_s_words():
    assert explain_cron_error("invalid schedule: something new") == ""
