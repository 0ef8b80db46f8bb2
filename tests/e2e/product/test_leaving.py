"""The bot stops after SIGTERM. These are the last tests that need it."""

from tests.e2e.product.shop import RealHouse


async def test_sigterm_stops_the_bot(house: RealHouse) -> None:
    assert await house.process.leaves() == 0


async def test_sigterm_stops_a_bot_that_was_killed_before(other: RealHouse) -> None:
    assert await other.process.leaves() == 0
