"""Compares both dialects with recorded results of the two Go libraries."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from velero.cron.expression import CronError, Dialect, parse

DATA = Path(__file__).parents[2] / "data" / "cron"


def rows():
    for path in sorted(DATA.glob("*.json")):
        for number, row in enumerate(json.loads(path.read_text())):
            yield pytest.param(row, id=f"{path.stem}-{number}")


def z(moment):
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("row", list(rows()))
def test_says_what_the_library_says(row):
    if "error" in row:
        with pytest.raises(CronError) as failed:
            parse(row["expr"], row["server_tz"], Dialect(row["lib"]))
        said = ("PANIC: " if failed.value.panic else "") + str(failed.value)
        assert said == row["error"].replace("EMPTY", "empty spec string")
        return
    schedule = parse(row["expr"], row["server_tz"], Dialect(row["lib"]))
    expected = row.get("next", [])
    assert [z(run) for run in schedule.runs(datetime.fromisoformat(row["from"]), len(expected) or 1)] == expected
