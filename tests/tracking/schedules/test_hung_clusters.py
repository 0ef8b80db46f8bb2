"""A cluster that doesn't respond, or a schedule that can't be processed, doesn't hold up the others."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from random import Random

import pytest

from commands.planning.context import ClusterView
from domain.errors import Unreachable
from sandbox.kubernetes.auth import admin
from sandbox.kubernetes.faults import Trouble
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.server import KubernetesEmulator
from tests.tracking.schedules.schedule_world import Yard
from tracking import watched_schedules
from tracking.cluster_rounds import run_clusters
from tracking.follower import ClusterMemory
from tracking.schedule_reconciler import ScheduleReconciler
from tracking.watchdog_round import Watchdog
from tracking.watched_schedules import ScheduleReading
from velero.cluster import Cluster, ClusterSettings
from velero.connection import Direct


@pytest.fixture
async def silent(yard: Yard) -> AsyncIterator[Cluster]:
    """A second cluster, which has been reached once and hangs since."""
    ids = itertools.count(1)
    api = KubernetesEmulator(Objects(now=yard.clock.now, new_id=lambda: f"silent-{next(ids)}"), {"token": admin()})
    await api.start()
    cluster = Cluster(ClusterSettings("silent", Direct(api.url, "token")), now=yard.clock.now, random=Random(1))
    await cluster.open()
    api.faults.on(Trouble.HANG)
    yield cluster
    api.faults.clear()
    await cluster.close()
    await api.close()


GIVEN_UP_S = 5.0
"""Less than the timeout of a read: the others don't wait for it. Only a failing test takes this long."""


async def ends(pending: asyncio.Task[float]) -> None:
    assert not pending.done()
    pending.cancel()
    await asyncio.gather(pending, return_exceptions=True)


async def test_the_reconciler_serves_the_others_while_a_cluster_hangs(yard: Yard, silent: Cluster) -> None:
    yard.schedule("nightly")
    await yard.rounds()
    yard.patched("nightly", {"spec": {"paused": True}})
    both = ScheduleReconciler(yard.store, {"silent": silent, "prod": yard.cluster}, yard.clock.now)
    pending = asyncio.create_task(both.round())
    async with asyncio.timeout(GIVEN_UP_S):
        while await yard.kinds() != ["schedule.paused-outside"]:
            await asyncio.sleep(0)
    await ends(pending)


async def test_the_watchdog_serves_the_others_while_a_cluster_hangs(yard: Yard, silent: Cluster) -> None:
    yard.schedule("nightly")
    await yard.rounds()
    yard.known["silent"] = ClusterMemory()
    clusters = {"silent": silent, "prod": yard.cluster}
    judged = asyncio.Event()

    def view(name: str) -> ClusterView:
        if name == "prod":
            judged.set()
        return yard.view

    pending = asyncio.create_task(Watchdog(yard.store, clusters, yard.known, view, yard.clock.now).round())
    async with asyncio.timeout(GIVEN_UP_S):
        await judged.wait()
    await ends(pending)


async def test_a_list_that_hangs_is_given_up_and_not_sent_again(
    silent: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_schedules, "READ_TIMEOUT_S", 0.05)
    reading = ScheduleReading(silent, None)
    with pytest.raises(Unreachable) as first:
        await reading.seen()
    with pytest.raises(Unreachable) as second:
        await reading.current()
    assert first.value is second.value


async def test_a_schedule_that_cannot_be_judged_is_set_aside_alone(yard: Yard) -> None:
    for name in ("a", "b", "c"):
        yard.schedule(name)
    await yard.rounds()
    asked = []

    def view(name: str) -> ClusterView:
        asked.append(name)
        if len(asked) == 2:
            raise KeyError("b")
        return yard.view

    await Watchdog(yard.store, {"prod": yard.cluster}, yard.known, view, yard.clock.now).round()
    assert len(asked) == 3
    (failed,) = await yard.store.read(lambda tx: tx.failed_items.all())
    assert (failed.key, failed.error_type) == ("watchdog of prod/b", "KeyError")
    await yard.keeper.round()
    assert len(await yard.store.read(lambda tx: tx.failed_items.all())) == 1
    await yard.pass_(minutes=1)
    await yard.rounds()
    assert await yard.store.read(lambda tx: tx.failed_items.all()) == ()


async def test_an_error_of_one_cluster_is_raised_after_the_others_are_done(yard: Yard) -> None:
    done = []
    other = Cluster(ClusterSettings("other", Direct(yard.api.url, "token")), now=yard.clock.now, random=Random(1))

    async def work(cluster: Cluster) -> None:
        if cluster is other:
            raise KeyError("x")
        await asyncio.sleep(0)
        done.append(cluster.name)

    with pytest.raises(ExceptionGroup):
        await run_clusters([other, yard.cluster], work, "a test")
    assert done == ["prod"]
    await other.close()
