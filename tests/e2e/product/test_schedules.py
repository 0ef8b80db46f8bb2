"""Schedule commands on a schedule that runs every minute, with a bot of its own that is killed in between."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.api import Json
from tests.e2e.objects import make_shop
from tests.e2e.product.shop import RealHouse
from tests.e2e.product.telling import Story

NAME = "minutely"
RUN_SECONDS = 200.0
"""A run can be a minute late, and is due within a minute."""


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class Minutely(Story):
    PARTS = ("created", "skipped", "resumed", "deleted")

    def __init__(self, house: RealHouse) -> None:
        super().__init__()
        self.house = house

    async def seen(self) -> list[str]:
        return [message.text for message in self.house.grace.sees("#ops")[-6:]]

    async def next_run(self, since: datetime) -> datetime:
        """The creation time of the first backup since then."""

        def fresh(item: Json) -> bool:
            name, created = item["metadata"]["name"], item["metadata"]["creationTimestamp"]
            return name.startswith(f"{NAME}-2") and moment(created) >= since

        async with self.house.api.watching("backups") as seen:
            there = [one for one in (await self.house.api.list("backups"))["items"] if fresh(one)]
            if not there:
                there = [(await seen.until(lambda e: e.kind == "ADDED" and fresh(e.object), RUN_SECONDS)).object]
        return min(moment(one["metadata"]["creationTimestamp"]) for one in there)

    async def says(self, line: str) -> None:
        answer = await self.house.grace.says(f"/velero {line}")
        assert answer.status == 200, answer.error

    async def created(self) -> None:
        await make_shop(self.house.api, "shop")
        await self.says(f"schedule create {NAME} --schedule '* * * * *' --include-namespaces shop")
        await self.house.api.wait_phase("schedules", NAME, "Enabled", within=60)

    async def skipped(self) -> None:
        """The bot is down at the time of the skipped run: Velero keeps the skip."""
        await in_the_first_third_of_a_minute()
        asked = datetime.now(UTC)
        await self.says(f"schedule skip {NAME}")
        there = await self.house.api.wait("schedules", NAME, lambda o: "lastSkipped" in o.get("status", {}), within=60)
        await self.house.process.kill()
        until = moment(there["status"]["lastSkipped"])
        assert until.second == 0
        assert timedelta() < until - asked <= timedelta(minutes=1)
        assert await self.next_run(since=until) >= until + timedelta(minutes=1)
        await self.house.process.start()

    async def resumed(self) -> None:
        """Runs that were due during the pause aren't started later."""
        await self.says(f"schedule pause {NAME}")
        await self.house.api.wait("schedules", NAME, lambda o: o["spec"].get("paused") is True, within=60)
        due = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1, seconds=1)
        await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
        await self.says(f"schedule resume {NAME}")
        there = await self.house.api.wait("schedules", NAME, lambda o: not o["spec"].get("paused"), within=60)
        horizon = moment(there["status"]["lastSkipped"])
        assert horizon >= due.replace(second=0)
        assert await self.next_run(since=due) >= horizon.replace(second=0) + timedelta(minutes=1)

    async def deleted(self) -> None:
        await self.says(f"schedule delete {NAME}")
        await self.house.api.wait_gone("schedules", NAME, within=60)
        kept = [one["metadata"]["name"] for one in (await self.house.api.list("backups"))["items"]]
        assert any(name.startswith(f"{NAME}-2") for name in kept)


async def in_the_first_third_of_a_minute() -> None:
    while datetime.now(UTC).second > 20:
        await asyncio.sleep(0.5)


@pytest.fixture(scope="session")
async def story(other: RealHouse) -> AsyncIterator[Minutely]:
    story = Minutely(other)
    running = asyncio.create_task(story.run())
    yield story
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_story_begins(story: Minutely) -> None:
    """Starts before the other tests, which run at the same time."""
    assert story.house.process.process.alive


@pytest.mark.timeout(700)
@pytest.mark.parametrize("part", Minutely.PARTS)
async def test_schedule(story: Minutely, part: str) -> None:
    await asyncio.shield(story.parts[part])
