"""A real server over minutes: sync, five thousand objects, a crowd in one namespace.

As in `test_horizon.py` the stories begin together and go on beside the other tests; each test waits for its own.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from tests.e2e.api import Json, Recorder, Seen
from tests.e2e.cluster import NAMESPACES, RealCluster, location, namespace
from tests.e2e.objects import CONFIG_MAPS, backup, config_map, download_request, make_shop, restore, schedule

PLACE = "rows"
"""A location and a bucket of their own: what happens to the others is no concern of theirs."""
MINUTE = timedelta(minutes=1)
SECONDS = timedelta(seconds=3)
AT_ONCE = 16
OBJECTS = 5000


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass(frozen=True, slots=True)
class Ground:
    cluster: RealCluster
    backups: Recorder
    restores: Recorder
    locations: Recorder

    async def saved(self, name: str, *namespaces: str) -> Json:
        await self.cluster.api.create("backups", backup(name, *namespaces, storageLocation=PLACE))
        return await self.backups.until_phase(name, "Completed", "PartiallyFailed", within=120)

    async def fill(self, name: str, count: int) -> None:
        """A namespace with so many ConfigMaps."""
        await self.cluster.api.apply(namespace(name))
        todo = iter(range(count))

        async def some() -> None:
            for number in todo:
                await self.cluster.api.create(CONFIG_MAPS, config_map(f"c{number}", name), name)

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))


Story = Callable[[Ground], Awaitable[None]]


async def an_object_deleted_by_hand_comes_back_within_a_minute(ground: Ground) -> None:
    api = ground.cluster.api
    await make_shop(api, "rows-sync")
    before = await ground.saved("rows-sync", "rows-sync")
    await api.delete("backups", "rows-sync")
    uid = before["metadata"]["uid"]
    again = await ground.backups.until(
        lambda e: e.name == "rows-sync" and e.kind == "ADDED" and e.object["metadata"]["uid"] != uid, 65
    )
    assert again.object["metadata"]["generation"] == 1
    assert again.object["status"] == before["status"]


async def the_bucket_is_looked_at_once_a_minute_although_more_is_asked_for(ground: Ground) -> None:
    """The server runs with a period of ten seconds."""
    await ground.locations.until(lambda _: len(ground_syncs(ground)) >= 3, 200)
    first, second, third = ground_syncs(ground)[:3]
    assert abs(second - first - MINUTE) <= SECONDS
    assert abs(third - second - MINUTE) <= SECONDS


def ground_syncs(ground: Ground) -> list[datetime]:
    told = [event.object.get("status", {}).get("lastSyncedTime") for event in ground.locations.of(PLACE)]
    return sorted({moment(text) for text in told if text is not None})


async def five_thousand_objects_are_saved_before_a_bar_could_move(ground: Ground) -> None:
    await ground.fill("rows-big", OBJECTS)
    done = await ground.saved("rows-big", "rows-big")
    assert done["status"]["progress"] == {"itemsBackedUp": OBJECTS + 1, "totalItems": OBJECTS + 1}
    told = ground.backups.of("rows-big")
    assert len(told) <= 10 + (told[-1].at - told[0].at)
    await ground.cluster.api.delete(NAMESPACES, "rows-big")


async def fifty_objects_a_second_are_restored_and_told_once_a_second(ground: Ground) -> None:
    """Of an estimate that sinks."""
    api = ground.cluster.api
    await ground.fill("rows-many", 500)
    await ground.saved("rows-many", "rows-many")
    await api.create("restores", restore("rows-many", "rows-many", namespaceMapping={"rows-many": "rows-copy"}))
    restored = await ground.restores.until_phase("rows-many", "Completed", within=120)
    told = [event for event in ground.restores.of("rows-many") if "progress" in event.object.get("status", {})]
    totals = [event.object["status"]["progress"]["totalItems"] for event in told]
    assert restored["status"]["progress"] == {"itemsRestored": 501, "totalItems": 501}
    assert (max(totals), totals[-1]) == (502, 501)
    lasted = told[-1].at - told[0].at
    assert lasted > 500 / 60
    assert len({event.object["status"]["progress"].get("itemsRestored") for event in told}) <= lasted + 4
    for name in ("rows-many", "rows-copy"):
        await api.delete(NAMESPACES, name)


async def a_crowd_of_one_namespace_gets_through_in_the_end(ground: Ground) -> None:
    """Some of them may wait for a tick although nothing runs."""
    await make_shop(ground.cluster.api, "rows-crowd")
    names = [f"rows-crowd-{number}" for number in range(6)]
    for name in names:
        await ground.cluster.api.create("backups", backup(name, "rows-crowd", storageLocation=PLACE))
    for name in names:
        await ground.backups.until_phase(name, "Completed", within=420)
    starts = [event.name for event in ground.backups.events if event.name in names and event.phase == "ReadyToStart"]
    assert sorted(starts) == names


async def six_of_six_namespaces_do_not_wait(ground: Ground) -> None:
    names = [f"rows-apart-{number}" for number in range(6)]
    for name in names:
        await make_shop(ground.cluster.api, name, items=1)
    for name in names:
        await ground.cluster.api.create("backups", backup(name, name, storageLocation=PLACE))
    for name in names:
        await ground.backups.until_phase(name, "Completed", within=45)


async def each_look_at_a_location_is_an_event_without_a_change_of_phase(ground: Ground) -> None:
    def looks() -> list[Seen]:
        return [event for event in ground.locations.of(PLACE) if event.phase is not None]

    def times() -> set[str]:
        return {event.object["status"]["lastValidationTime"] for event in looks()}

    await ground.locations.until(lambda _: len(times()) >= 6, 120)
    assert {event.phase for event in looks()} == {"Available"}


STORIES: tuple[Story, ...] = (
    an_object_deleted_by_hand_comes_back_within_a_minute,
    the_bucket_is_looked_at_once_a_minute_although_more_is_asked_for,
    five_thousand_objects_are_saved_before_a_bar_could_move,
    fifty_objects_a_second_are_restored_and_told_once_a_second,
    a_crowd_of_one_namespace_gets_through_in_the_end,
    six_of_six_namespaces_do_not_wait,
    each_look_at_a_location_is_an_event_without_a_change_of_phase,
)


@pytest.fixture(scope="session")
async def told(cluster: RealCluster) -> AsyncIterator[dict[Story, asyncio.Task[None]]]:
    """All stories, going on at once."""
    api = cluster.api
    await cluster.store.make_bucket(PLACE)
    async with AsyncExitStack() as stack:
        kinds = ("backups", "restores", "backupstoragelocations")
        ground = Ground(cluster, *[await stack.enter_async_context(api.watching(kind)) for kind in kinds])
        await api.apply(location(cluster.store.url, "ReadWrite", PLACE, PLACE))
        await api.wait_phase("backupstoragelocations", PLACE, "Available")
        tasks = {story: asyncio.ensure_future(story(ground)) for story in STORIES}
        yield tasks
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


async def test_the_stories_begin(told: dict[Story, asyncio.Task[None]]) -> None:
    """Before the other tests, which go on meanwhile."""
    assert len(told) == len(STORIES)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_rows(story: Story, told: dict[Story, asyncio.Task[None]]) -> None:
    await told[story]


@pytest.mark.parametrize("paused", [False, True])
async def test_a_run_by_hand_is_named_like_one_and_counts_as_none(cluster: RealCluster, *, paused: bool) -> None:
    name = f"rows-by-hand-{paused}".lower()
    await cluster.api.create("schedules", schedule(name, "0 1 1 1 *", name))
    await cluster.api.wait_phase("schedules", name, "Enabled")
    await cluster.api.patch("schedules", name, {"spec": {"paused": paused}})
    done = await cluster.cli("backup", "create", "--from-schedule", name)
    made = done.stdout.split('"')[1]
    run = await cluster.api.wait_phase("backups", made, "Completed", "PartiallyFailed")
    assert abs(datetime.strptime(f"{made[-14:]}+0000", "%Y%m%d%H%M%S%z") - moment(started(run))) < MINUTE
    assert run["metadata"]["labels"]["velero.io/schedule-name"] == name
    after = await cluster.api.get("schedules", name)
    assert after is not None
    assert "lastBackup" not in after["status"]
    await cluster.api.delete("schedules", name)


def started(run: Json) -> str:
    return str(run["metadata"]["creationTimestamp"])


async def test_a_link_to_what_was_never_written_leads_to_404_in_xml(cluster: RealCluster) -> None:
    await make_shop(cluster.api, "rows-linked")
    await cluster.api.create("backups", backup("rows-linked", "rows-linked"))
    await cluster.api.wait_phase("backups", "rows-linked", "Completed")
    wanted = download_request("rows-linked", "CSIBackupVolumeSnapshots", "rows-linked")
    await cluster.api.create("downloadrequests", wanted)
    answered = await cluster.api.wait_phase("downloadrequests", "rows-linked", "Processed")
    async with cluster.session.get(answered["status"]["downloadURL"]) as response:
        text = await response.text()
    assert response.status == 404
    assert "<Code>NoSuchKey</Code>" in text
    assert "<Key>backups/rows-linked/rows-linked-csi-volumesnapshots.json.gz</Key>" in text


async def test_while_a_location_is_away_what_is_there_is_listed(cluster: RealCluster) -> None:
    await cluster.api.apply(location("http://127.0.0.1:9", "ReadWrite", "rows-away", "rows-away"))
    await cluster.api.wait_phase("backupstoragelocations", "rows-away", "Unavailable", within=60)
    listed = await cluster.cli("backup", "get")
    assert "STORAGE LOCATION" in listed.stdout
    assert "Unavailable" in (await cluster.cli("backup-location", "get")).stdout
    await cluster.api.delete("backupstoragelocations", "rows-away")


async def test_a_pause_of_nobody_is_well_and_one_of_somebody_and_nobody_is_not(cluster: RealCluster) -> None:
    await cluster.api.create("schedules", schedule("rows-somebody", "0 1 1 1 *", "nowhere"))
    nobody = await cluster.cli("schedule", "pause", "rows-nobody", check=False)
    assert (nobody.returncode, nobody.stdout.strip()) == (0, "No schedules found")
    both = await cluster.cli("schedule", "pause", "rows-somebody", "rows-nobody", check=False)
    assert both.returncode == 1
    after = await cluster.api.get("schedules", "rows-somebody")
    assert after is not None
    assert after["spec"]["paused"] is True
    await cluster.api.delete("schedules", "rows-somebody")
