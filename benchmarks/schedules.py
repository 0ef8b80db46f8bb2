"""The next 1,000 runs of 100 schedules, compared with croniter's own."""

from __future__ import annotations

from datetime import UTC, datetime

from croniter import croniter

from benchmarks.figure import Figure, in_turn
from velero.cron.expression import Dialect, parse

FORMS = ("{m} * * * *", "{m} {h} * * *", "{m} {h} * * 1-5", "*/15 {h} * * *", "{m} {h} 1,15 * *")
EXPRESSIONS = [FORMS[n % 5].format(m=n % 60, h=n % 24) for n in range(100)]
START = datetime(2026, 11, 21, 12, tzinfo=UTC)
RUNS = 1000


def ours() -> None:
    for expression in EXPRESSIONS:
        assert len(parse(expression, "Europe/Berlin", Dialect.ROBFIG).runs(START, RUNS)) == RUNS


def croniters() -> None:
    for expression in EXPRESSIONS:
        runs = croniter(expression, START)
        for _ in range(RUNS):
            runs.get_next(datetime)


def measure() -> Figure:
    value, floor = in_turn(ours, croniters, 3)
    return Figure("next 1,000 runs of 100 schedules", value, 3, "s", floor)
