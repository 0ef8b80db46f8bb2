"""The worker alone: an item that fails or ends the process is set aside and delays no one."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.worker import MAX_ATTEMPTS, Worker
from domain.errors import StoreFull
from store.tables.failed_items import ItemKind
from store.writer import Store

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIVES = Path(__file__).parent / "process_lives.py"


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(tmp_path, NOW, reserve_bytes=0)
    yield opened
    await opened.close()


class Desk:
    """Ends as told by what the item says; remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.waits = asyncio.Event()

    async def process(self, item):
        self.seen.append(item.key)
        if item.payload.get("waits"):
            await self.waits.wait()
        if item.payload.get("fails"):
            raise KeyError(item.key)
        return item.payload.get("ends", "done")

    async def sees(self, key: str) -> None:
        async with asyncio.timeout(20):
            while key not in self.seen:
                await asyncio.sleep(0)


class Bench:
    def __init__(self, store: Store) -> None:
        self.store, self.desk, self.told = store, Desk(), []
        self.worker = Worker(store, {"slack": self.desk}, lambda: NOW, self.aside)

    async def aside(self, item, reference):
        self.told.append((item.key, reference))

    async def asked(self, *keys, lane="", **payload):
        for key in keys:
            await self.store.write(lambda tx, key=key: tx.inbox.accept(key, "slack", payload, lane, NOW))

    async def works(self) -> None:
        """Until nothing is left that can be done."""
        async with asyncio.timeout(20):
            while await self.store.read(lambda tx: tx.inbox.count()):
                seen = self.store.commits
                await self.worker.round()
                await self.store.committed(seen)

    async def results(self):
        rows = await self.store.read(lambda tx: tx.connection.execute("SELECT key, result FROM inbox").fetchall())
        return dict(rows)


@pytest.fixture
def bench(store):
    return Bench(store)


async def test_a_failed_item_is_set_aside_and_reported_and_its_lane_continues(bench):
    await bench.asked("bad", lane="shop", fails=True)
    await bench.asked("behind", lane="shop")
    await bench.works()
    assert bench.desk.seen == ["bad"] * MAX_ATTEMPTS + ["behind"]
    assert await bench.results() == {"bad": "failed", "behind": "done"}
    assert bench.told == [("bad", "ref-00001")]
    (failed,) = await bench.store.read(lambda tx: tx.failed_items.all())
    assert (failed.kind, failed.key, failed.error_type, failed.retry_at) == (ItemKind.COMMAND, "1", "KeyError", None)


async def test_an_error_while_reporting_does_not_keep_the_item(bench):
    async def fails(_item, _reference):
        raise RuntimeError

    bench.worker._aside = fails
    await bench.asked("bad", fails=True)
    await bench.works()
    assert await bench.results() == {"bad": "failed"}


@pytest.mark.parametrize("how", ["killed", "out of memory"])
async def test_an_item_that_ends_the_process_is_set_aside_and_the_others_are_done(tmp_path, how):
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(LIVES), str(tmp_path), how, stdout=asyncio.subprocess.PIPE, cwd=LIVES.parents[2]
    )
    out, _ = await process.communicate()
    found = json.loads(out)
    assert found["codes"] == [-9] * MAX_ATTEMPTS + [0]
    assert found["results"] == {"before": "done", "deadly": "failed", "behind": "done", "beside": "done"}
    assert found["failed"] == [["command", "Crashed"]]
    assert found["told"] == ["told-deadly"]


async def test_a_report_that_ends_the_process_is_not_repeated(bench):
    await bench.asked("deadly")
    await bench.store.write(lambda tx: tx.connection.execute("UPDATE inbox SET attempts = ?", (MAX_ATTEMPTS + 1,)))
    await bench.works()
    assert (bench.desk.seen, bench.told) == ([], [])
    assert await bench.results() == {"deadly": "failed"}


async def test_a_full_disk_while_an_item_is_finished_holds_its_lane_until_there_is_room_and_no_longer(bench):
    limit = lambda most: bench.store.write(lambda tx: tx.connection.execute(f"PRAGMA max_page_count={most}").fetchall())  # noqa: E731
    await bench.asked("first", "second", lane="shop", ends="x" * 100_000, waits=True)
    await bench.worker.round()
    await limit(1)
    bench.desk.waits.set()
    await asyncio.gather(*bench.worker._running)
    with pytest.raises(StoreFull):
        await bench.worker.round()
    assert bench.desk.seen == ["first"]
    await limit(100_000)
    await bench.works()
    assert bench.desk.seen == ["first", "second"]
    assert [len(result) for result in (await bench.results()).values()] == [100_000, 100_000]


async def test_what_is_stopped_in_order_is_not_held_against_the_item(bench):
    await bench.asked("slow", waits=True)
    await bench.worker.round()
    await bench.desk.sees("slow")
    await bench.worker.drain(0)
    (item,) = await bench.store.write(lambda tx: tx.inbox.next())
    assert item.attempts == 1


async def test_a_process_that_dies_young_is_not_held_against_what_it_had_claimed(bench):
    """Killed over and over by something else: the item is not claimed for its last try, and is done in the end."""
    await bench.asked("innocent", waits=True)
    for _ in range(10):
        await bench.worker.round()
        await bench.store.write(lambda tx: tx.connection.execute("UPDATE inbox SET state = 'waiting'"))
        bench.worker._running.clear()
        bench.worker = Worker(bench.store, {"slack": bench.desk}, lambda: NOW, bench.aside)
    bench.worker.probation = 0.0
    bench.desk.waits.set()
    await bench.works()
    assert (await bench.results(), bench.told) == ({"innocent": "done"}, [])


async def test_one_suspect_at_a_time_in_parallel_with_fresh_items(bench):
    await bench.asked("one", "two", waits=True)
    await bench.store.write(lambda tx: tx.connection.execute("UPDATE inbox SET attempts = 1"))
    await bench.worker.round()
    await bench.asked("fresh")
    await bench.worker.round()
    await bench.desk.sees("fresh")
    assert bench.desk.seen == ["one", "fresh"]
    bench.desk.waits.set()
    await bench.works()
    assert sorted(bench.desk.seen) == ["fresh", "one", "two"]
