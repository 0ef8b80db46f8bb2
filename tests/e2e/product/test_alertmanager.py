"""The bot pages through a real Alertmanager, checked in its API and at the receiver of the pages."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from store.connection import read_transaction
from store.tables.notices import NoticeState
from tests.e2e.build import Parts
from tests.e2e.cluster import RealCluster
from tests.e2e.objects import backup, make_shop, schedule
from tests.e2e.pager import Pager, open_pager
from tests.e2e.processes import Keeper
from tests.e2e.product.shop import RealHouse, open_house
from tests.e2e.product.telling import Story

SETTINGS = """
[[routes]]
name = "pager"
kind = "alertmanager"
url = "{url}"
allow_addresses = ["127.0.0.0/8"]

[schedules]
grace = 5.0
"""
FAILED = {"alertname": "VeleroBackupFailed", "cluster": "prod"}
MISSED = {"alertname": "VeleroScheduleMissed", "schedule": "paged-never"}
REPEATED_SECONDS = 90.0
MISSED_SECONDS = 180.0
"""A minute until it is due, and a round of the watchdog."""


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class Paging(Story):
    PARTS = ("fires", "is_sent_again", "missed", "killed", "resolved")

    def __init__(self, house: RealHouse, pager: Pager) -> None:
        super().__init__()
        self.house = house
        self.pager = pager

    async def seen(self) -> list[str]:
        return [each["labels"]["alertname"] for each in await self.pager.firing()]

    async def watches(self) -> None:
        """Objects that exist when the bot starts cause no notification."""
        await self.house.grace.says("/velero backup create paged-0 --include-namespaces paged")
        await self.house.sees("#ops", "backup create paged-0", "Completed", deadline=90)

    async def fails(self, name: str, namespace: str) -> None:
        """Creates a backup that Velero refuses."""
        await self.house.api.create("backups", backup(name, namespace, storageLocation="nowhere"))
        await self.house.api.wait_phase("backups", name, "FailedValidation", within=90)

    async def fires(self) -> None:
        await make_shop(self.house.api, "paged")
        await self.watches()
        await self.house.api.create("schedules", schedule("paged-never", "* * * * *", "paged", paused=True))
        await self.fails("paged-1", "paged")
        alert = await self.pager.fires(**FAILED, namespaces="paged")
        assert alert["labels"] == {
            **FAILED,
            "namespaces": "paged",
            "severity": "critical",
            "source": "velero-chatops",
        }
        assert alert["annotations"]["summary"] == "Backup paged-1 in prod FailedValidation"
        assert "nowhere" in alert["annotations"]["description"]
        assert alert["annotations"]["backup"] == "paged-1"
        assert abs(datetime.now(UTC) - moment(alert["startsAt"])) < timedelta(minutes=3)
        assert moment(alert["endsAt"]) - moment(alert["startsAt"]) == timedelta(days=7)
        await self.pager.paged(alert["fingerprint"], "firing")

    async def is_sent_again(self) -> None:
        """A restarted Alertmanager has forgotten all alerts but not whom it paged; the bot sends the alerts again."""
        before = await self.pager.fires(**FAILED, namespaces="paged")
        await self.pager.process.stop()
        await self.pager.start()
        again = await self.pager.fires(**FAILED, namespaces="paged", within=REPEATED_SECONDS)
        for part in ("fingerprint", "labels", "annotations", "startsAt", "endsAt"):
            assert again[part] == before[part]
        assert again["updatedAt"] > before["updatedAt"]

    async def missed(self) -> None:
        alert = await self.pager.fires(**MISSED, within=MISSED_SECONDS)
        assert alert["labels"]["severity"] == "warning"
        await self.pager.paged(alert["fingerprint"], "firing")

    async def killed(self) -> None:
        """Kills the bot while it sends an alert: it sends the alert again, and no one is paged twice."""
        await make_shop(self.house.api, "paged-too")
        os.kill(self.pager.process.pid, signal.SIGSTOP)
        try:
            await self.fails("paged-2", "paged-too")
            await self.until_sending()
            await self.house.process.kill()
        finally:
            os.kill(self.pager.process.pid, signal.SIGCONT)
        await self.house.process.start()
        alert = await self.pager.fires(**FAILED, namespaces="paged-too")
        await self.pager.paged(alert["fingerprint"], "firing")
        await self.until_sent()
        assert len(await self.pager.firing(**FAILED, namespaces="paged-too")) == 1
        assert len(self.pager.pages(alert["fingerprint"], "firing")) == 1

    def states(self) -> set[NoticeState]:
        """The states of all notifications to Alertmanager."""
        with read_transaction(self.house.settings.parent / "data") as tx:
            rows = tx.connection.execute("SELECT DISTINCT state FROM notice WHERE kind = 'alertmanager'").fetchall()
        return {NoticeState(row[0]) for row in rows}

    async def until_sending(self) -> None:
        async with asyncio.timeout(60):
            while NoticeState.SENDING not in self.states():
                await asyncio.sleep(0.05)

    async def until_sent(self) -> None:
        async with asyncio.timeout(60):
            while self.states() != {NoticeState.SENT}:
                await asyncio.sleep(0.05)

    async def resolved(self) -> None:
        failed = await self.pager.fires(**FAILED, namespaces="paged")
        never = await self.pager.fires(**MISSED)
        await self.house.api.create("backups", backup("paged-good", "paged"))
        ended = await self.pager.paged(failed["fingerprint"], "resolved", within=90)
        assert ended["startsAt"][:23] == failed["startsAt"][:23]  # its API cuts to milliseconds
        assert moment(ended["startsAt"]) < moment(ended["endsAt"]) <= datetime.now(UTC)
        await self.house.api.patch("schedules", "paged-never", {"spec": {"paused": False}})
        await self.pager.paged(never["fingerprint"], "resolved", within=MISSED_SECONDS)
        assert await self.pager.firing(namespaces="paged") == []
        assert await self.pager.firing(**MISSED) == []
        assert len(await self.pager.firing(namespaces="paged-too")) == 1
        await self.house.api.delete("schedules", "paged-never")


@pytest.fixture(scope="session")
async def pager(parts: Parts, e2e_directory: Path, keeper: Keeper, http: aiohttp.ClientSession) -> AsyncIterator[Pager]:
    opened = await open_pager(parts.alertmanager, e2e_directory / "alertmanager", keeper, http)
    yield opened
    await opened.process.kill()
    await opened.on_call.stop()


@pytest.fixture(scope="session")
async def story(
    cluster: RealCluster,
    granted: None,
    pager: Pager,
    keeper: Keeper,
    e2e_directory: Path,
    http: aiohttp.ClientSession,
) -> AsyncIterator[Paging]:
    directory = e2e_directory / "paging"
    directory.mkdir()
    house = await open_house(cluster, keeper, directory, http)
    with house.settings.open("a", encoding="utf-8") as settings:
        settings.write(SETTINGS.format(url=pager.url))
    await house.process.start()
    told = Paging(house, pager)
    running = asyncio.create_task(told.run())
    yield told
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await house.process.kill()
    await house.slack.stop()


async def test_the_story_of_paging_begins(story: Paging) -> None:
    """Starts before the other tests, which run at the same time."""
    assert story.house.process.process.alive


@pytest.mark.timeout(700)
@pytest.mark.parametrize("part", Paging.PARTS)
async def test_paging(story: Paging, part: str) -> None:
    await asyncio.shield(story.parts[part])


@pytest.mark.parametrize("wrong", [[{"labels": {}}], [{"labels": {"alertname": 3}}], [{"annotations": {}}], {}])
async def test_it_is_strict_about_what_an_alert_is(pager: Pager, wrong) -> None:
    """Its server is generated from its published API, so it accepts only what the API describes."""
    assert 400 <= await pager.takes(wrong) < 500
