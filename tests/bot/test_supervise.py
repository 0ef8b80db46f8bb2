"""A failing loop is retried with growing delays; failed work doesn't end other work."""

import asyncio
from datetime import UTC, datetime

import pytest

from bot.supervise import MIN_BACKOFF_S, Loops, reason_of, run_contained

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def loops():
    made = Loops(lambda: NOW)
    yield made
    await made.stop()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_failing_loop_is_reported_with_time_and_reason_and_continues(loops):
    rounds = []

    async def fails():
        rounds.append(1)
        raise KeyError("x")

    loop = loops.start("bad", fails)
    await turns()
    assert [(one.name, one.failing_since, one.reason) for one in loops.failing()] == [("bad", NOW, "KeyError: 'x'")]
    loop.wake()
    await turns()
    assert len(rounds) == 2


async def test_one_that_fails_keeps_no_other_from_going(loops):
    went = []

    async def fails():
        raise KeyError

    async def goes():
        went.append(1)

    loops.start("bad", fails)
    good = loops.start("good", goes)
    await turns()
    good.wake()
    await turns()
    assert len(went) == 2
    assert [one.name for one in loops.failing()] == ["bad"]


async def test_a_failure_ends_with_the_next_successful_round(loops):
    faults = [KeyError()]

    async def once():
        if faults:
            raise faults.pop()

    loop = loops.start("once", once)
    await turns()
    assert loops.failing() == (loop,)
    loop.wake()
    await turns()
    assert (loops.failing(), loop.reason, loop.last_ok) == ((), "", NOW)


async def test_what_runs_by_itself_and_ends_is_started_again(loops):
    begun = []

    async def ends():
        begun.append(1)

    loop = loops.spawn("ends", ends)
    await turns()
    assert await loop.round() == MIN_BACKOFF_S
    assert len(begun) == 2


async def test_contained_work_returns_its_error():
    async def fails():
        raise KeyError("x")

    async def works():
        return 7

    assert isinstance(await run_contained(fails()), KeyError)
    assert await run_contained(works()) is None


def test_a_group_names_each_error_once():
    nested = ExceptionGroup("inner", [ValueError("b")])
    assert reason_of(ExceptionGroup("outer", [KeyError("a"), KeyError("a"), nested])) == (
        "outer: KeyError: 'a'; inner: ValueError: b"
    )


async def test_loops_of_a_group_are_woken_by_its_name(loops):
    rounds = []

    def one(name):
        async def goes():
            rounds.append(name)

        return goes

    for name in ("keep/a", "keep/b", "other"):
        loops.start(name, one(name))
    await turns()
    loops.wake("keep", "unknown")
    await turns()
    assert rounds == ["keep/a", "keep/b", "other", "keep/a", "keep/b"]
