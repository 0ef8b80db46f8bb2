"""An object that tracking cannot process is set aside: the others are processed, and it is retried later."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from store.tables.failed_items import ItemKind
from tests.operations.approving import NOW, cluster_in
from tracking.follower import ClusterMemory, Follower


class Trail:
    """A follower of backups over a real cluster's API. Names in `bad` cannot be compared."""

    def __init__(self, store, cluster, objects) -> None:
        self.store, self.cluster, self.objects = store, cluster, objects
        self.now, self.bad = NOW, set()
        self.heard = asyncio.Event()
        self.known = ClusterMemory()
        self.follower = self.made()

    def made(self) -> Follower:
        follower = Follower(self.store, self.cluster, "Backup", self.known, lambda: self.now, self.told)
        observe = follower._observe

        def failing(setting, prev, one):
            if one.name in self.bad:
                raise KeyError(one.name)
            return observe(setting, prev, one)

        follower._observe = failing
        return follower

    def told(self, _events, _moved) -> None:
        self.heard.set()

    @asynccontextmanager
    async def followed(self):
        task = asyncio.create_task(self.follower.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def backup(self, name, phase="InProgress"):
        return self.objects.create(
            "backups", "velero", {"metadata": {"name": name}, "spec": {}, "status": {"phase": phase}}
        )

    async def until(self, look):
        async with asyncio.timeout(15):
            while True:
                before = self.store.commits
                if await look():
                    return
                await self.store.committed(before)

    async def seen(self, *names):
        async def look():
            rows = await self.store.read(lambda tx: tx.observed.load("prod", "Backup"))
            return {one.name for one in rows.values()} == set(names)

        await self.until(look)

    async def failed(self):
        return await self.store.read(lambda tx: tx.failed_items.by_key(ItemKind.OBJECT))

    async def no_failed(self):
        return not await self.failed()


@pytest.fixture
async def trail(tmp_path):
    async with cluster_in(tmp_path) as found:
        yield Trail(*found)


async def test_an_object_that_cannot_be_processed_holds_up_no_other(trail):
    uid = trail.backup("bad")["metadata"]["uid"]
    trail.bad.add("bad")
    trail.backup("good")
    async with trail.followed():
        await trail.seen("good")
        trail.backup("later")
        await trail.seen("good", "later")
    (one,) = (await trail.failed()).values()
    assert (one.key, one.error_type, one.failures) == (f"prod/Backup/{uid}", "KeyError", 1)
    assert await trail.store.read(lambda tx: tx.cursors.get("prod", "Backup"))


async def test_the_next_start_continues_behind_it(trail):
    trail.bad.add("bad")
    async with trail.followed():
        trail.backup("bad")
        trail.backup("good")
        await trail.seen("good")
    trail.known = ClusterMemory()
    trail.follower = trail.made()
    async with trail.followed():
        trail.backup("later")
        await trail.seen("good", "later")
    assert len(await trail.failed()) == 1


async def test_its_next_change_is_processed_and_clears_the_failure(trail):
    trail.bad.add("bad")
    trail.backup("bad")
    async with trail.followed():
        await trail.until(trail.failed)
        trail.bad.clear()
        trail.objects.patch("backups", "velero", "bad", {"status": {"phase": "Completed"}})
        await trail.seen("bad")
        await trail.until(trail.no_failed)


async def test_a_retry_lists_again_and_processes_it(trail):
    trail.bad.add("bad")
    trail.backup("bad")
    async with trail.followed():
        await trail.until(trail.failed)
        trail.bad.clear()
        trail.follower.retry()
        await trail.seen("bad")
        await trail.until(trail.no_failed)


async def test_an_object_that_is_gone_at_the_retry_is_no_failure_any_more(trail):
    trail.bad.add("bad")
    trail.backup("bad")
    async with trail.followed():
        await trail.until(trail.failed)
        trail.objects.delete("backups", "velero", "bad")
        await trail.until(trail.failed)
        trail.follower.retry()
        await trail.until(trail.no_failed)


async def test_it_is_retried_automatically(trail):
    trail.bad.add("bad")
    trail.backup("bad")
    async with trail.followed():
        await trail.until(trail.failed)
    trail.now += timedelta(minutes=2)
    trail.bad.clear()
    async with trail.followed():
        await trail.seen("bad")
        await trail.until(trail.no_failed)


async def test_an_error_that_is_no_object_s_is_raised_and_sets_nothing_aside(trail):
    trail.backup("good")
    follower = trail.follower
    follower._settle_vanished = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        await follower.run()
    assert await trail.no_failed()
