"""`pipeline`: a running bot, and a pipeline that may send commands."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from sandbox import world as worlds
from tests.bot.webhooks.pipelines import RULES, Pipeline, senders
from tests.scenarios.product import BRISK, made


@pytest.fixture
def per_minute() -> int:
    return 600


@pytest.fixture
def routes() -> str:
    """Further settings."""
    return ""


@pytest.fixture
async def pipeline(tmp_path: Path, per_minute: int, routes: str) -> AsyncIterator[Pipeline]:
    house = await made(tmp_path)
    try:
        extra = BRISK + senders(house, per_minute) + routes
        house.settings = worlds.settings(house.world, tmp_path / "data", extra=extra, rules=RULES)
        await house.start()
        async with aiohttp.ClientSession() as session:
            yield Pipeline(house, session)
    finally:
        await house.stop()
        await house.world.close()
