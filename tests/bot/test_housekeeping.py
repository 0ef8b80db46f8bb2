"""What the minute does: timers that nobody here knows are told once and keep nobody waiting."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from bot.configuration.settings import Settings
from bot.housekeeping import Housekeeping
from store.audit_chain import checkpoint
from store.tables.deadlines import Deadline
from store.writer import Store

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(tmp_path, NOW, reserve_bytes=0)
    yield opened
    await opened.close()


def keeping(store, tmp_path):
    return Housekeeping(store, checkpoint.load_key(tmp_path, ""), Settings, Counter(), lambda: NOW)


async def test_a_deadline_of_a_newer_version_is_told_once(store, tmp_path):
    old = Deadline("future:1", NOW - timedelta(days=1), "future.kind", {})
    await store.write(lambda tx: tx.deadlines.add(old))
    for _ in range(3):
        await keeping(store, tmp_path).run_minute_tasks()
    rows = await store.read(lambda tx: tx.audit.latest(10))
    assert [(row.entry.action, row.entry.subject) for row in rows] == [("deadline.unknown", "future:1")]


async def test_those_that_are_known_are_none_of_its_business(store, tmp_path):
    known = [Deadline(f"{kind}:1", NOW, kind, {}) for kind in ("approval.expire", "configmap.remove", "schedule.hold")]
    await store.write(lambda tx: [tx.deadlines.add(one) for one in known])
    await keeping(store, tmp_path).run_minute_tasks()
    assert await store.read(lambda tx: tx.audit.latest(10)) == ()
