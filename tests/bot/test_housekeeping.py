"""Periodic tasks: deadlines of unknown kinds are reported once and block nothing."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from bot.configuration.settings import Settings
from bot.housekeeping import PRUNE_PAUSE_S, Housekeeping
from store.audit_chain import checkpoint
from store.retention import PRUNED_TABLES, SLICE_ROWS
from store.tables.deadlines import Deadline
from store.tables.deliveries import Delivery
from store.writer import Store

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(tmp_path, NOW, reserve_bytes=0)
    yield opened
    await opened.close()


def keeping(store, tmp_path):
    return Housekeeping(store, checkpoint.load_key(tmp_path, ""), Settings, Counter(), lambda: NOW)


async def test_a_deadline_of_a_newer_version_is_reported_once(store, tmp_path):
    old = Deadline("future:1", NOW - timedelta(days=1), "future.kind", {})
    await store.write(lambda tx: tx.deadlines.add(old))
    for _ in range(3):
        await keeping(store, tmp_path).run_minute_tasks()
    rows = await store.read(lambda tx: tx.audit.latest(10))
    assert [(row.entry.action, row.entry.subject) for row in rows] == [("deadline.unknown", "future:1")]


async def test_deadlines_of_known_kinds_are_left_alone(store, tmp_path):
    known = [Deadline(f"{kind}:1", NOW, kind, {}) for kind in ("approval.expire", "configmap.remove", "schedule.hold")]
    await store.write(lambda tx: [tx.deadlines.add(one) for one in known])
    await keeping(store, tmp_path).run_minute_tasks()
    assert await store.read(lambda tx: tx.audit.latest(10)) == ()


async def test_old_rows_go_in_small_transactions_until_none_is_left(store, tmp_path):
    """Each slice is a transaction of its own, so that a write of somebody else waits for one of them at most."""
    long_ago, rows = NOW - timedelta(days=60), 2 * SLICE_ROWS + 1
    await store.write(
        lambda tx: [tx.deliveries.record(Delivery(f"n{n}", 1, long_ago, "slack", "C1", "sent")) for n in range(rows)]
    )
    house, delays, left = keeping(store, tmp_path), [], []
    while not delays or delays[-1] < 60:
        before = store.commits
        delays.append(await house.run_hourly_tasks())
        assert store.commits - before == len(PRUNED_TABLES)
        left.append(await store.read(lambda tx: tx.connection.execute("SELECT count(*) FROM delivery").fetchone()[0]))
    assert left == [SLICE_ROWS + 1, 1, 0]
    assert delays == [PRUNE_PAUSE_S, PRUNE_PAUSE_S, 3600.0]
