"""The scenarios of the Velero emulator, run on a real Velero: their `world` and `outside` bound to a real cluster."""

from collections.abc import AsyncIterator

import pytest

from tests.e2e.cluster import RealCluster, location
from tests.e2e.door import Door
from tests.e2e.ports import free_ports
from tests.e2e.scenarios.emulated import reason_to_stay
from tests.e2e.scenarios.world import RealOutside, RealWorld, clear, versions
from tests.sandbox.velero.conftest import furnish


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what only the emulator can do, each for a reason that is written down."""
    here = [item for item in items if item.path.parent.name == "scenarios" and isinstance(item, pytest.Function)]
    left_out = [item for item in here if reason_to_stay(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
async def door(cluster: RealCluster) -> AsyncIterator[Door]:
    (port,) = free_ports("127.0.0.1", 1)
    door = Door(cluster.store.url, "127.0.0.1", port)
    await door.open()
    yield door
    await door.shut()


@pytest.fixture
def outside(cluster: RealCluster, door: Door) -> RealOutside:
    return RealOutside(cluster, door)


@pytest.fixture(scope="session")
def kept() -> dict[str, str]:
    """What lies in `shop` since it was furnished last."""
    return {}


@pytest.fixture
async def world(
    cluster: RealCluster, door: Door, outside: RealOutside, kept: dict[str, str]
) -> AsyncIterator[RealWorld]:
    """Velero running, its location available, and a namespace `shop` with a few things in it."""
    if not kept:
        await clear(cluster, outside.files, kept)
    world = RealWorld(cluster.api, door.url)
    async with world.watching():
        await world.location("default", default=True)
        if await versions(cluster.api) != kept or not kept:
            await furnish(world)
            kept |= await versions(cluster.api)
        await world.reaches("backupstoragelocations", "default", "Available")
        yield world
    await outside.as_before()
    await clear(cluster, outside.files, kept)


@pytest.fixture(scope="session", autouse=True)
async def as_it_was(cluster: RealCluster) -> AsyncIterator[None]:
    """What comes after the scenarios finds a location again."""
    yield
    await cluster.api.apply(location(cluster.store.url, "ReadWrite"))
