"""Closures go in, durable results come out."""

from __future__ import annotations

import asyncio
import threading

import pytest

from domain.errors import ConcurrentChange, StoreBusy, StoreError, StoreFull
from store.tables.audit import AuditEntry
from store.writer import Store


def audited(text, now):
    return lambda tx: tx.audit.append(AuditEntry(now, "ada", text, "done"))


def raised(error):
    def closure(tx):
        tx.deadlines.cancel("nothing")
        raise error

    return closure


class Gate:
    """Holds the writer inside a closure until it is opened."""

    def __init__(self):
        self.entered = threading.Event()
        self._open = threading.Event()

    def __call__(self, tx):
        self.entered.set()
        self._open.wait(10)
        return "through"

    def open(self):
        self._open.set()


async def held(store):
    gate = Gate()
    holding = asyncio.ensure_future(store.write(gate))
    await asyncio.to_thread(gate.entered.wait, 10)
    return gate, holding


async def test_a_write_returns_what_its_closure_returned(store, now):
    assert await store.write(audited("backup.create", now)) == 1
    assert await store.read(lambda tx: tx.audit.head()[0]) == 1


async def test_a_failed_closure_leaves_no_trace_and_fails_alone(store, now):
    gate, holding = await held(store)

    def writes_then_fails(tx):
        tx.audit.append(AuditEntry(now, "mallory", "never", "done"))
        raise ConcurrentChange("somebody was faster")

    attempts = [store.write(audited("before", now)), store.write(writes_then_fails), store.write(audited("after", now))]
    together = asyncio.gather(*attempts, return_exceptions=True)
    await asyncio.sleep(0)
    gate.open()
    before, failed, after = await together
    await holding
    assert (before, after) == (1, 2)
    assert isinstance(failed, ConcurrentChange)
    actions = await store.read(lambda tx: [row.entry.action for row in tx.audit.latest(10)])
    assert actions == ["after", "before"]


async def test_waiting_closures_share_one_commit(store, now):
    gate, holding = await held(store)
    many = asyncio.gather(*(store.write(audited(f"row-{i}", now)) for i in range(200)))
    await asyncio.sleep(0)
    commits = store.commits
    gate.open()
    await holding
    assert sorted(await many) == list(range(1, 201))
    assert store.commits == commits + 2


async def test_more_than_a_batch_still_arrives_in_order(store, now):
    gate, holding = await held(store)
    many = asyncio.gather(*(store.write(audited(f"row-{i}", now)) for i in range(600)))
    await asyncio.sleep(0)
    gate.open()
    await holding
    assert await many == list(range(1, 601))


async def test_a_closure_that_was_not_begun_in_time_never_runs(store, now):
    gate, holding = await held(store)
    with pytest.raises(StoreBusy):
        await store.write(audited("late", now), timeout=0.01)
    gate.open()
    await holding
    await store.write(audited("next", now))
    assert await store.read(lambda tx: tx.audit.head()[0]) == 1


async def test_a_closure_that_was_begun_in_time_is_never_reported_as_not_done(store):
    gate = Gate()
    slow = asyncio.ensure_future(store.write(gate, timeout=0.01))
    await asyncio.to_thread(gate.entered.wait, 10)
    await asyncio.wait({slow}, timeout=0.05)
    assert not slow.done()
    gate.open()
    assert await slow == "through"


async def test_a_cancelled_caller_s_closure_does_not_begin(store, now):
    gate, holding = await held(store)
    given_up = asyncio.ensure_future(store.write(audited("given up", now)))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait({given_up})
    gate.open()
    await holding
    assert await store.read(lambda tx: tx.audit.head()[0]) == 0


@pytest.mark.parametrize("error", [ValueError("wrong"), StopIteration(), KeyError("x"), asyncio.CancelledError()])
async def test_any_error_comes_back_to_its_caller_and_the_writer_lives(store, now, error):
    with pytest.raises((ValueError, RuntimeError, KeyError, asyncio.CancelledError)):
        await store.write(raised(error))
    assert await store.write(audited("next", now)) == 1


async def test_a_database_error_comes_in_the_store_s_words(store):
    with pytest.raises(StoreError, match="UNIQUE"):
        await store.write(
            lambda tx: [tx.connection.execute("INSERT INTO meta (name, value) VALUES ('a', 1)") for _ in range(2)]
        )
    assert await store.read(lambda tx: tx.connection.execute("SELECT 1 FROM meta WHERE name = 'a'").fetchone()) is None


async def test_a_closure_that_ends_the_transaction_fails_its_batch_and_no_later_one(store, now):
    def breaks_out(tx):
        tx.connection.execute("ROLLBACK")
        tx.connection.execute("SELECT nonsense")

    with pytest.raises(StoreError):
        await store.write(breaks_out)
    assert await store.write(audited("next", now)) == 1


async def test_a_reader_cannot_write(store, now):
    with pytest.raises(StoreError, match="readonly"):
        await store.read(audited("by the back door", now))


async def test_a_reader_sees_a_write_as_soon_as_it_returned(store, now):
    for count in range(1, 50):
        await store.write(audited("row", now))
        assert await store.read(lambda tx: tx.audit.head()[0]) == count


async def test_a_commit_wakes_those_who_wait_for_it(store, now):
    waiting = asyncio.ensure_future(store.committed(store.commits))
    await asyncio.sleep(0)
    await store.write(audited("news", now))
    await asyncio.wait_for(waiting, 5)


async def test_close_finishes_what_was_submitted(tmp_path, now):
    store = await Store.open(tmp_path, now, reserve_bytes=0)
    many = [asyncio.ensure_future(store.write(audited(f"row-{i}", now))) for i in range(300)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*many) == list(range(1, 301))
    again = await Store.open(tmp_path, now, reserve_bytes=0)
    assert await again.read(lambda tx: tx.audit.head()[0]) == 300
    await again.close()


async def test_a_closed_store_says_so(tmp_path, now):
    store = await Store.open(tmp_path, now, reserve_bytes=0)
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.write(audited("too late", now))
    with pytest.raises(StoreError, match="closed"):
        await store.read(lambda tx: None)


async def filled_up(store, now):
    """Until nothing more fits; how many rows were acknowledged."""
    written = 0
    while True:
        try:
            await store.write(
                lambda tx: tx.audit.append(AuditEntry(now, "ada", "fill", "done", detail={"text": "x " * 2000}))
            )
        except StoreFull:
            return written
        written += 1


async def test_a_full_disk_loses_nothing_acknowledged_and_heals(store, tmp_path, now):
    await store.write(lambda tx: tx.connection.execute("PRAGMA max_page_count=200").fetchall())
    written = await filled_up(store, now)
    assert store.short_of_space
    assert not (tmp_path / "ballast").exists()
    assert await store.read(lambda tx: tx.audit.head()[0]) == written
    await store.write(lambda tx: tx.connection.execute("PRAGMA max_page_count=100000").fetchall())
    assert await store.write(audited("again", now)) == written + 1


async def test_on_a_full_disk_every_closure_of_the_batch_fails(store, now):
    await store.write(lambda tx: tx.connection.execute("PRAGMA max_page_count=200").fetchall())
    gate, holding = await held(store)
    huge = store.write(lambda tx: tx.audit.append(AuditEntry(now, "ada", "f", "done", detail={"text": "x " * 1000000})))
    together = asyncio.gather(store.write(audited("small", now)), huge, return_exceptions=True)
    await asyncio.sleep(0)
    gate.open()
    await holding
    assert [type(outcome) for outcome in await together] == [StoreFull, StoreFull]
    assert await store.read(lambda tx: tx.audit.head()[0]) == 0


async def test_a_snapshot_is_a_whole_store(store, tmp_path, now):
    await store.write(audited("kept", now))
    (tmp_path / "copy").mkdir()
    await store.snapshot(tmp_path / "copy" / "velero-chatops.db")
    copy = await Store.open(tmp_path / "copy", now, reserve_bytes=0)
    assert await copy.read(lambda tx: tx.audit.latest(1)[0].entry.action) == "kept"
    await copy.close()
