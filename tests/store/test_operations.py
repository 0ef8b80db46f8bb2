"""Operations, their plans and their steps."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlite_utils import Migrations

from domain.actor import Origin, Way
from domain.decision import recovered
from domain.errors import ConcurrentChange, NotFound, Refused, StoreError
from domain.operation import Operation, State
from domain.plan import Guard, Level, Plan, Step, StepVerb
from domain.reach import EVERYTHING, Reach
from domain.schedule_intent import IntentKind, ScheduleIntent
from store.connection import open_for_writing
from store.migrations import STEPS
from store.plans import plan_from_json, plan_to_json
from store.sqlite import sqlite3
from store.tables.operations import IS_OPEN
from store.tables.steps import StepState
from store.transaction import Transaction
from tests.store.conftest import NOW

ORIGIN = Origin(Way.SLASH, channel="C1", thread="17.1", response_url="https://hooks.slack.com/x", trigger="t1")


def step(name, kind="Backup", verb=StepVerb.CREATE, **more):
    return Step(verb, kind, f"{kind.lower()}s", name, {"kind": kind, "spec": {"ttl": "720h"}}, **more)


def a_plan(*steps, **more):
    return Plan("prod", "backup", "create", steps or (step("shop-1"),), Reach(reads=frozenset({"shop"})), **more)


def an_operation(plan, name="op1", **more):
    told = {"subject": "shop-1", "actor": "U1", "state": State.PLANNED, "line": "backup create shop-1", **more}
    times = {"created_at": NOW, "changed_at": NOW} | {key: told.pop(key) for key in ("created_at",) if key in told}
    return Operation(
        id=name, cluster="prod", noun="backup", verb="create", fingerprint=plan.fingerprint, **told, **times
    )


def planned(tx, name="op1", plan=None, **more):
    plan = plan or a_plan()
    operation = an_operation(plan, name, **more)
    tx.operations.insert(operation, plan, ORIGIN)
    return operation


def test_an_operation_is_read_back_equal(tx):
    operation = planned(tx)
    assert tx.operations.get("op1") == operation
    assert tx.operations.get("other") is None


def test_the_stored_plan_is_the_one_that_was_granted(tx):
    plan = a_plan(
        step("safety", wait=("Completed",)),
        step("shop-r", "Restore", namespace="velero"),
        step("old", verb=StepVerb.DELETE, uid="u-1"),
        guards=(Guard("no-data", Level.WARN, "No volume has data", ("a", "b")),),
        cli="velero backup create shop-1",
        evidence={"backup": {"uid": "u", "sizes": (1, 2)}, "at": NOW},
        notes=("a note",),
    )
    operation = planned(tx, plan=plan)
    stored = tx.operations.load_plan("op1")
    assert stored.fingerprint == plan.fingerprint
    assert replace(stored, evidence={}) == replace(plan, evidence={})
    granted = replace(operation, state=State.APPROVED)
    assert recovered(granted, stored).fingerprint == plan.fingerprint
    with pytest.raises(Refused, match="it is planned"):
        recovered(operation, stored)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    reach=st.builds(
        Reach,
        reads=st.frozensets(st.text(max_size=5)) | st.just(EVERYTHING),
        writes=st.frozensets(st.text(max_size=5)),
        cluster_scoped=st.booleans(),
        hooks=st.booleans(),
        own_objects=st.frozensets(st.sampled_from(["backup/a", "backup/b"])),
    ),
    manifest=st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=5)),
)
def test_any_plan_survives_the_store(tx, reach, manifest):
    plan = replace(a_plan(replace(step("x"), manifest=manifest)), reach=reach)
    tx.connection.execute("DELETE FROM operation")
    tx.operations.insert(replace(an_operation(plan), fingerprint="f"), plan, ORIGIN)
    assert tx.operations.load_plan("op1") == plan


def test_the_origin_is_kept_without_what_soon_dies(tx):
    planned(tx)
    assert tx.operations.origin("op1") == Origin(Way.SLASH, channel="C1", thread="17.1")


@pytest.mark.parametrize("what", ["load_plan", "origin"])
def test_an_operation_that_is_not_there_is_named(tx, what):
    with pytest.raises(NotFound, match="Operation nope doesn't exist"):
        getattr(tx.operations, what)("nope")


def test_only_the_first_of_two_changes_wins(tx, now):
    operation = planned(tx)
    approved = operation.advance(State.APPROVED, now)
    refused = operation.advance(State.REFUSED, now, reason="policy")
    tx.operations.advance(approved, operation.revision)
    with pytest.raises(ConcurrentChange, match="was changed in the meantime"):
        tx.operations.advance(refused, operation.revision)
    assert tx.operations.get("op1") == approved


async def test_a_lost_change_undoes_its_whole_closure(store, now):
    operation = await store.write(planned)
    await store.write(lambda tx: tx.operations.advance(operation.advance(State.APPROVED, now), 0))

    def late(tx):
        tx.steps.move("op1", 0, StepState.PENDING, StepState.SKIPPED, now)
        tx.operations.advance(operation.advance(State.REFUSED, now), 0)

    with pytest.raises(ConcurrentChange):
        await store.write(late)
    assert (await store.read(lambda tx: tx.steps.of("op1")))[0].state is StepState.PENDING


def test_a_state_that_does_not_exist_cannot_be_stored(tx):
    planned(tx)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        tx.connection.execute("UPDATE operation SET state = 'exploded'")


async def test_the_same_operation_is_not_inserted_twice(store):
    await store.write(planned)
    with pytest.raises(StoreError, match="UNIQUE"):
        await store.write(planned)


def test_what_is_open_is_listed_oldest_first(tx, now):
    for name, age in (("new", 1), ("old", 2), ("done", 3)):
        planned(tx, name, created_at=now - timedelta(hours=age))
    tx.operations.advance(tx.operations.get("done").advance(State.REFUSED, now), 0)
    assert [operation.id for operation in tx.operations.open()] == ["old", "new"]


def test_operations_are_found_by_what_they_touch(tx, now):
    planned(tx, "op1", a_plan(step("shop-1")))
    planned(tx, "op2", a_plan(step("shop-2"), step("old", verb=StepVerb.DELETE, uid="u-old")), actor="U2")
    tx.steps.move("op1", 0, StepState.PENDING, StepState.SUBMITTED, now, uid="u-1")

    def found(operations):
        return [operation.id for operation in operations]

    assert found(tx.operations.by_uid("u-1")) == ["op1"]
    assert found(tx.operations.by_uid("u-old")) == ["op2"]
    assert found(tx.operations.by_uid("")) == []
    assert found(tx.operations.by_object("prod", "Backup", "shop-2")) == ["op2"]
    assert found(tx.operations.by_object("dev", "Backup", "shop-2")) == []
    assert found(tx.operations.recent("prod", "backup", "shop-1")) == ["op1", "op2"]
    assert found(tx.operations.recent_by("U2")) == ["op2"]
    assert found(tx.operations.latest(1, cluster="prod")) == ["op1"]
    assert found(tx.operations.latest(since=now + timedelta(1))) == []


def test_steps_stand_in_order_with_their_own_manifest(tx):
    planned(tx, plan=a_plan(step("a"), step("b", "Restore")))
    first, second = tx.steps.of("op1")
    assert (first.position, first.name, first.state) == (0, "a", StepState.PENDING)
    assert second.manifest["kind"] == "Restore"


def test_a_step_moves_once(tx, now):
    planned(tx, plan=a_plan(step("")))
    tx.steps.move("op1", 0, StepState.PENDING, StepState.SUBMITTING, now, name="shop-20260301")
    tx.steps.move("op1", 0, StepState.SUBMITTING, StepState.SUBMITTED, now, uid="u-1")
    with pytest.raises(ConcurrentChange, match="was changed in the meantime"):
        tx.steps.move("op1", 0, StepState.SUBMITTING, StepState.FAILED, now, reason="late")
    (one,) = tx.steps.by_uid("u-1")
    assert (one.name, one.state, one.reason) == ("shop-20260301", StepState.SUBMITTED, "")


def test_an_older_database_learns_the_state_without_losing_a_row(tmp_path):
    """The CHECK changes in place: rewriting the table would take steps and approvals along by their foreign keys."""
    older = Migrations(STEPS.name)
    for step in STEPS._migrations:
        if step.name != "007-unconfirmed":
            older(name=step.name)(step.fn)
    with closing(open_for_writing(tmp_path, NOW, older)) as connection:
        tx = Transaction(connection, 1)
        sending = planned(tx, state=State.SUBMITTING)
        with pytest.raises(sqlite3.IntegrityError):
            tx.operations.advance(sending.advance(State.UNCONFIRMED, NOW), sending.revision)
    with closing(open_for_writing(tmp_path, NOW)) as connection:
        tx = Transaction(connection, 2)
        tx.operations.advance(sending.advance(State.UNCONFIRMED, NOW), sending.revision)
        assert [one.state for one in tx.operations.open()] == [State.UNCONFIRMED]
        assert tx.steps.of(sending.id)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE operation SET state = 'unheard-of'")
        plan = " ".join(map(str, connection.execute("EXPLAIN QUERY PLAN SELECT id FROM operation WHERE " + IS_OPEN)))
        assert "operation_open" in plan


def test_a_plan_keeps_its_intents_and_one_of_an_older_version_still_loads():
    intent = ScheduleIntent("nightly", "u-1", IntentKind.SKIP, NOW, before=NOW, skips=(NOW,), spec_hash="h")
    plan = replace(a_plan(step("x")), intents=(intent,), evidence={"uids": {"a": "b"}})
    stored = json.loads(json.dumps(plan_to_json(plan)))
    assert plan_from_json(stored) == plan
    assert replace(plan, intents=()).fingerprint != plan.fingerprint
    older = {key: value for key, value in stored.items() if key != "intents"}
    older["evidence"] = {**stored["evidence"], "intent": stored["intents"]}
    assert plan_from_json(older) == plan
    assert digest_of_evidence(older["evidence"], plan) == plan.fingerprint


def digest_of_evidence(evidence, plan):
    """The fingerprint as it was computed when the intents were evidence."""
    return replace(plan, intents=(), evidence=evidence).fingerprint
