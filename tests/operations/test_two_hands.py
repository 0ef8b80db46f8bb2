"""After a restart, the inbox and the recovery process the same operation at the same time."""

import asyncio

from domain.operation import State
from domain.plan import digest
from tests.operations.approving import NOW, Desk, cluster_in, plan_of
from tracking.operations import advance


async def approved(desk):
    """As a crash right after the grant leaves it: approved, nothing sent."""
    desk.now = NOW
    await desk.ask()
    operation = await desk.store.read(lambda tx: tx.operations.get(f"op-{desk.name}"))
    granted = operation.advance(State.APPROVED, NOW)
    await desk.store.write(lambda tx: tx.operations.advance(granted, operation.revision))
    return granted


async def test_both_see_it_through_and_one_object_is_made(tmp_path):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desk = Desk(store, cluster, objects)
        operation = await approved(desk)
        both = await asyncio.gather(*(desk.executor.recover(operation) for _ in range(2)))
        assert [done.operation.state for done in both] == [State.SUBMITTED, State.SUBMITTED]
        assert desk.runs_what_was_approved()


async def test_what_failed_meanwhile_is_not_sent_again(tmp_path):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desk = Desk(store, cluster, objects)
        operation = await approved(desk)
        objects.create("restores", "velero", plan_of(desk.name).steps[0].manifest)
        first, second = await asyncio.gather(
            *(desk.executor.recover(operation) for _ in range(2)), return_exceptions=True
        )
        assert "already" in str(first)
        assert second.operation.state is State.FAILED
        assert [digest(one["spec"]) for one in desk.restores] == [digest(plan_of(desk.name).steps[0].manifest["spec"])]


async def test_the_record_has_the_run_also_where_the_watch_was_faster(tmp_path):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desk = Desk(store, cluster, objects)
        operation = await approved(desk)
        sending = operation.advance(State.SUBMITTING, NOW)

        def seen(tx):
            tx.operations.advance(sending, operation.revision)
            advance(tx, operation.id, "Completed", "uid-1", desk.name, NOW, {})

        await store.write(seen)
        assert [action for action, _ in await desk.record()] == [
            "approval.requested",
            "restore.create.submitted",
            "restore.create.ended",
        ]
