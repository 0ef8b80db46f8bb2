"""`house`: the bot runs as its own process, with exactly the rights of `deploy/`, on the real cluster."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import aiohttp
import pytest

from tests.e2e.api import resource_of
from tests.e2e.cluster import RealCluster
from tests.e2e.processes import Keeper
from tests.e2e.product.shop import RealHouse, all_rights, open_house
from velero.cluster import Cluster, ClusterSettings
from velero.connection import Direct


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


@pytest.fixture(scope="session")
async def eyes(cluster: RealCluster, granted: None) -> AsyncIterator[Cluster]:
    """Our own gateway, with the bot's rights."""
    access = Direct(cluster.url, cluster.bot_token, cluster.ca.read_text("utf-8"))
    settings = ClusterSettings("prod", access, object_store_hosts=(cluster.store.url.removeprefix("http://"),))
    one = Cluster(settings, now=lambda: datetime.now(UTC), random=Random(1))
    await one.open()
    yield one
    await one.close()
