"""Status messages: the sentence of each state, counts and durations in words, and buttons for what exists."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.event import Event
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


def test_a_finished_restore_has_details_and_logs():
    assert labels(RAN) == ["View details", "View logs"]


def test_a_running_restore_has_no_logs_button():
    assert labels(replace(RAN, state=State.RUNNING, phase="InProgress")) == ["View details"]


def test_a_backup_removed_from_the_queue_has_no_buttons():
    assert labels(replace(RAN, state=State.WITHDRAWN, phase="")) == []


@pytest.mark.parametrize("state", [State.REJECTED, State.EXPIRED, State.WITHDRAWN, State.STALE])
@pytest.mark.parametrize("noun", ["backup", "restore"])
def test_an_object_that_was_never_created_has_no_buttons(state, noun):
    assert labels(replace(RAN, noun=noun, state=state, phase="", object_uid="", object_name="")) == []


def test_a_waiting_request_can_be_withdrawn_from_its_status_message():
    assert labels(replace(RAN, state=State.AWAITING, phase="", object_uid="", object_name="")) == ["Withdraw request"]


def running(done: int, total: int, seconds: float) -> str:
    seen = {"done": done, "total": total, "started": (NOW - timedelta(seconds=seconds)).isoformat()}
    drawn = render_card(replace(RAN, state=State.RUNNING, phase="InProgress"), History(seen=seen), NOW)
    return json.dumps(drawn.blocks)


def test_the_time_left_follows_from_the_pace_so_far():
    assert "about 1 min 30 s left" in running(50, 200, 30)
    assert "about 10 s left" in running(50, 100, 10)


@pytest.mark.parametrize(
    ("done", "total", "seconds"), [(0, 10, 30), (5, 0, 30), (10, 10, 30), (12, 10, 30), (1, 10, 1)]
)
def test_no_time_left_is_shown_without_a_usable_pace(done, total, seconds):
    assert "left" not in running(done, total, seconds)


def test_a_finished_operation_shows_no_time_left():
    seen = {"done": 5, "total": 10, "started": (NOW - timedelta(seconds=30)).isoformat()}
    assert "left" not in json.dumps(render_card(RAN, History(seen=seen), NOW).blocks)


def test_a_single_item_is_counted_in_the_singular():
    drawn = render_card(replace(RAN, state=State.RUNNING), History(seen={"done": 0, "total": 1}), NOW)
    assert "0 of 1 item" in drawn.text
    assert "items" not in drawn.text


ENDED = Event(
    "restore.completed", "prod", "c1", "Restore", "uid-1", "r1", "Completed", NOW,
    facts={"started": NOW.isoformat(), "completed": (NOW + timedelta(seconds=151)).isoformat(), "done": 120, "total": 120},
)  # fmt: skip


def test_the_fallback_text_is_one_sentence_with_outcome_object_and_cluster():
    assert (
        render_card(RAN, History(ending=ENDED), NOW).text == "Restore r1 in prod: Completed in 2 min 31 s (120 items)."
    )
    seen = {"done": 48, "total": 120}
    going = replace(RAN, state=State.RUNNING, phase="InProgress")
    assert render_card(going, History(seen=seen), NOW).text == "Restore r1 in prod is InProgress: 48 of 120 items."


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(("noun", "verb"), [("backup", "create"), ("schedule", "pause"), ("backup-location", "set")])
def test_every_state_reads_as_a_sentence(state, noun, verb):
    text = render_card(replace(RAN, noun=noun, verb=verb, state=state, phase=""), History(), NOW).text
    assert text.startswith(
        ("Backup r1 in prod ", "Pause of schedule r1 in prod ", "Change of storage location r1 in prod ")
    )
    assert text.endswith(".")
    assert "  " not in text


def test_a_refused_operation_shows_the_refusal_and_not_as_its_reason():
    shown = json.dumps(
        render_card(replace(RAN, state=State.REFUSED, reason="No rule allows it."), History(), NOW).blocks
    )
    assert "No rule allows it." in shown
    assert "*Reason*" not in shown


def test_a_run_that_fails_keeps_the_reason_of_its_requester():
    failed = replace(RAN, state=State.FAILED, phase="Failed", reason="before the upgrade")
    ending = replace(ENDED, kind="restore.failed", facts={"failure_reason": "disk full"})
    shown = json.dumps(render_card(failed, History(ending=ending), NOW).blocks)
    assert "*Reason*\\nbefore the upgrade" in shown
    assert "\\u2022 disk full" in shown
