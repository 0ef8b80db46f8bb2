"""Schedules as the watch shows them: where they are used, and that the cluster is read before anything is done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.errors import Unreachable
from tests.tracking.schedules.schedule_world import Yard
from tracking.schedule_reconciler import ScheduleReconciler
from tracking.watched_schedules import SCHEDULE_KIND, ScheduleReading, WatchedSchedules
from velero.observations import Batch, Change, Observation
from velero.resources.schedules import Schedule


def batch(*schedules: Schedule, change: Change = Change.MODIFIED, complete: bool = True) -> Batch[Schedule]:
    seen = tuple(Observation(change, SCHEDULE_KIND, one.uid, one.name, one) for one in schedules)
    return Batch(seen, "1", complete=complete)


async def in_step(yard: Yard) -> WatchedSchedules:
    """The memory of a watch that shows the schedules as they are now."""
    watched = yard.known["prod"].schedules
    watched.take(batch(*await yard.cluster.schedules.list()))
    yard.cluster.board.record_ok(SCHEDULE_KIND)
    return watched


def reconciler(yard: Yard) -> ScheduleReconciler:
    return ScheduleReconciler(yard.store, {"prod": yard.cluster}, yard.clock.now, memory=yard.known)


async def test_nothing_is_listed_while_the_watch_is_in_step(yard: Yard) -> None:
    yard.schedule("nightly")
    watched = await in_step(yard)
    yard.schedule("later")
    assert list(await ScheduleReading(yard.cluster, watched).seen()) == ["nightly"]
    assert sorted(await ScheduleReading(yard.cluster, watched).current()) == ["later", "nightly"]


async def test_the_cluster_is_read_where_the_watch_is_not_in_step(yard: Yard) -> None:
    yard.schedule("nightly")
    watched = await in_step(yard)
    yard.schedule("later")
    yard.cluster.board.record_failure(SCHEDULE_KIND, Unreachable("prod", "The watch broke."))
    assert len(await ScheduleReading(yard.cluster, watched).seen()) == 2
    yard.cluster.board.record_ok(SCHEDULE_KIND)
    watched.restart()
    assert len(await ScheduleReading(yard.cluster, watched).seen()) == 2


async def test_a_deleted_schedule_leaves_the_memory(yard: Yard) -> None:
    yard.schedule("nightly")
    watched = await in_step(yard)
    watched.take(batch(*watched.all(), change=Change.DELETED, complete=False))
    assert await ScheduleReading(yard.cluster, watched).seen() == {}


@pytest.mark.parametrize("line", ["schedule pause nightly", "schedule skip nightly --runs 2"])
async def test_a_watch_behind_the_bot_s_own_write_reports_nothing(yard: Yard, line: str) -> None:
    yard.schedule("nightly")
    await in_step(yard)
    await reconciler(yard).round()
    await yard.does(line)
    await reconciler(yard).round()
    assert await yard.kinds() == []


async def test_a_change_that_the_watch_shows_is_reported(yard: Yard) -> None:
    yard.schedule("nightly")
    watched = await in_step(yard)
    await reconciler(yard).round()
    yard.patched("nightly", {"spec": {"paused": True}})
    await reconciler(yard).round()
    assert await yard.kinds() == []
    watched.take(batch(*[replace(one, paused=True) for one in await yard.cluster.schedules.list()]))
    await reconciler(yard).round()
    assert await yard.kinds() == ["schedule.paused-outside"]


async def test_a_schedule_that_the_watch_does_not_show_yet_is_not_gone(yard: Yard) -> None:
    await in_step(yard)
    await yard.does("schedule create nightly --schedule hourly --include-namespaces shop")
    await reconciler(yard).round()
    assert await yard.kinds() == []
    assert await yard.intent("nightly") is not None
