"""The review of a break-glass run is requested until someone else has answered it."""

import pytest

from domain.operation import State
from tests.operations.approving import Desk, cluster_in
from tests.operations.test_reminding import breaks


@pytest.fixture
async def desk(tmp_path):
    """It has run already; one of the approvers has to look at it."""
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desk = Desk(store, cluster, objects, name="glass0")
        await breaks(desk, 0)
        yield desk


async def test_it_is_approved_afterwards(desk):
    assert await desk.votes("bob") == "Review approved. It's in the audit log."
    assert await desk.state() == ("approved", State.APPROVED.value)


async def test_also_long_after_it_was_due(desk):
    await desk.later(9 * 3600)
    assert await desk.votes("bob") == "Review approved. It's in the audit log."


async def test_the_review_is_requested_again_each_time_it_is_due(desk):
    for _ in range(3):
        await desk.later(3601)
    assert (await desk.events()).count("approval.reminded") >= 3


async def test_the_person_who_used_break_glass_can_neither_approve_nor_withdraw_the_review(desk):
    assert await desk.votes("ada") == "You requested this, so someone else has to approve it."
    assert "Someone else has to review it" in await desk.withdraws("ada")
    assert (await desk.state())[0] == "open"


async def test_a_rejection_says_that_it_has_run(desk):
    assert await desk.rejects("bob") == "Rejected. The operation already ran; the rejection is in the audit log."
    assert await desk.state() == ("rejected", State.APPROVED.value)
    assert ("approval.reject", "UBOB") in await desk.record()
