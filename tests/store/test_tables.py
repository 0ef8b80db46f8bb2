"""The smaller tables: events, deliveries, messages, schedules, deadlines, cursors, observations, subscriptions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain.errors import ConcurrentChange
from domain.event import Event, Severity
from domain.operation import State
from domain.schedule_intent import IntentKind
from store.tables.deadlines import Deadline
from store.tables.deliveries import Delivery
from store.tables.failed_items import ItemKind, Subject
from store.tables.messages import Message
from store.tables.observed import Observed
from store.tables.schedules import ScheduleState, WatchdogMemory
from store.tables.subscriptions import Subscription
from store.times import from_micros, to_micros
from tests.store.conftest import NOW
from tests.store.test_operations import planned


def completed(name="shop-1", transition="Completed", **more):
    told = {"severity": Severity.INFO, "operation": "op1", "facts": {"items": 7}, **more}
    return Event("backup.completed", "prod", "c-uid", "Backup", f"u-{name}", name, transition, NOW, **told)


def test_the_same_change_seen_twice_is_one_event(tx):
    assert tx.outbox.add(completed())
    assert not tx.outbox.add(replace(completed(), facts={"items": 8}))
    assert tx.outbox.unrouted() == (completed(),)


def test_an_event_is_routed_once_and_stays_readable(tx):
    events = [completed("a"), completed("b")]
    for event in events:
        tx.outbox.add(event)
    assert tx.outbox.mark_routed(events[0].id)
    assert not tx.outbox.mark_routed(events[0].id)
    assert tx.outbox.unrouted() == (events[1],)
    assert tx.outbox.count() == 1
    assert tx.outbox.event(events[0].id) == events[0]
    assert tx.outbox.event("nope") is None
    assert tx.outbox.of_operation("op1") == tuple(events)
    assert tx.outbox.of_object("prod", "Backup", "b") == (events[1],)


def test_deliveries_are_logged_without_secrets(tx, now):
    tried = Delivery(
        "n1", 1, now, "webhook", "https://ci.example/hook?token=abcdef", "unknown", "503", 17, "Bearer abcdefghijkl"
    )
    tx.deliveries.record(tried)
    (logged,) = tx.deliveries.of("n1")
    assert (logged.address, logged.detail) == ("https://ci.example/hook?token=[scrubbed]", "Bearer [scrubbed]")
    assert tx.deliveries.to("webhook", "https://ci.example/hook?token=abcdef") == (logged,)


def card(ts="17.1", revision=0):
    return Message("C1", ts, "op1", "card", revision, NOW)


def test_a_card_is_stale_until_it_shows_the_operation_s_revision(tx, now):
    operation = planned(tx)
    tx.messages.record_posted(card())
    tx.messages.record_posted(replace(card("17.2"), role="notice"))
    assert tx.messages.stale_cards() == ()
    tx.operations.advance(operation.advance(State.APPROVED, now), 0)
    assert tx.messages.stale_cards() == (card(),)
    tx.messages.record_revision("C1", "17.1", 1)
    tx.messages.record_revision("C1", "17.1", 0)
    assert tx.messages.stale_cards() == ()
    assert tx.messages.at("C1", "17.1").revision == 1


def test_a_card_that_is_gone_is_left_alone(tx, now):
    tx.operations.advance(planned(tx).advance(State.APPROVED, now), 0)
    tx.messages.record_posted(card())
    tx.messages.mark_gone("C1", "17.1")
    assert tx.messages.stale_cards() == ()
    assert tx.messages.of("op1") == ()


def test_messages_are_found_by_their_subject(tx):
    tx.messages.record_posted(card())
    tx.messages.record_posted(card(revision=3))
    tx.messages.record_posted(replace(card("17.2"), role="notice"))
    assert [message.ts for message in tx.messages.of("op1")] == ["17.1", "17.2"]
    assert tx.messages.of("op1", "card") == (card(revision=3),)


def test_deadlines_of_other_versions_block_nothing(tx, now):
    for number in range(200):
        tx.deadlines.add(Deadline(f"future:{number}", now - timedelta(days=1), "future", {}))
    tx.deadlines.add(Deadline("mine", now, "k", {}))
    assert [one.id for one in tx.deadlines.due(now, {"k"})] == ["mine"]


def test_a_deadline_of_an_unknown_kind_is_reported_once_and_kept(tx, now):
    stray = Deadline("future:1", now, "future", {"id": 1})
    tx.deadlines.add(stray)
    tx.deadlines.add(Deadline("mine", now, "k", {}))
    tx.deadlines.add(Deadline("future:2", now + timedelta(days=1), "future", {}))
    assert tx.deadlines.without_kind(now, {"k"}) == (stray,)
    tx.deadlines.mark_reported(stray, now)
    assert tx.deadlines.without_kind(now, {"k"}) == ()
    assert [one.id for one in tx.deadlines.due(now, {"future"})] == ["future:1"]


def test_a_deadline_comes_when_it_is_due_and_once(tx, now):
    due = Deadline("expire-a1", now + timedelta(minutes=5), "approval.expire", {"approval": "a1"})
    assert tx.deadlines.add(due)
    assert not tx.deadlines.add(due)
    assert tx.deadlines.due(now, {"k"}) == ()
    assert tx.deadlines.next_at() == due.at
    assert tx.deadlines.due(due.at, {due.kind}) == (due,)
    assert tx.deadlines.finish(due.id)
    assert not tx.deadlines.finish(due.id)
    assert not tx.deadlines.add(due)
    assert tx.deadlines.due(due.at, {due.kind}) == ()


def test_a_deadline_can_be_moved_reopened_and_cancelled(tx, now):
    tx.deadlines.put(Deadline("d", now, "k", {}))
    tx.deadlines.finish("d")
    tx.deadlines.put(Deadline("d", now + timedelta(1), "k", {}))
    assert [one.at for one in tx.deadlines.open("k")] == [now + timedelta(1)]
    assert tx.deadlines.cancel("d")
    assert not tx.deadlines.cancel("d")


def nightly(**more):
    more = {"spec": {"schedule": "0 1 * * *"}, **more}
    return ScheduleState("prod", "nightly", "u-1", NOW, spec_hash="h", **more)


def test_a_schedule_s_intent_is_changed_by_one_at_a_time(tx, now):
    stored = tx.schedules.put(nightly(), None)
    assert stored == nightly()
    skipped = replace(stored, horizon=now + timedelta(days=1), reason="release", who="U1", since=now)
    assert tx.schedules.put(skipped, 0).revision == 1
    with pytest.raises(ConcurrentChange):
        tx.schedules.put(replace(stored, paused=True), 0)
    with pytest.raises(ConcurrentChange):
        tx.schedules.put(stored, None)
    assert tx.schedules.by_uid("prod", "u-1").horizon == now + timedelta(days=1)


def test_the_history_has_intents_and_no_observations(tx, now):
    tx.schedules.put(nightly(), None)
    tx.schedules.put(nightly(paused=True, who="U1", reason="drain", since=now), 0)
    tx.schedules.put(replace(tx.schedules.get("prod", "nightly"), spec_hash="h2"), 1)
    tx.schedules.forget("prod", "nightly")
    assert [past.paused for past in tx.schedules.history("prod", "nightly")] == [True, False]
    assert tx.schedules.all() == ()


def test_a_schedule_s_state_comes_back_as_it_was_stored(tx, now):
    state = nightly(
        kind=IntentKind.PAUSE,
        requested=IntentKind.SKIP,
        before=now,
        skips=(now, now + timedelta(hours=1)),
        paused_outside=True,
        horizon_outside=True,
        reported_horizon=now,
        held_until=now,
        watch=WatchdogMemory(now, "key", now, now, "unknown", 3600.0),
    )
    assert tx.schedules.put(state, None) == state


def test_the_details_of_an_older_version_still_load(tx, now):
    tx.schedules.put(nightly(), None)
    at = now.isoformat()
    watch = {"checked": at, "key": "k", "missing": None, "latest": None, "cause": "", "period": 60.0}
    older = {"kind": "pause", "asked": "skip", "before": None, "skips": [at], "pause_outside": True, "held": at}
    older |= {"ahead": at, "horizon_outside": False, "spec": {"schedule": "@daily"}, "watch": watch}
    tx.connection.execute("UPDATE schedule_state SET last = ?", (json.dumps(older),))
    state = tx.schedules.get("prod", "nightly")
    assert state == nightly(
        kind=IntentKind.PAUSE,
        requested=IntentKind.SKIP,
        skips=(now,),
        paused_outside=True,
        reported_horizon=now,
        held_until=now,
        watch=WatchdogMemory(now, "k", period=60.0),
        spec={"schedule": "@daily"},
    )


def test_schedules_are_listed_per_cluster(tx):
    tx.schedules.put(nightly(), None)
    tx.schedules.put(replace(nightly(), cluster="dev"), None)
    assert [one.cluster for one in tx.schedules.all()] == ["dev", "prod"]
    assert [one.cluster for one in tx.schedules.all("prod")] == ["prod"]


def test_a_cursor_is_per_cluster_and_kind(tx, now):
    assert tx.cursors.get("prod", "Backup") is None
    tx.cursors.put("prod", "Backup", "100", now)
    tx.cursors.put("prod", "Backup", "101", now + timedelta(1))
    assert tx.cursors.get("prod", "Backup") == "101"
    assert tx.cursors.get("prod", "Restore") is None
    assert tx.cursors.moved_at("prod", "Backup") == now + timedelta(1)
    tx.cursors.forget("prod", "Backup")
    assert tx.cursors.moved_at("prod", "Backup") is None


async def test_ten_thousand_sightings_go_in_and_come_out(store, now):
    seen = [Observed(f"u{i}", f"b{i}", "Completed", now, {"gen": i} if i % 2 else {}) for i in range(10_000)]
    await store.write(lambda tx: tx.observed.put("prod", "Backup", seen))
    assert await store.read(lambda tx: tx.observed.load("prod", "Backup")) == {one.uid: one for one in seen}


def test_equal_values_of_loaded_sightings_are_one_object(tx, now):
    facts = {"schedule": "nightly", "labels": {"team": "shop"}, "namespaces": ["shop", "shop-db"], "errors": 1}
    seen = [Observed(f"u{number}", f"b{number}", "Completed", now, {**facts, "done": number}) for number in range(20)]
    odd = [
        Observed("o1", "o1", "Completed", now, {"labels": {"a": 1}}),
        Observed("o2", "o2", "New", now, {"errors": 1.0}),
    ]
    tx.observed.put("prod", "Backup", [*seen, *odd])
    loaded = tx.observed.load("prod", "Backup")
    assert loaded == {one.uid: one for one in (*seen, *odd)}
    assert isinstance(loaded["o2"].facts["errors"], float)
    for key in ("schedule", "labels", "namespaces"):
        assert len({id(loaded[one.uid].facts[key]) for one in seen}) == 1
    assert len({id(loaded[one.uid].phase) for one in seen}) == 1


def test_a_sighting_is_replaced_and_removed(tx, now):
    first = Observed("u1", "b1", "InProgress", now)
    tx.observed.put("prod", "Backup", [first, Observed("u2", "b1", "InProgress", now)])
    tx.observed.put("prod", "Backup", [Observed("u1", "b1", "Completed", now)])
    assert tx.observed.get("prod", "Backup", "u1").phase == "Completed"
    tx.observed.remove("prod", "Backup", ["u1", "nope"])
    assert tx.observed.get("prod", "Backup", "u1") is None
    assert tx.observed.count("prod", "Backup") == 1
    tx.observed.forget("prod")
    assert tx.observed.count("prod", "Backup") == 0


def test_subscribers_of_an_object_its_kind_and_its_cluster_are_found(tx, now):
    for receiver, kind, name in (
        ("U1", "Backup", "shop"),
        ("U2", "Backup", ""),
        ("U3", "", ""),
        ("U4", "Backup", "web"),
    ):
        assert tx.subscriptions.add(Subscription(receiver, "prod", kind, name, receiver, now))
    assert [one.receiver for one in tx.subscriptions.to("prod", "Backup", "shop")] == ["U1", "U2", "U3"]
    assert tx.subscriptions.to("dev", "Backup", "shop") == ()
    assert tx.subscriptions.remove("U1", "prod", "Backup", "shop")
    assert not tx.subscriptions.remove("U1", "prod", "Backup", "shop")
    assert tx.subscriptions.of("U1") == ()


def test_subscribing_again_changes_what_one_hears(tx, now):
    wanted = Subscription("U1", "prod", "Backup", "shop", "U1", now)
    assert tx.subscriptions.add(wanted)
    assert not tx.subscriptions.add(replace(wanted, outcome="failures"))
    assert tx.subscriptions.of("U1")[0].outcome == "failures"


@pytest.mark.parametrize(
    "at",
    [
        NOW,
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_a_time_is_read_back_to_the_microsecond(at):
    assert from_micros(to_micros(at)) == at
    assert from_micros(to_micros(at.astimezone(timezone(timedelta(hours=-9))))) == at


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(TypeError):
        to_micros(datetime(2026, 3, 1))


def test_a_card_posted_late_is_stale_at_once(tx, now):
    tx.operations.advance(planned(tx).advance(State.APPROVED, now), 0)
    tx.messages.record_posted(card())
    assert tx.messages.stale_cards() == (card(),)


HOT = {
    "stale cards": lambda tx: tx.messages.stale_cards(),
    "unrouted events": lambda tx: tx.outbox.unrouted(),
    "claimable notices": lambda tx: tx.notices.claim(NOW),
    "ready notices": lambda tx: tx.notices.ready(NOW, "slack", (0, 100), 8, closed=["C1"], taken=["n1"]),
    "when the next is due": lambda tx: tx.notices.next_due(kind="slack", after=NOW),
    "sweeps": lambda tx: tx.notices.to_sweep(NOW),
    "stale requests": lambda tx: tx.messages.stale_requests(),
    "doubtful notices": lambda tx: tx.notices.to_reconcile(NOW, timedelta(0), timedelta(0)),
    "due deadlines": lambda tx: tx.deadlines.due(NOW, {"k"}),
    "next commands": lambda tx: tx.inbox.next(5),
    "open operations": lambda tx: tx.operations.open(),
    "expiring approvals": lambda tx: tx.approvals.due_to_expire(NOW),
}


@pytest.mark.parametrize("what", sorted(HOT))
def test_what_the_loops_ask_for_is_found_by_an_index(tx, what):
    asked = []
    tx.connection.set_trace_callback(asked.append)
    HOT[what](tx)
    tx.connection.set_trace_callback(None)
    plan = [row[3] for row in tx.connection.execute(f"EXPLAIN QUERY PLAN {asked[0]}")]
    lists = "SCAN json_each"  # of the question's own values
    assert [step for step in plan if step.startswith("SCAN") and "USING" not in step and lists not in step] == []


def test_a_command_set_aside_stays_until_it_is_tried_again(tx, now):
    """Its key is the number of its inbox row, not the key of that row."""
    tx.inbox.accept("k1", "slack", {"text": "backup get"}, "", now)
    (item,) = tx.inbox.next()
    tx.inbox.finish(item.seq, "failed", now, keep=True)
    tx.failed_items.add(Subject(ItemKind.COMMAND, str(item.seq), "a command"), ValueError("x"), now)
    assert tx.failed_items.forget_settled() == 0
    tx.inbox.reopen(item.seq)
    assert tx.failed_items.forget_settled() == 1
