"""The batch mode: a line in, an answer out, whatever the line holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velero.cron.line_answers import answer_line

DATA = Path(__file__).parents[2] / "data" / "cron"
LINE = {"expr": "0 2 * * *", "server_tz": "UTC", "from": "2026-01-15T12:00:00Z", "count": 2, "dialect": "robfig"}


@pytest.mark.parametrize("name", ["vectors_robfig", "vectors_netresearch", "extra_robfig", "extra_netresearch"])
def test_every_row_is_answered_as_the_library_did(name):
    for row in json.loads((DATA / f"{name}.json").read_text()):
        line = {key: row[key] for key in ("expr", "server_tz", "from") if key in row}
        said = answer_line({**line, "dialect": row["lib"], "count": len(row.get("next", [])) or 4})
        wanted = {"next": []} if row.get("no_next") else {}
        assert said == wanted | {key: row[key] for key in ("next", "no_next", "error") if key in row}, row


def test_times_are_whole_seconds_of_utc():
    assert answer_line(LINE) == {"next": ["2026-01-16T02:00:00Z", "2026-01-17T02:00:00Z"]}


def test_the_question_may_stand_in_any_zone():
    assert answer_line({**LINE, "from": "2026-01-16T04:59:59.999999999+03:00"}) == answer_line(LINE)


def test_what_is_left_out_has_its_usual_value():
    assert answer_line({"expr": "0 2 * * *", "from": "2026-01-15T12:00:00Z"}) == {"next": ["2026-01-16T02:00:00Z"]}


def test_now_stands_in_for_the_time():
    now = datetime(2026, 1, 15, 12, tzinfo=UTC)
    assert answer_line({"expr": "0 2 * * *"}, now) == {"next": ["2026-01-16T02:00:00Z"]}


def test_never():
    assert answer_line({**LINE, "expr": "0 0 30 2 *"}) == {"next": [], "no_next": True}


def test_fewer_where_there_are_no_more():
    line = {**LINE, "expr": "0 0 29 2 *", "from": "2095-01-01T00:00:00Z"}
    assert answer_line(line) == {"next": ["2096-02-29T00:00:00Z"]}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"expr": "0 2 * *"}, "expected exactly 5 fields, found 4: [0 2 * *]"),
        ({"expr": ""}, "EMPTY"),
        ({"expr": "TZ=UTC"}, "PANIC: runtime error: slice bounds out of range [:-1]"),
        ({"expr": 5}, "expr must be a string, not a number"),
        ({"expr": None}, "expr must be a string, not null"),
        ({"expr": ["0 2 * * *"]}, "expr must be a string, not a list"),
        ({"server_tz": "Nope/Zone"}, "unknown time zone Nope/Zone"),
        ({"server_tz": {}}, "server_tz must be a string, not an object"),
        ({"dialect": "quartz"}, "unknown dialect 'quartz'; use robfig or netresearch"),
        ({"dialect": True}, "dialect must be a string, not true or false"),
        ({"count": 0}, "count must be from 1 to 100000, not 0"),
        ({"count": -1}, "count must be from 1 to 100000, not -1"),
        ({"count": 10**30}, "count must be from 1 to 100000, not that"),
        ({"count": True}, "count must be a whole number, not true or false"),
        ({"count": "3"}, "count must be a whole number, not a string"),
        ({"count": 1.5}, "count must be a whole number, not a number"),
        ({"from": "yesterday"}, "from must be a time such as 2026-11-21T14:30:00Z, not 'yesterday'"),
        (
            {"from": "2026-01-15T12:00:00"},
            "from must be a time such as 2026-11-21T14:30:00Z, not '2026-01-15T12:00:00'",
        ),
        ({"from": 1768478400}, "from must be a string, not a number"),
    ],
)
def test_an_invalid_request_gets_an_error(change, error):
    assert answer_line({**LINE, **change}) == {"error": error}


@pytest.mark.parametrize("moment", ["2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_a_time_outside_the_calendar(moment):
    assert answer_line({**LINE, "from": moment})["error"].startswith("from isn't a valid time: ")


@pytest.mark.parametrize("key", ["expr", "from"])
def test_what_cannot_be_left_out(key):
    assert answer_line({name: value for name, value in LINE.items() if name != key}) == {"error": f"{key} is missing"}


@pytest.mark.parametrize(
    ("line", "kind"), [(None, "null"), ([], "a list"), ("x", "a string"), (3, "a number"), (False, "true or false")]
)
def test_a_line_that_is_no_object(line, kind):
    assert answer_line(line) == {"error": f"each line must be a JSON object, not {kind}"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["expr", "server_tz", "from", "count", "dialect", "else"])


@given(st.dictionaries(fields, json_values), st.booleans())
def test_whatever_a_line_holds_it_gets_an_answer(change, over):
    said = answer_line({**LINE, **change} if over else change)
    assert set(said) in ({"next"}, {"next", "no_next"}, {"error"})
    json.dumps(said)
