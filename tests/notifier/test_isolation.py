"""A notice that cannot be drawn is a fault of ours: it goes aside, loudly, and everything else is told."""

import pytest

from notifier.deliver.slack import SlackDelivery
from store.tables.notices import NoticeState
from store.writer import Store
from tests.notifier.conftest import START, event


async def states(store: Store, *names: str) -> list[NoticeState]:
    return [await store.read(lambda tx, name=name: tx.notices.get(name).state) for name in names]


async def until_quiet(delivery: SlackDelivery) -> list[Exception]:
    faults: list[Exception] = []
    for _ in range(10):
        try:
            if await delivery.round():
                return faults
        except* KeyError as group:
            faults += group.exceptions
    return faults


async def test_what_stands_behind_it_in_its_lane_is_told_and_the_fault_is_heard(house, store):
    await house.has("broken", "whole", lane="one-lane")
    house.pen.fails_at = {"broken"}
    assert [str(fault) for fault in await until_quiet(house.delivery)] == ["'phase'"]
    assert await states(store, "broken", "whole") == [NoticeState.DEAD, NoticeState.SENT]
    (letter,) = await store.read(lambda tx: tx.notices.dead_letters())
    assert letter.error == "the notification can't be rendered: KeyError"


async def test_once_the_fault_is_mended_it_can_be_sent_by_hand(house, store):
    await house.has("broken", lane="one-lane")
    house.pen.fails_at = {"broken"}
    await until_quiet(house.delivery)
    house.pen.fails_at = set()
    await store.write(lambda tx: tx.notices.retry("broken", START))
    assert await until_quiet(house.delivery) == []
    assert await states(store, "broken") == [NoticeState.SENT]


async def test_what_may_have_arrived_does_not_hold_up_the_search_for_others(house, store):
    await house.has("broken", lane="one-lane")
    await house.has("other", lane="another-lane")
    for notice in await store.write(lambda tx: tx.notices.claim(START)):
        await store.write(lambda tx, one=notice: tx.notices.mark_unknown(one, "timeout"))
    house.pen.fails_at = {"broken"}
    house.later(minutes=5)
    with pytest.raises(ExceptionGroup):
        await house.reconciler.round()
    house.later(minutes=5)
    await house.reconciler.round()
    await until_quiet(house.delivery)
    assert await states(store, "broken", "other") == [NoticeState.DEAD, NoticeState.SENT]


async def test_a_webhook_that_we_fail_to_send_goes_aside_too(world):
    """A limit that is no number stands for any fault of ours in the middle of a call."""
    await world.server("broken", timeout="soon")
    whole = await world.server("whole")
    await world.happens(event())
    faults = []
    for _ in range(20):
        try:
            if await world.delivery.round():
                break
        except* TypeError as group:
            faults += group.exceptions
    assert len(faults) == 1
    assert len(whole.calls) == 1
    assert [(n.address, n.state, n.error) for n in await world.notices()] == [
        ("broken", NoticeState.DEAD, "the notification can't be sent: TypeError"),
        ("whole", NoticeState.SENT, ""),
    ]
