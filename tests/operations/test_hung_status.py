"""`status` names a cluster or a Velero server that doesn't respond, and doesn't wait for it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from commands.general.status import STATUS, answer
from commands.grammar.parser import parse
from commands.planning.facts import Facts
from operations.facts_reader import no_cache, read_facts
from sandbox.kubernetes.auth import admin
from sandbox.kubernetes.faults import Trouble
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.server import KubernetesEmulator
from tests.tracking.schedules.schedule_world import Yard
from velero.cluster import SERVER, Cluster, ClusterSettings
from velero.connection import Direct

GIVEN_UP_S = 5.0
"""Only a failing test takes this long."""


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    made = await Yard(tmp_path).start()
    yield made
    await made.close()


@pytest.fixture
async def silent(yard: Yard) -> AsyncIterator[Cluster]:
    ids = itertools.count(1)
    api = KubernetesEmulator(Objects(now=yard.clock.now, new_id=lambda: f"u{next(ids)}"), {"token": admin()})
    await api.start()
    api.faults.on(Trouble.HANG)
    cluster = Cluster(ClusterSettings("silent", Direct(api.url, "token")), now=yard.clock.now, random=Random(1))
    yield cluster
    api.faults.clear()
    await cluster.close()
    await api.close()


async def no_records(_need: object) -> list[object]:
    return []


async def read(*clusters: Cluster) -> dict[str, Facts]:
    command = parse("status")
    reads = (read_facts(STATUS, command, one, no_records, no_cache, lambda _: None) for one in clusters)
    async with asyncio.timeout(GIVEN_UP_S):
        facts = await asyncio.gather(*reads)
    return {one.name: found for one, found in zip(clusters, facts, strict=True)}


def rows(yard: Yard, facts: dict[str, Facts]) -> dict[str, tuple[str, ...]]:
    table = answer(parse("status"), dict(facts), yard.situation()).parts[0]
    return {row[0]: row for row in table.rows}


async def test_a_cluster_that_hangs_is_named_beside_the_others(yard: Yard, silent: Cluster) -> None:
    shown = rows(yard, await read(yard.cluster, silent))
    assert shown["prod"][1:3] == ("ok", "v1.18.2")
    assert shown["silent"][1] == "Cluster silent doesn't respond within 0.9 seconds."


async def test_a_velero_server_that_is_silent_is_named_and_its_health_is_left_to_the_check(yard: Yard) -> None:
    await yard.cluster.server_status()
    await yard.velero.stop()
    shown = rows(yard, await read(yard.cluster))
    assert shown["prod"][1] == "Velero doesn't respond within 0.5 seconds"
    assert yard.cluster.board.get(SERVER).ok
