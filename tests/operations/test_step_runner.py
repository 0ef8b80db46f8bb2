"""Plans of several steps: a step runs once, after the previous object has reached its phase, and never otherwise."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.actor import Origin, Way
from domain.decision import recovered
from domain.operation import Operation, State
from domain.plan import Plan, Step, StepVerb
from domain.reach import Reach
from operations.execution_records import OBJECT_CLEANUP, object_cleanup
from operations.step_runner import StepRunner
from store.tables.deadlines import Deadline
from store.tables.failed_items import ItemKind
from store.tables.observed import Observed
from tests.operations.approving import NOW, Desk, cluster_in


def made(kind, name, **more):
    body = {"apiVersion": "velero.io/v1", "kind": kind, "metadata": {"name": name, "namespace": "velero"}}
    spec = {"backupName": "b1"} if kind == "Restore" else {"includedNamespaces": ["shop"]}
    return Step(StepVerb.CREATE, kind, f"{kind.lower()}s", name, {**body, "spec": spec}, "velero", **more)


PLAN = Plan(
    "prod",
    "restore",
    "create",
    (made("Backup", "r1-safety", wait=("Completed",)), made("Restore", "r1")),
    Reach(),
    subject="r1",
)


@pytest.fixture
async def desk(tmp_path):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desk = Desk(store, cluster, objects)
        operation = Operation(
            "op-r1", "prod", "restore", "create", "r1", "UADA", State.APPROVED, "restore create r1",
            PLAN.fingerprint, NOW, NOW,
        )  # fmt: skip
        await store.write(lambda tx: tx.operations.insert(operation, PLAN, Origin(Way.SLASH)))
        await desk.executor.execute(recovered(operation, PLAN))
        yield desk


def continuing(desk):
    return StepRunner(desk.store, desk.executor, lambda: desk.now)


def safety(desk):
    return desk.objects.find("backups", "velero", "r1-safety")["metadata"]["uid"]


async def operation(desk):
    return await desk.store.read(lambda tx: tx.operations.get("op-r1"))


async def seen(desk, phase):
    row = Observed(safety(desk), "r1-safety", phase, NOW)
    await desk.store.write(lambda tx: tx.observed.put("prod", "Backup", [row]))


async def test_only_the_first_step_runs_at_once(desk):
    assert safety(desk)
    assert desk.restores == []
    assert (await operation(desk)).object_uid == ""


async def test_the_next_one_follows_its_phase_once(desk):
    for _ in range(3):
        await continuing(desk).continue_after("op-r1", safety(desk), "Completed")
    assert len(desk.restores) == 1
    assert (await operation(desk)).object_uid == desk.restores[0]["metadata"]["uid"]


@pytest.mark.parametrize("phase", ["", "New", "InProgress", "Finalizing"])
async def test_a_phase_on_the_way_is_no_news(desk, phase):
    await continuing(desk).continue_after("op-r1", safety(desk), phase)
    assert desk.restores == []
    assert (await operation(desk)).state is State.SUBMITTED


@pytest.mark.parametrize("phase", ["PartiallyFailed", "Failed", "FailedValidation"])
async def test_any_other_end_is_the_end_of_all(desk, phase):
    await continuing(desk).continue_after("op-r1", safety(desk), phase)
    await continuing(desk).continue_after("op-r1", safety(desk), "Completed")
    ended = await operation(desk)
    assert (ended.state, f"ended with {phase}" in ended.reason) == (State.FAILED, True)
    assert desk.restores == []


async def test_another_object_means_nothing(desk):
    await continuing(desk).continue_after("op-r1", "uid-of-another", "Completed")
    assert desk.restores == []


async def test_a_round_finds_what_was_missed(desk):
    await seen(desk, "InProgress")
    await continuing(desk).round()
    assert desk.restores == []
    await seen(desk, "Completed")
    desk.restart()
    await continuing(desk).round()
    await continuing(desk).round()
    assert len(desk.restores) == 1


async def test_an_operation_that_fails_holds_up_no_other_nor_the_timers(desk):
    """Its stored plan cannot be read any more; another one's timer and step go on."""
    other = Operation(
        "op-r2", "prod", "restore", "create", "r2", "UADA", State.APPROVED, "restore create r2",
        "broken", NOW, NOW,
    )  # fmt: skip
    await desk.store.write(lambda tx: tx.operations.insert(other, PLAN, Origin(Way.SLASH)))
    spoil = "UPDATE operation SET state = 'submitted', plan = '{}', created_at = 0 WHERE id = 'op-r2'"
    await desk.store.write(lambda tx: tx.connection.execute(spoil))
    bad, good = Deadline("bad", NOW, OBJECT_CLEANUP, {}), object_cleanup("op-none", "config", "uid", NOW)
    await desk.store.write(lambda tx: [tx.deadlines.put(one) for one in (bad, replace(good, at=NOW))])
    await seen(desk, "Completed")
    await continuing(desk).round()
    assert len(desk.restores) == 1
    failed = await desk.store.read(lambda tx: tx.failed_items.all())
    assert {(one.kind, one.key) for one in failed} == {(ItemKind.OPERATION, "op-r2"), (ItemKind.TIMER, "bad")}
    assert [one.id for one in await desk.store.read(lambda tx: tx.deadlines.open(OBJECT_CLEANUP))] == ["bad"]


async def test_what_is_set_aside_is_tried_again_when_it_is_due_and_forgotten_when_it_is_done(desk):
    await desk.store.write(lambda tx: tx.deadlines.put(Deadline("bad", NOW, OBJECT_CLEANUP, {})))
    for seconds in (0, 5, 5, 30, 30, 999):
        desk.now += timedelta(seconds=seconds)
        await continuing(desk).round()
    (kept,) = await desk.store.read(lambda tx: tx.failed_items.all())
    assert (kept.failures, kept.retry_at) == (3, None)
    mended = Deadline("bad", NOW, OBJECT_CLEANUP, {"operation": "op-none", "name": "config", "uid": "uid"})
    await desk.store.write(lambda tx: (tx.deadlines.put(mended), tx.failed_items.retry(kept.id, desk.now)))
    await continuing(desk).round()
    assert await desk.store.read(lambda tx: (tx.failed_items.all(), tx.deadlines.open(OBJECT_CLEANUP))) == ((), ())
