"""Asked to end, the bot ends: the last test of those that need it."""

from tests.e2e.product.shop import RealHouse


async def test_asked_to_end_it_ends_well(house: RealHouse) -> None:
    assert await house.process.leaves() == 0


async def test_also_one_that_was_killed_before(other: RealHouse) -> None:
    assert await other.process.leaves() == 0
