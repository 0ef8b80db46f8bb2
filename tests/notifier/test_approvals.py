"""Approval requests: who, what, why, the votes, and the buttons that the state allows."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.approval import Approval, ApprovalState, Vote, VoteKind
from domain.operation import Operation, State
from domain.plan import Guard, Level, Plan, Step, StepVerb
from domain.reach import Reach
from notifier.render.approvals import render_request, revision
from sandbox.slack.blockkit.check import check_blocks

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
STEP = Step(StepVerb.CREATE, "Restore", "restores", "r1", {"spec": {"backupName": "nightly-1"}}, "velero")
PLAN = Plan(
    "prod",
    "restore",
    "create",
    (STEP,),
    Reach(writes=frozenset({"shop"})),
    guards=(Guard("node-ports", Level.WARN, "Ports may clash."),),
    cli="velero restore create r1 --from-backup nightly-1",
    subject="r1",
    evidence={"backup": {"name": "nightly-1"}},
    notes=("3 objects would be created: 3 ConfigMap.",),
)
OPERATION = Operation(
    "op-1", "prod", "restore", "create", "r1", "UADA", State.AWAITING, "restore create r1", PLAN.fingerprint, NOW, NOW
)
ASKED = Approval(
    "ap-1", "op-1", "f" * 64, "prod-restores", 2, ("dba",), ApprovalState.OPEN, "UADA", "", "oops", NOW,
    NOW + timedelta(hours=1),
)  # fmt: skip
BOB = Vote("UBOB", "Bob", "", VoteKind.APPROVE, NOW, ("dba",))


def labels(drawn):
    return [each["text"]["text"] for block in drawn.blocks if block["type"] == "actions" for each in block["elements"]]


def text(drawn):
    return json.dumps([drawn.text, *drawn.blocks], ensure_ascii=False)


def test_a_request_shows_everything_that_a_voter_needs():
    drawn = render_request(ASKED, OPERATION, PLAN)
    for word in ("restore `r1`", "prod", "nightly-1", "oops", "<@UADA>", "3 ConfigMap", "Ports may clash",
                 "f" * 12, "Approvals: 0 of 2", "dba", "shop", PLAN.cli):  # fmt: skip
        assert word in text(drawn), word
    assert list(check_blocks([*drawn.blocks])) == []


def test_the_fallback_text_is_one_sentence():
    text = render_request(ASKED, OPERATION, PLAN).text
    assert text == "Approval needed: restore r1 in prod, requested by <@UADA>. 0 of 2 approvals."


def test_the_buttons_carry_the_fingerprint():
    drawn = render_request(ASKED, OPERATION, PLAN)
    assert labels(drawn) == ["Approve", "Reject", "View plan", "Withdraw request"]
    (row,) = [block for block in drawn.blocks if block["type"] == "actions"]
    assert [each["action_id"] for each in row["elements"]] == [
        "approve:ap-1", "reason:reject:ap-1", "details:ap-1", "withdraw:ap-1",
    ]  # fmt: skip
    assert {json.loads(each["value"])["fingerprint"] for each in row["elements"]} == {"f" * 64}


def test_votes_are_shown():
    drawn = render_request(replace(ASKED, votes=(BOB,)), OPERATION, PLAN)
    assert "Approvals: 1 of 2" in text(drawn)
    assert "<@UBOB>" in text(drawn)


def test_a_run_through_break_glass_can_be_reviewed_but_not_withdrawn():
    over = replace(OPERATION, state=State.SUCCEEDED)
    assert labels(render_request(ASKED, over, PLAN)) == ["Approve", "Reject", "View plan"]
    assert "Expires" not in text(render_request(ASKED, over, PLAN))


WHOLE = tuple(f"line {n} of the preview: " + "x" * 80 for n in range(36))


def test_a_voter_sees_the_whole_preview():
    drawn = render_request(ASKED, OPERATION, replace(PLAN, notes=WHOLE))
    for note in WHOLE:
        assert note in text(drawn)
    assert "Approvals: 0 of 2" in text(drawn)


@pytest.mark.parametrize("state", [each for each in ApprovalState if each is not ApprovalState.OPEN])
def test_a_settled_request_takes_no_votes(state):
    assert "Approve" not in labels(render_request(replace(ASKED, state=state), OPERATION, PLAN))


@pytest.mark.parametrize("state", [ApprovalState.STALE, ApprovalState.EXPIRED])
def test_an_outdated_or_expired_request_can_be_requested_again(state):
    drawn = render_request(replace(ASKED, state=state), OPERATION, PLAN)
    assert labels(drawn) == ["Request again", "View plan"]
    assert '{\\"line\\": \\"restore create r1 --cluster prod\\"}' in json.dumps(drawn.blocks).replace("\\\\", "")


def test_an_outdated_request_shows_what_differs():
    drawn = render_request(
        replace(ASKED, state=ApprovalState.STALE), OPERATION, PLAN, {"message": "It would change more."}
    )
    assert "It would change more." in text(drawn)


def test_an_approved_request_shows_how_the_run_ended():
    over = replace(OPERATION, state=State.SUCCEEDED, phase="Completed")
    drawn = render_request(replace(ASKED, state=ApprovalState.APPROVED, votes=(BOB,)), over, PLAN)
    assert drawn.text == "Approved by <@UBOB>: restore r1 in prod is Completed."


def test_votes_and_the_end_of_the_run_raise_the_revision():
    over = replace(OPERATION, state=State.SUCCEEDED)
    assert revision(ASKED, OPERATION) < revision(replace(ASKED, revision=1), OPERATION)
    assert revision(replace(ASKED, revision=1), OPERATION) < revision(replace(ASKED, revision=1), over)


def test_untrusted_text_mentions_and_formats_nothing():
    hostile = replace(ASKED, reason="<!channel> *now* ```x```")
    drawn = render_request(hostile, OPERATION, replace(PLAN, notes=("<@UEVE> & *co*",)))
    assert "<!channel>" not in text(drawn)
    assert "<@UEVE>" not in text(drawn)
    assert "*now*" not in text(drawn)
    assert "*co*" not in text(drawn)
    assert "```x" not in text(drawn)


def test_notes_and_checks_show_names_as_code():
    guard = Guard("name-exists", Level.WARN, "Restore `r1` already exists.")
    drawn = render_request(ASKED, OPERATION, replace(PLAN, notes=("Backup `b1` has no data.",), guards=(guard,)))
    assert "• Backup `b1` has no data." in text(drawn)
    assert "⚠️ Restore `r1` already exists." in text(drawn)


def test_a_plan_of_any_size_fits():
    steps = tuple(replace(STEP, name=f"r{n}") for n in range(80))
    notes = tuple("x" * 2000 for _ in range(50))
    drawn = render_request(ASKED, OPERATION, replace(PLAN, steps=steps, notes=notes, cli="velero " + "y" * 5000))
    assert list(check_blocks([*drawn.blocks])) == []
    assert len(drawn.text) <= 4000


def test_a_name_with_a_backtick_stays_inside_its_code():
    drawn = render_request(ASKED, replace(OPERATION, subject="r`*1*"), PLAN)
    assert "`r'*1*`" in text(drawn)


def test_a_plan_of_several_steps_is_numbered_sentences():
    net = Step(StepVerb.CREATE, "Backup", "backups", "r1-safety", {"spec": {}}, "velero", wait=("Completed",))
    shown = text(render_request(ASKED, OPERATION, replace(PLAN, steps=(net, STEP))))
    assert "1. Create safety backup `r1-safety` and wait until it is Completed." in shown
    assert "2. Create restore `r1` from backup `nightly-1`." in shown


def test_a_review_names_break_glass():
    over = replace(OPERATION, state=State.SUCCEEDED, phase="Completed")
    assert render_request(ASKED, over, PLAN).text == (
        "Review needed: restore r1 in prod ran through break-glass and is Completed."
    )
