"""The clock that tests own."""

import asyncio
from datetime import UTC, datetime, timedelta

from sandbox.clock import ManualClock, RealClock, wait

START = datetime(2026, 1, 1, tzinfo=UTC)


async def sleeper(clock, seconds, told):
    await clock.sleep(seconds)
    told.append((seconds, (clock.now() - START).total_seconds()))


async def test_sleepers_wake_in_order_each_at_its_own_instant():
    clock, told = ManualClock(START), []
    tasks = [asyncio.create_task(sleeper(clock, seconds, told)) for seconds in (30, 10, 20)]
    await clock.advance(25)
    assert told == [(10, 10), (20, 20)]
    assert clock.now() == START + timedelta(seconds=25)
    await clock.advance(5)
    assert told[-1] == (30, 30)
    await asyncio.gather(*tasks)


async def test_what_a_sleeper_starts_is_waited_for_too():
    clock, told = ManualClock(START), []

    async def chain():
        for _ in range(100):
            await clock.sleep(1)
        told.append(clock.now())

    task = asyncio.create_task(chain())
    await clock.advance(1000)
    await task
    assert told == [START + timedelta(seconds=100)]


async def test_a_cancelled_sleeper_rings_no_more():
    clock, told = ManualClock(START), []
    task = asyncio.create_task(sleeper(clock, 10, told))
    await clock.settle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.next_instant() is None
    await clock.advance(20)
    assert told == []


async def test_step_wakes_one_instant_only():
    clock, told = ManualClock(START), []
    tasks = [asyncio.create_task(sleeper(clock, seconds, told)) for seconds in (1, 2)]
    until = START + timedelta(seconds=10)
    assert await clock.step(until)
    assert told == [(1, 1)]
    assert await clock.step(until)
    assert not await clock.step(until)
    assert clock.now() == until
    await asyncio.gather(*tasks)


async def test_wait_says_which_came_first():
    clock, event = ManualClock(START), asyncio.Event()
    first = asyncio.create_task(wait(clock, event, START + timedelta(seconds=5)))
    await clock.advance(5)
    assert await first is False
    second = asyncio.create_task(wait(clock, event, START + timedelta(seconds=60)))
    await clock.settle()
    event.set()
    assert await second is True


async def test_real_clock_sleeps_and_may_run_faster():
    clock = RealClock(speed=1000, start=START)
    await clock.sleep(5)
    assert clock.now() >= START + timedelta(seconds=5)
