"""`house`: two clusters, three people, the bot running. `build`: the same with other settings, not yet started."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.scenarios.product import House, Make, made


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Make]:
    async with contextlib.AsyncExitStack() as stack:

        async def one(name: str = "world", **settings) -> House:
            directory = tmp_path / name
            directory.mkdir()
            house = await made(directory, **settings)
            stack.push_async_callback(house.world.close)
            stack.push_async_callback(house.stop)
            return house

        yield one


@pytest.fixture
async def house(build: Make) -> House:
    house = await build()
    await house.start()
    return house
