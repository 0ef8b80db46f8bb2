"""Delivery to a Slack that counts honestly, with a clock that stands still until the test moves it."""

import asyncio

import pytest

from notifier.deliver import isolation
from notifier.deliver.reconcile import FIRST_RETRY_S, LONGEST_RETRY_S, sweep_retry_wait
from sandbox.slack.faults import Fault
from store.tables.notices import NoticeState

MANY = [f"n{number:03}" for number in range(40)]


async def doubtful(house, *names, channel="#ops", **more):
    """Posted, and nobody knows whether they arrived."""
    house.slack.faults.add(Fault.COMMIT_THEN_503, "chat.postMessage", times=len(names))
    await house.has(*names, channel=channel, **more)
    await house.delivers()
    assert await house.state(*names) == [NoticeState.UNKNOWN] * len(names)


async def test_with_the_clock_standing_still_no_more_leaves_than_the_channel_takes(house):
    await house.has(*MANY)
    await house.delivers()
    assert house.texts() == MANY[:4]
    assert [each.attempts for each in [await house.notice(name) for name in MANY]] == [1] * 4 + [0] * 36
    assert house.calls("chat.postMessage", 429) == 0


async def test_in_the_end_all_of_it_left_and_slack_never_had_to_refuse(house):
    await house.has(*MANY)
    for _ in range(60):
        await house.delivers()
        house.later(seconds=1)
    assert house.texts() == MANY
    assert house.calls("chat.postMessage") == len(MANY)


@pytest.mark.parametrize("others", [10, 30])
@pytest.mark.parametrize("channel", ["#ops", "#approvals"])
async def test_what_asks_for_votes_leaves_at_once_whatever_else_waits(house, channel, others):
    await house.has(*MANY, priority=others, role="news", mention=["here"])
    await house.delivers()
    await house.has("vote", channel=channel, priority=0, role="approval")
    await house.delivers()
    assert "vote" in house.texts(channel)


@pytest.mark.parametrize("priority", [10, 30])
async def test_a_channel_that_has_its_fill_keeps_no_other_waiting(house, priority):
    await house.has(*MANY, priority=10)
    await house.has("elsewhere", channel="#incidents", priority=priority)
    await house.delivers()
    assert house.texts("#incidents") == ["elsewhere"]


async def test_a_429_of_one_channel_closes_no_other(house):
    ops = house.slack.workspace.channel("#ops").id
    busy = house.slack.faults.add(
        Fault.RATE_LIMITED, "chat.postMessage", times=None, seconds=30, when=lambda args: args["channel"] == ops
    )
    await house.has("here", "there")
    await house.delivers()
    await house.has("elsewhere", channel="#incidents")
    await house.delivers()
    assert house.texts("#incidents") == ["elsewhere"]
    tries = house.calls("chat.postMessage", 429)
    house.later(seconds=29)
    await house.delivers()
    assert house.calls("chat.postMessage", 429) == tries
    house.slack.faults.rules.remove(busy)
    house.later(seconds=2)
    await house.delivers()
    assert house.texts() == ["here", "there"]


async def test_a_drawing_that_takes_long_keeps_no_other_from_leaving(house):
    slow = await slowly(house)
    await house.has("slow", priority=0)
    await house.delivery.round()
    await house.has("quick", priority=10)
    while not house.texts():
        await house.delivery.round()
    assert house.texts() == ["quick"]
    slow.set()
    await house.delivers()
    assert house.texts() == ["quick", "slow"]


async def slowly(house):
    drawn, ready = house.pen.build, asyncio.Event()

    async def letter(notice, event):
        if notice.id == "slow":
            await ready.wait()
        return await drawn(notice, event)

    house.pen.build = letter
    return ready


async def test_killed_while_it_is_drawn_nothing_was_claimed(house):
    await slowly(house)
    await house.has("slow")
    await house.delivery.round()
    await house.delivery.close()
    notice = await house.notice("slow")
    assert (notice.state, notice.attempts, notice.ambiguous) == (NoticeState.PENDING, 0, False)


async def test_what_has_nothing_to_say_any_more_is_no_dead_letter(house):
    house.pen.silent_at = {"over"}
    await house.has("over", "after", lane="l")
    await house.delivers()
    assert await house.state("over", "after") == [NoticeState.SUPPRESSED, NoticeState.SENT]
    assert await house.store.read(lambda tx: tx.notices.dead_letters()) == ()


async def test_nor_is_it_when_it_may_have_arrived(house):
    await doubtful(house, "over")
    house.pen.silent_at = {"over"}
    house.later(minutes=5)
    await house.reconciler.round()
    assert await house.state("over") == [NoticeState.SUPPRESSED]


async def test_every_fault_is_told_not_only_the_first(house):
    house.pen.fails_at = {"a", "b", "c"}
    await house.has("a", "b", "c", "d")
    faults = []
    for _ in range(20):
        try:
            if await house.delivery.round():
                break
        except* KeyError as group:
            faults += group.exceptions
    assert len(faults) == 3
    assert await house.state("d") == [NoticeState.SENT]


async def test_of_tasks_every_fault_is_kept_and_groups_are_opened():
    async def fails(fault):
        raise fault

    tasks = [
        asyncio.create_task(fails(each)) for each in (ValueError(), ExceptionGroup("two", [KeyError(), OSError()]))
    ]
    cancelled = asyncio.create_task(asyncio.Event().wait())
    cancelled.cancel()
    await asyncio.wait([*tasks, cancelled])
    assert [type(each) for each in isolation.errors_of([*tasks, cancelled])] == [ValueError, KeyError, OSError]


# what may have arrived


async def test_one_read_of_a_channel_serves_all_that_are_in_doubt_there(house):
    names = [f"d{number}" for number in range(4)]
    await doubtful(house, *names)
    house.later(minutes=2)
    await house.reconciler.round()
    assert house.calls("conversations.history") == 1
    assert await house.state(*names) == [NoticeState.SENT] * 4
    assert house.calls("chat.postMessage") == 4


async def test_an_urgent_one_is_looked_for_before_it_is_sent_again(house):
    await doubtful(house, "urgent", priority=10, mention=["here"])
    house.later(seconds=11)
    await house.reconciler.round()
    await house.delivers()
    assert await house.state("urgent") == [NoticeState.SENT]
    assert house.texts() == ["urgent"]


async def test_and_sent_again_at_once_where_it_is_not_there(house):
    house.slack.faults.add(Fault.DROP, "chat.postMessage")
    await house.has("urgent", priority=10, mention=["here"])
    await house.delivers()
    house.later(seconds=11)
    await house.reconciler.round()
    await house.delivers()
    assert house.texts() == ["urgent"]


async def test_after_a_kill_it_is_looked_for_too(house):
    await doubtful(house, "urgent", priority=0, role="approval")
    for _ in range(6):
        house.later(seconds=11)
        await house.reconciler.round()
        await house.delivers()
    assert house.calls("chat.postMessage") == 1


async def test_a_read_that_is_refused_waits_as_it_is_told_and_longer_each_time(house):
    await doubtful(house, "a", "b")
    house.slack.faults.add(Fault.RATE_LIMITED, "conversations.history", times=None, seconds=30)
    house.later(minutes=2)
    reads = []
    for _ in range(600):
        await house.reconciler.round()
        house.later(seconds=1)
        reads.append(house.calls("conversations.history"))
    # 30 s, 30 s, 40 s, 80 s, 160 s …: as told at the least, then as it grows.
    assert reads[29] == 1
    assert reads[-1] <= 7
    assert await house.state("a", "b") == [NoticeState.UNKNOWN] * 2


async def test_an_urgent_one_does_not_wait_for_a_history_that_stays_shut(house):
    await doubtful(house, "urgent", priority=10, mention=["here"])
    house.slack.faults.add(Fault.RATE_LIMITED, "conversations.history", times=None, seconds=600)
    house.later(seconds=11)
    await house.reconciler.round()
    await house.delivers()
    assert house.texts() == ["urgent", "urgent"]
    assert house.calls("conversations.history") == 1


# second copies


async def twice(house):
    """Standing there two times, and known only once."""
    await test_an_urgent_one_does_not_wait_for_a_history_that_stays_shut(house)
    house.slack.faults.clear()
    house.later(minutes=20)


async def test_a_second_copy_is_swept_away(house):
    await twice(house)
    await house.reconciler.sweep()
    assert house.texts() == ["urgent"]
    assert (await house.notice("urgent")).sweeps == 1


@pytest.mark.parametrize("method", ["conversations.history", "chat.delete"])
async def test_a_sweep_that_failed_is_not_done_and_is_tried_again(house, method):
    await twice(house)
    house.slack.faults.add(Fault.SERVER_ERROR, method, times=3)
    tries = []
    for _ in range(4):
        await house.reconciler.sweep()
        notice = await house.notice("urgent")
        tries.append((notice.sweeps, notice.sweep_tries))
        house.later(minutes=10)
    assert tries == [(0, 1), (0, 2), (0, 3), (1, 0)]
    assert house.texts() == ["urgent"]


async def test_between_two_tries_it_waits(house):
    await twice(house)
    house.slack.faults.add(Fault.SERVER_ERROR, "chat.delete", times=None)
    for _ in range(30):
        await house.reconciler.sweep()
    assert house.calls("chat.delete") == 1


def test_the_waits_grow_and_end_nowhere():
    waits = [sweep_retry_wait(tries) for tries in range(30)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (FIRST_RETRY_S, LONGEST_RETRY_S)
