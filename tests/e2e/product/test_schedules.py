"""The verbs of schedules on a schedule that is due every minute, with a bot of its own that is killed meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.api import Json
from tests.e2e.cluster import RealCluster
from tests.e2e.objects import make_shop
from tests.e2e.processes import Keeper
from tests.e2e.product.shop import RealHouse, open_house

NAME = "minutely"
RUN_SECONDS = 200.0
"""A run is up to a minute late, and a minute passes until it is due."""


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class Story:
    """One after the other, while other tests go on; each test waits for its own part."""

    def __init__(self, house: RealHouse) -> None:
        self.house = house
        self.parts: dict[str, asyncio.Future[None]] = {
            name: asyncio.get_running_loop().create_future() for name in ("created", "skipped", "resumed", "deleted")
        }

    async def run(self) -> None:
        for name, part in self.parts.items():
            try:
                await getattr(self, name)()
            except (Exception, asyncio.CancelledError) as error:
                for waiting in self.parts.values():
                    if not waiting.done():
                        waiting.set_exception(AssertionError(f"{name}: {error!r}"))
                raise
            part.set_result(None)

    async def schedule(self) -> Json:
        found = await self.house.api.get("schedules", NAME)
        assert found is not None
        return found

    async def next_run(self, known: set[str]) -> datetime:
        """When the first backup that is not known was created."""

        def fresh(event) -> bool:
            return event.name.startswith(f"{NAME}-2") and event.name not in known and event.kind != "DELETED"

        async with self.house.api.watching("backups") as seen:
            listed = (await self.house.api.list("backups"))["items"]
            there = [one for one in listed if one["metadata"]["name"].startswith(f"{NAME}-2")]
            for one in there:
                if one["metadata"]["name"] not in known:
                    return moment(one["metadata"]["creationTimestamp"])
            return moment((await seen.until(fresh, RUN_SECONDS)).object["metadata"]["creationTimestamp"])

    async def runs(self) -> set[str]:
        listed = (await self.house.api.list("backups"))["items"]
        return {name for one in listed if (name := one["metadata"]["name"]).startswith(f"{NAME}-2")}

    async def created(self) -> None:
        await make_shop(self.house.api, "shop")
        await self.house.grace.says(f"/velero schedule create {NAME} --schedule '* * * * *' --include-namespaces shop")
        await self.house.api.wait_phase("schedules", NAME, "Enabled", within=60)

    async def skipped(self) -> None:
        """The bot is killed over the time of the skipped run: the server keeps the skip."""
        known = await self.runs()
        asked = datetime.now(UTC)
        await self.house.grace.says(f"/velero schedule skip {NAME} --runs 2")
        there = await self.house.api.wait("schedules", NAME, lambda o: "lastSkipped" in o.get("status", {}), within=60)
        await self.house.process.kill()
        until = moment(there["status"]["lastSkipped"])
        assert timedelta() < until - asked <= timedelta(minutes=2, seconds=5)
        assert until.second == 0
        known |= {name for name in await self.runs() if f"{until:%Y%m%d%H%M}" > name.removeprefix(f"{NAME}-")[:12]}
        assert await self.next_run(known) >= until + timedelta(minutes=1)
        await self.house.process.start()

    async def resumed(self) -> None:
        """What fell into a pause is not made up for."""
        await self.house.grace.says(f"/velero schedule pause {NAME}")
        await self.house.api.wait("schedules", NAME, lambda o: o["spec"].get("paused") is True, within=60)
        last = moment((await self.schedule())["status"]["lastBackup"])
        overdue = last + timedelta(minutes=2)
        await asyncio.sleep(max(0.0, (overdue - datetime.now(UTC)).total_seconds()))
        known = await self.runs()
        await self.house.grace.says(f"/velero schedule resume {NAME}")
        there = await self.house.api.wait("schedules", NAME, lambda o: not o["spec"].get("paused"), within=60)
        horizon = moment(there["status"]["lastSkipped"])
        assert await self.next_run(known) >= horizon.replace(second=0) + timedelta(minutes=1)

    async def deleted(self) -> None:
        await self.house.grace.says(f"/velero schedule delete {NAME}")
        await self.house.api.wait_gone("schedules", NAME, within=60)
        assert await self.runs()


@pytest.fixture(scope="session")
async def story(
    cluster: RealCluster, granted: None, keeper: Keeper, e2e_directory: Path, http: aiohttp.ClientSession
) -> AsyncIterator[Story]:
    directory = e2e_directory / "schedules"
    directory.mkdir()
    house = await open_house(cluster, keeper, directory, http)
    await house.process.start()
    story = Story(house)
    running = asyncio.create_task(story.run())
    yield story
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await house.process.kill()
    await house.slack.stop()


async def test_the_story_begins(story: Story) -> None:
    """Before the other tests, which go on meanwhile."""
    assert story.house.process.process.alive


@pytest.mark.timeout(700)
@pytest.mark.parametrize("part", ["created", "skipped", "resumed", "deleted"])
async def test_schedule(story: Story, part: str) -> None:
    await asyncio.shield(story.parts[part])
