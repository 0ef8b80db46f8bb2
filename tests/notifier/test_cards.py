"""The card as it is read: counts in words, and buttons for what is there to look at."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.operation import Operation, State
from notifier.render.cards import History, render_card

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RAN = Operation(
    "op-1", "prod", "restore", "create", "r1", "UADA", State.SUCCEEDED, "restore create r1", "f" * 64, NOW, NOW,
    phase="Completed", object_uid="uid-1", object_name="r1",
)  # fmt: skip


def labels(operation: Operation) -> list[str]:
    drawn = render_card(operation, History(), NOW)
    return [each["text"]["text"] for block in drawn.blocks if block["type"] == "actions" for each in block["elements"]]


def test_what_ran_can_be_looked_at():
    assert labels(RAN) == ["Describe", "Logs"]


def test_what_runs_has_no_log_yet():
    assert labels(replace(RAN, state=State.RUNNING, phase="InProgress")) == ["Describe"]


def test_what_was_taken_out_of_the_queue_is_not_there_any_more():
    assert labels(replace(RAN, state=State.WITHDRAWN, phase="")) == []


@pytest.mark.parametrize("state", [State.REJECTED, State.EXPIRED, State.WITHDRAWN, State.STALE])
@pytest.mark.parametrize("noun", ["backup", "restore"])
def test_what_never_came_to_be_has_nothing_to_look_at(state, noun):
    assert labels(replace(RAN, noun=noun, state=state, phase="", object_uid="", object_name="")) == []


def test_what_waits_for_approval_can_be_withdrawn_where_it_was_asked_for():
    assert labels(replace(RAN, state=State.AWAITING, phase="", object_uid="", object_name="")) == ["Withdraw"]


def running(done: int, total: int, seconds: float) -> str:
    seen = {"done": done, "total": total, "started": (NOW - timedelta(seconds=seconds)).isoformat()}
    drawn = render_card(replace(RAN, state=State.RUNNING, phase="InProgress"), History(seen=seen), NOW)
    return json.dumps(drawn.blocks)


def test_while_it_runs_it_says_how_long_it_will_by_its_pace():
    assert "about 1m 30s left" in running(50, 200, 30)
    assert "about 10s left" in running(50, 100, 10)


@pytest.mark.parametrize(
    ("done", "total", "seconds"), [(0, 10, 30), (5, 0, 30), (10, 10, 30), (12, 10, 30), (1, 10, 1)]
)
def test_a_pace_that_says_nothing_is_not_told(done, total, seconds):
    assert "left" not in running(done, total, seconds)


def test_what_ended_has_no_time_left():
    seen = {"done": 5, "total": 10, "started": (NOW - timedelta(seconds=30)).isoformat()}
    assert "left" not in json.dumps(render_card(RAN, History(seen=seen), NOW).blocks)


def test_one_item_is_one_item():
    drawn = render_card(replace(RAN, state=State.RUNNING), History(seen={"done": 0, "total": 1}), NOW)
    assert "0 of 1 item" in drawn.text
    assert "items" not in drawn.text
