"""The four-eyes rule as database constraints."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from domain.approval import Approval, ApprovalState, Vote, VoteKind
from domain.errors import ConcurrentChange, NotFound, Refused
from tests.store.conftest import NOW


def asked(tx, name="a1", **more):
    told = {"quorum": 2, "approvers": ("U2", "leads"), "state": ApprovalState.OPEN, **more}
    approval = Approval(
        id=name,
        operation="op1",
        fingerprint="f",
        rule="prod-restores",
        requester="U1",
        requester_email="ada@example.com",
        reason="broken deploy",
        requested_at=NOW,
        expires_at=NOW + timedelta(hours=1),
        **told,
    )
    tx.approvals.create(approval)
    return approval


def vote(voter="U2", email="grace@example.com", kind=VoteKind.APPROVE, at=NOW):
    return Vote(voter, voter, email, kind, at, ("leads",), "looks right")


def test_an_approval_is_read_back_equal(tx):
    assert tx.approvals.get("a1") is None
    approval = asked(tx)
    assert tx.approvals.get("a1") == approval


def test_votes_are_stored_with_their_groups(tx):
    asked(tx)
    after = tx.approvals.cast("a1", vote(), 0)
    assert after.votes == (vote(),)
    assert after.revision == 1
    assert tx.approvals.cast("a1", vote("U3", "bob@example.com"), 1).votes[1].voter == "U3"


def test_a_vote_on_what_has_changed_is_lost(tx):
    asked(tx)
    tx.approvals.cast("a1", vote(), 0)
    with pytest.raises(ConcurrentChange, match="changed in the meantime"):
        tx.approvals.cast("a1", vote("U3", "bob@example.com"), 0)


@pytest.mark.parametrize("own", [vote("U1", ""), vote("U9", "ada@example.com"), vote("U9", " Ada@Example.com ")])
def test_the_requester_cannot_vote_under_any_name(tx, own):
    asked(tx)
    with pytest.raises(Refused, match="someone else"):
        tx.approvals.cast("a1", own, 0)


@pytest.mark.parametrize("again", [vote("U2", "other@example.com"), vote("U7", "GRACE@example.com")])
async def test_no_one_votes_twice_under_any_id(store, again):
    await store.write(asked)
    await store.write(lambda tx: tx.approvals.cast("a1", vote(), 0))
    with pytest.raises(Refused, match="already voted"):
        await store.write(lambda tx: tx.approvals.cast("a1", again, 1))
    assert (await store.read(lambda tx: tx.approvals.get("a1"))).revision == 1


def test_people_without_an_email_are_distinguished_by_id(tx):
    asked(tx)
    tx.approvals.cast("a1", vote("U2", ""), 0)
    assert len(tx.approvals.cast("a1", vote("U3", ""), 1).votes) == 2


def test_a_vote_after_the_end_is_refused(tx, now):
    asked(tx)
    with pytest.raises(Refused, match="expired"):
        tx.approvals.cast("a1", vote(at=now + timedelta(hours=1)), 0)


def test_votes_stop_while_it_is_decided(tx):
    asked(tx)
    deciding = tx.approvals.begin_deciding("a1", 0)
    assert deciding.state is ApprovalState.DECIDING
    with pytest.raises(ConcurrentChange):
        tx.approvals.cast("a1", vote(), deciding.revision)
    assert tx.approvals.deciding() == (deciding,)
    assert tx.approvals.reopen("a1", deciding.revision).state is ApprovalState.OPEN


@pytest.mark.parametrize("state", [ApprovalState.APPROVED, ApprovalState.STALE])
def test_approved_and_stale_come_only_out_of_deciding(tx, state):
    asked(tx)
    with pytest.raises(ConcurrentChange):
        tx.approvals.finish("a1", state, 0)
    tx.approvals.begin_deciding("a1", 0)
    assert tx.approvals.finish("a1", state, 1).state is state


@pytest.mark.parametrize("state", [ApprovalState.REJECTED, ApprovalState.EXPIRED, ApprovalState.WITHDRAWN])
def test_what_is_settled_stays_settled(tx, state):
    asked(tx)
    settled = tx.approvals.finish("a1", state, 0)
    with pytest.raises(ConcurrentChange):
        tx.approvals.begin_deciding("a1", settled.revision)
    with pytest.raises(ConcurrentChange):
        tx.approvals.finish("a1", ApprovalState.WITHDRAWN, settled.revision)
    assert tx.approvals.open() == ()


async def test_of_two_who_decide_at_once_one_wins(store):
    await store.write(asked)
    outcomes = await asyncio.gather(
        *(store.write(lambda tx: tx.approvals.begin_deciding("a1", 0)) for _ in range(20)), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Approval"] + ["ConcurrentChange"] * 19


def test_what_is_due_is_listed(tx, now):
    asked(tx)
    assert tx.approvals.due_to_expire(now + timedelta(minutes=59)) == ()
    assert [one.id for one in tx.approvals.due_to_expire(now + timedelta(hours=1))] == ["a1"]
    assert [one.id for one in tx.approvals.due_for_reminder(now)] == ["a1"]
    tx.approvals.mark_reminded("a1", now + timedelta(minutes=10))
    assert tx.approvals.due_for_reminder(now) == ()
    assert [one.id for one in tx.approvals.of_operation("op1")] == ["a1"]


def test_an_approval_that_is_not_there_is_named(tx):
    with pytest.raises(NotFound, match="Approval request nope"):
        tx.approvals.cast("nope", vote(), 0)
