"""`house`: the bot runs as its own process, with exactly the rights of `deploy/`, on the real cluster."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.api import resource_of
from tests.e2e.cluster import RealCluster
from tests.e2e.processes import Keeper
from tests.e2e.product.shop import RealHouse, all_rights, open_house


@pytest.fixture(scope="session")
async def granted(cluster: RealCluster) -> AsyncIterator[None]:
    """The token may what `deploy/` says, and nothing else."""
    manifests = all_rights()
    await cluster.api.apply(*manifests)
    yield
    for one in manifests:
        await cluster.api.delete(resource_of(one), one["metadata"]["name"], one["metadata"].get("namespace"))


@pytest.fixture(scope="session")
async def running(
    cluster: RealCluster, granted: None, keeper: Keeper, e2e_directory: Path, http: aiohttp.ClientSession
) -> AsyncIterator[RealHouse]:
    directory = e2e_directory / "product"
    directory.mkdir()
    house = await open_house(cluster, keeper, directory, http)
    yield house
    await house.process.kill()
    await house.slack.stop()


@pytest.fixture
async def house(running: RealHouse) -> RealHouse:
    """One bot for all tests; one that a test has killed is started again."""
    if not running.process.process.alive:
        await running.process.start()
    return running


@pytest.fixture(scope="session")
async def other(
    cluster: RealCluster, granted: None, keeper: Keeper, e2e_directory: Path, http: aiohttp.ClientSession
) -> AsyncIterator[RealHouse]:
    """A second one, for a story of several minutes."""
    directory = e2e_directory / "schedules"
    directory.mkdir()
    house = await open_house(cluster, keeper, directory, http)
    await house.process.start()
    yield house
    await house.process.kill()
    await house.slack.stop()
