"""Old finished rows are deleted; unfinished rows and the audit log stay."""

from __future__ import annotations

from datetime import timedelta

from domain.operation import State
from store.retention import RetentionPolicy
from store.tables.audit import AuditEntry
from store.tables.conditions import Condition
from store.tables.deadlines import Deadline
from store.tables.deliveries import Delivery
from store.tables.messages import Message
from store.tables.pipeline_calls import PipelineCall
from store.tables.schedules import ScheduleState
from tests.pruning import prune
from tests.store.test_approvals import asked
from tests.store.test_inbox import ask
from tests.store.test_notices import post
from tests.store.test_operations import planned
from tests.store.test_tables import completed

LATER = timedelta(days=400)


def finished(tx, now):
    """One finished row of every kind."""
    operation = planned(tx)
    tx.operations.advance(operation.advance(State.REFUSED, now), 0)
    asked(tx)
    tx.approvals.finish("a1", "rejected", 0)
    found = ask(tx, "t1")
    tx.inbox.next()
    tx.inbox.finish(found.seq, "ok", now)
    event = completed()
    tx.outbox.add(event)
    tx.outbox.mark_routed(event.id)
    tx.notices.add("n1", event.id, "slack", "C1", "op1", {}, now)
    tx.notices.mark_sent(tx.notices.claim(now)[0], "17.1")
    tx.deliveries.record(Delivery("n1", 1, now, "slack", "C1", "sent"))
    tx.messages.record_posted(Message("C1", "17.1", "op1", "card", 1, now))
    tx.schedules.put(ScheduleState("prod", "nightly", "u", now), None)
    tx.deadlines.add(Deadline("d", now, "k", {}))
    tx.deadlines.finish("d")
    tx.conditions.put(Condition("prod", "velero-silent", "", now, now))
    tx.pipeline_calls.add(PipelineCall("op1", "hook:ci:1", "ci", "", now, {"line": "backup get"}, completed_at=now))
    tx.audit.append(AuditEntry(now, "ada", "backup.create", "refused"))


def unfinished(tx, now):
    planned(tx)
    asked(tx)
    ask(tx, "t1")
    tx.outbox.add(completed())
    post(tx, "n1")
    tx.messages.record_posted(Message("C1", "17.1", "op1", "card", 0, now))
    tx.deadlines.add(Deadline("d", now, "k", {}))
    tx.conditions.put(Condition("prod", "velero-silent", "", now))


def test_what_is_old_and_finished_goes(tx, now):
    finished(tx, now)
    gone = prune(tx, now + LATER, RetentionPolicy())
    assert set(gone.values()) == {1}
    for table in (*(gone.keys() - {"hook"}), "approval", "step", "vote"):
        assert tx.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_a_pipelines_id_is_remembered_for_ever_but_not_all_that_was_said(tx, now):
    answer = {"answer": {"parts": ["long"]}, "gate": {"passed": True}}
    tx.pipeline_calls.add(
        PipelineCall("op1", "hook:ci:1", "ci", "digest", now, {"line": "x"}, "https://ci", answer, now, now)
    )
    assert prune(tx, now + LATER, RetentionPolicy())["hook"] == 1
    kept = tx.pipeline_calls.get("op1")
    assert (kept.digest, kept.completed_at, kept.request, kept.answer) == (
        "digest",
        now,
        {},
        {"gate": {"passed": True}},
    )
    assert prune(tx, now + LATER, RetentionPolicy())["hook"] == 0


def test_what_is_young_stays(tx, now):
    finished(tx, now)
    assert set(prune(tx, now + timedelta(days=6), RetentionPolicy()).values()) == {0}


def test_what_is_unfinished_stays_however_old(tx, now):
    unfinished(tx, now)
    assert set(prune(tx, now + 10 * LATER, RetentionPolicy()).values()) == {0}


def test_the_record_stays_for_ever(tx, now):
    finished(tx, now)
    prune(tx, now + 100 * LATER, RetentionPolicy())
    assert tx.audit.head()[0] == 1


def test_it_works_in_bites(tx, now):
    for number in range(5):
        found = ask(tx, f"t{number}", "")
        tx.inbox.next()
        tx.inbox.finish(found.seq, "ok", now)
    assert [prune(tx, now + LATER, RetentionPolicy(), limit=2)["inbox"] for _ in range(4)] == [2, 2, 1, 0]


def test_so_many_finished_commands_are_kept_and_all_of_the_last_hour(tx, now):
    for number in range(10):
        tx.inbox.accept(f"k{number}", "slack", {}, "", now)
        (item,) = tx.inbox.next()
        tx.inbox.finish(item.seq, "ok", now)
    assert prune(tx, now + timedelta(minutes=59), RetentionPolicy(inbox_rows=3))["inbox"] == 0
    assert prune(tx, now + timedelta(minutes=61), RetentionPolicy(inbox_rows=3))["inbox"] == 7
