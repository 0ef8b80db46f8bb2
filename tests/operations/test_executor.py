"""What the executor records when writes are refused, lost or cut off by a crash, and who may write at all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.decision import recovered
from domain.errors import ChatopsError, Refused, Stale, Unreachable
from domain.operation import State
from domain.reach import Reach
from operations.conflicts import find_conflict
from operations.executor import START_WINDOW, WRITE_MAY_ARRIVE_FOR, Executor
from operations.unconfirmed_writes import ASK_REQUESTER_AFTER
from operations.write_step import write_step
from sandbox.kubernetes.cutting import Cut
from sandbox.kubernetes.faults import Trouble
from store.tables.observed import Observed
from store.tables.steps import StepState
from tests.operations.cut_connections import NOW, bench
from tracking import operations as following
from tracking.vanished_settlement import settle_operation

LOST = Cut(0, 0, answer=True, down=True)
"""The write is carried out; its answer and whatever follows is lost."""
NOT_ARRIVED = Cut(0, 10, down=True)


@pytest.fixture
async def desk(tmp_path):
    async with bench(tmp_path) as desk:
        yield desk


async def left_open(desk, key, cut):
    """Carried out with this cut: the operation, unconfirmed, and its plan."""
    _, operation, plan = await desk.granted(key)
    desk.proxy.arm(cut)
    await desk.execute(operation, plan)
    assert await desk.state(operation) is State.UNCONFIRMED
    return operation, plan


async def dead_after_sending(desk, key):
    """The process died between the write and the record of its answer."""
    _, operation, plan = await desk.granted(key)
    sending = operation.advance(State.SUBMITTING, NOW)

    def begun(tx):
        tx.operations.advance(sending, operation.revision)
        tx.steps.move(operation.id, 0, StepState.PENDING, StepState.SUBMITTING, NOW)

    await desk.store.write(begun)
    await write_step(desk.cluster, plan.steps[0], operation.id)
    return sending


def found(desk, resource, operation):
    label = "velero-chatops.io/operation"
    items = desk.objects.list(resource, "velero")
    return [each for each in items if (each["metadata"].get("labels") or {}).get(label) == operation.id]


# never sent, and no answer


async def test_what_was_never_sent_has_certainly_failed(desk):
    _, operation, plan = await desk.granted("restore.create")
    await desk.proxy.close()
    with pytest.raises(Unreachable):
        await desk.execute(operation, plan)
    assert await desk.state(operation) is State.FAILED
    assert await desk.events(operation) == ["operation.failed"]


async def test_no_answer_is_no_failure(desk):
    operation, _ = await left_open(desk, "restore.create", LOST)
    assert len(found(desk, "restores", operation)) == 1
    assert await desk.events(operation) == ["operation.unconfirmed"]
    assert (await desk.rows(operation))[-1] == ("restore.create.submitted", "unconfirmed")
    assert not (await desk.stored(operation)).is_over


async def test_a_crash_leaves_the_same_doubt(desk):
    """The process that sent it is gone, and the cluster refuses connections when the next one starts."""
    operation = await dead_after_sending(desk, "restore.create")
    await desk.proxy.close()
    await desk.executor.recover(await desk.stored(operation))
    assert await desk.state(operation) is State.UNCONFIRMED
    desk.proxy.heal()
    await desk.proxy.start()
    await desk.check()
    assert await desk.state(operation) is State.SUBMITTED
    assert len(found(desk, "restores", operation)) == 1


async def test_it_is_found_when_the_cluster_answers_again(desk):
    operation, _ = await left_open(desk, "restore.create", LOST)
    desk.proxy.heal()
    await desk.check()
    [restore] = found(desk, "restores", operation)
    stored = await desk.stored(operation)
    assert (stored.state, stored.object_uid) == (State.SUBMITTED, restore["metadata"]["uid"])


async def test_the_watch_may_find_it_first(desk):
    operation, _ = await left_open(desk, "restore.create", LOST)
    await desk.store.write(
        lambda tx: following.advance(tx, operation.id, "InProgress", "uid-1", operation.subject, NOW, {})
    )
    assert await desk.state(operation) is State.RUNNING
    await desk.check()
    assert await desk.state(operation) is State.RUNNING


async def test_what_the_watch_saw_is_not_made_again_after_it_went(desk):
    operation, _ = await left_open(desk, "restore.create", LOST)
    [restore] = found(desk, "restores", operation)
    name, uid = restore["metadata"]["name"], restore["metadata"]["uid"]
    await desk.store.write(lambda tx: following.advance(tx, operation.id, "InProgress", uid, name, NOW, {}))
    desk.objects.delete("restores", "velero", name)
    desk.proxy.heal()
    await desk.executor.recover(await desk.stored(operation))
    assert found(desk, "restores", operation) == []
    assert await desk.state(operation) is State.RUNNING


async def test_a_second_restore_of_the_same_namespaces_waits_for_the_first(desk):
    await left_open(desk, "restore.create", LOST)
    _, second, _ = await desk.granted("restore.create")
    words = await desk.store.read(lambda tx: find_conflict(tx, second, Reach(writes=frozenset({"shop"}))))
    assert words.startswith("Another restore in shop")


async def test_what_did_not_arrive_is_sent_again_within_the_window(desk):
    operation, _ = await left_open(desk, "restore.create", NOT_ARRIVED)
    assert found(desk, "restores", operation) == []
    desk.proxy.heal()
    await desk.check()
    assert await desk.state(operation) is State.SUBMITTED
    assert len(found(desk, "restores", operation)) == 1


async def test_and_later_it_is_only_searched_for(desk):
    operation, _ = await left_open(desk, "restore.create", NOT_ARRIVED)
    desk.proxy.heal()
    desk.now += START_WINDOW + timedelta(seconds=1)
    await desk.check()
    stored = await desk.stored(operation)
    assert stored.state is State.FAILED
    assert "isn't in prod" in stored.reason
    assert found(desk, "restores", operation) == []
    assert (await desk.events(operation))[-1] == "operation.failed"


async def test_one_that_is_there_is_found_after_the_window_too(desk):
    operation, _ = await left_open(desk, "restore.create", LOST)
    desk.proxy.heal()
    desk.now += START_WINDOW * 2
    await desk.check()
    assert await desk.state(operation) is State.SUBMITTED


async def test_a_look_that_is_refused_says_nothing(desk):
    operation, _ = await left_open(desk, "restore.create", LOST)
    desk.proxy.heal()
    desk.api.faults.forbidden.add("restores")
    desk.now += START_WINDOW * 2
    await desk.check()
    assert await desk.state(operation) is State.UNCONFIRMED


async def test_a_refusal_right_after_a_lost_write_says_nothing_of_the_lost_one(desk):
    operation, _ = await left_open(desk, "restore.create", NOT_ARRIVED)
    desk.proxy.heal()
    [backup] = [each for each in desk.objects.list("backups", "velero") if each["metadata"]["name"].startswith("b-")]
    desk.objects.delete("backups", "velero", backup["metadata"]["name"])
    await desk.check()
    assert await desk.state(operation) is State.UNCONFIRMED
    desk.now += WRITE_MAY_ARRIVE_FOR
    await desk.check()
    assert await desk.state(operation) is State.FAILED


async def test_a_long_silence_asks_a_person_once(desk):
    operation, _ = await left_open(desk, "restore.create", LOST)
    await desk.check()
    assert "operation.unresolved" not in await desk.events(operation)
    for _ in range(3):
        desk.now += ASK_REQUESTER_AFTER
        await desk.check()
    assert await desk.events(operation) == ["operation.unconfirmed", "operation.unresolved"]
    assert ("restore.create.submitted", "unresolved") in await desk.rows(operation)


async def test_server_errors_are_no_answer(desk):
    _, operation, plan = await desk.granted("restore.create")
    desk.api.faults.on(Trouble.BROKEN, which=lambda request: request.method == "POST")
    await desk.execute(operation, plan)
    assert await desk.state(operation) is State.UNCONFIRMED


# deletions: Velero removes the backup, then the request


def processed(desk, operation):
    """Velero has carried it out: the backup is gone."""
    [request] = found(desk, "deletebackuprequests", operation)
    desk.objects.delete("backups", "velero", request["spec"]["backupName"])
    return request


async def test_a_delete_that_was_taken_is_found_though_the_backup_is_gone(desk):
    operation, _ = await left_open(desk, "backup.delete", LOST)
    processed(desk, operation)
    desk.proxy.heal()
    await desk.check()
    assert await desk.state(operation) is State.SUBMITTED
    assert len(found(desk, "deletebackuprequests", operation)) == 1


async def test_the_same_in_recovery(desk):
    operation = await dead_after_sending(desk, "backup.delete")
    processed(desk, operation)
    await desk.executor.recover(await desk.stored(operation))
    assert await desk.state(operation) is State.SUBMITTED


async def test_a_request_that_the_watch_saw_counts_after_it_is_gone(desk):
    operation, _ = await left_open(desk, "backup.delete", LOST)
    request = processed(desk, operation)
    name, uid = request["metadata"]["name"], request["metadata"]["uid"]
    desk.objects.delete("deletebackuprequests", "velero", name)
    facts = {"operation": operation.id, "backup": request["spec"]["backupName"]}
    await desk.store.write(
        lambda tx: tx.observed.put("prod", "DeleteBackupRequest", [Observed(uid, name, "Processed", NOW, facts)])
    )
    desk.proxy.heal()
    await desk.check()
    assert await desk.state(operation) is State.SUCCEEDED


async def test_an_unseen_request_claims_nothing(desk):
    operation, _ = await left_open(desk, "backup.delete", LOST)
    request = processed(desk, operation)
    desk.objects.delete("deletebackuprequests", "velero", request["metadata"]["name"])
    desk.proxy.heal()
    await desk.check()
    assert await desk.state(operation) is State.UNCONFIRMED
    desk.now += WRITE_MAY_ARRIVE_FOR
    await desk.check()
    assert await desk.state(operation) is State.LOST
    assert (await desk.events(operation))[-1] == "operation.lost"


async def test_a_backup_that_goes_is_no_proof_of_an_unconfirmed_deletion(desk):
    operation, _ = await left_open(desk, "backup.delete", NOT_ARRIVED)
    assert await desk.store.write(lambda tx: following.settle_deletion(tx, operation.id, set(), NOW)) is None
    assert await desk.state(operation) is State.UNCONFIRMED


async def test_a_deletion_may_be_settled_before_its_answer_comes(desk):
    _, operation, _ = await desk.granted("backup.delete")
    sending = operation.advance(State.SUBMITTING, NOW)
    await desk.store.write(lambda tx: tx.operations.advance(sending, operation.revision))
    moved = await desk.store.write(lambda tx: following.settle_deletion(tx, operation.id, set(), NOW))
    assert moved.state is State.SUCCEEDED


# granted, and in time


async def test_what_was_granted_too_long_ago_does_not_start(desk):
    _, operation, plan = await desk.granted("restore.create")
    desk.now += START_WINDOW + timedelta(seconds=1)
    await desk.execute(operation, plan)
    assert await desk.state(operation) is State.FAILED
    assert await desk.events(operation) == ["operation.failed"]
    assert (await desk.rows(operation))[-1] == ("restore.create.submitted", "failed")
    assert found(desk, "restores", operation) == []


async def test_another_plan_s_grant_opens_nothing(desk):
    _, operation, _ = await desk.granted("restore.create")
    _, other, plan = await desk.granted("restore.create")
    with pytest.raises(Stale):
        await desk.execute(operation, plan)
    assert found(desk, "restores", operation) + found(desk, "restores", other) == []


@pytest.mark.parametrize("state", [State.PLANNED, State.AWAITING])
async def test_no_grant_without_a_decision(desk, state):
    _, operation, _ = await desk.granted("restore.create", state)
    with pytest.raises(Refused, match=f"it is {state}"):
        await desk.executor.recover(operation)
    assert found(desk, "restores", operation) == []


NEVER_GRANTED = (
    State.PLANNED, State.AWAITING, State.REFUSED, State.REJECTED, State.EXPIRED, State.WITHDRAWN, State.STALE,
)  # fmt: skip
CALLS = ("execute", "recover", "recover as it was", "forged", "check", "crash", "later")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(state=st.sampled_from(NEVER_GRANTED), calls=st.lists(st.sampled_from(CALLS), max_size=8))
async def test_no_sequence_of_calls_writes_for_what_was_not_granted(desk, state, calls):
    """Whatever grant was made while it was granted, or by a decision about another moment: the stored state decides."""
    _, operation, plan = await desk.granted("restore.create", state)
    written = len(desk.objects.list("restores", "velero"))
    for call in calls:
        with suppress(ChatopsError):
            match call:
                case "execute":
                    await desk.execute(operation, plan)
                case "recover":
                    await desk.executor.recover(operation)
                case "recover as it was":
                    await desk.executor.recover(replace(operation, state=State.APPROVED))
                case "forged":
                    await desk.executor.execute(recovered(replace(operation, state=State.SUBMITTING), plan))
                case "check":
                    await desk.check()
                case "crash":
                    desk.executor = Executor(
                        desk.store,
                        desk.executor.clusters,
                        lambda: desk.now,
                        first_wait=0.0,
                        settle_deletion=settle_operation,
                    )
                case "later":
                    desk.now += timedelta(minutes=5)
    assert len(desk.objects.list("restores", "velero")) == written
    assert await desk.state(operation) is state


async def test_a_write_that_is_repeated_finds_its_own_object(desk):
    """Before the backup is looked at: our first request may have removed it."""
    _, operation, plan = await desk.granted("backup.delete")
    first = await write_step(desk.cluster, plan.steps[0], operation.id)
    processed(desk, operation)
    again = await write_step(desk.cluster, plan.steps[0], operation.id)
    assert again["metadata"]["uid"] == first["metadata"]["uid"]


@pytest.mark.parametrize("sent", [True, False])
async def test_a_restart_takes_up_what_was_granted(desk, sent):
    if sent:
        operation = await dead_after_sending(desk, "restore.create")
    else:
        _, operation, _ = await desk.granted("restore.create")
    await desk.check()
    assert await desk.state(operation) is State.SUBMITTED
    assert len(found(desk, "restores", operation)) == 1
