"""A notice is recorded before it is sent, and finished only with proof."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.errors import ConcurrentChange
from store.connection import open_for_writing
from store.tables.messages import Message
from store.tables.notices import NoticeState
from store.transaction import Transaction
from tests.store.conftest import NOW

QUARANTINE, GAP = timedelta(seconds=90), timedelta(seconds=10)


def post(tx, name, lane="op1", **more):
    return tx.notices.add(name, "event1", "slack", "C1", lane, {"text": name}, NOW, **more)


def ids(notices):
    return [notice.id for notice in notices]


def test_a_notice_is_added_once(tx):
    assert post(tx, "n1")
    assert not post(tx, "n1")


def test_claiming_writes_the_intent(tx, now):
    post(tx, "n1")
    (claimed,) = tx.notices.claim(now)
    assert (claimed.state, claimed.attempts, claimed.epoch, claimed.last_at) == (NoticeState.SENDING, 1, 1, now)
    assert tx.notices.claim(now) == ()


def test_a_lane_waits_for_its_unfinished_and_other_lanes_do_not(tx, now):
    for name, lane in [("a1", "a"), ("a2", "a"), ("b1", "b")]:
        post(tx, name, lane)
    first, other = tx.notices.claim(now)
    assert ids([first, other]) == ["a1", "b1"]
    tx.notices.mark_unknown(first, "timeout")
    assert tx.notices.claim(now) == ()
    tx.notices.resend(tx.notices.get("a1"), now)
    (again,) = tx.notices.claim(now)
    assert (again.id, again.attempts, again.ambiguous) == ("a1", 2, True)
    tx.notices.mark_sent(again, "17.1")
    assert ids(tx.notices.claim(now)) == ["a2"]


def test_approvals_go_before_progress(tx, now):
    post(tx, "routine", "a", priority=100)
    post(tx, "approval", "b", priority=0)
    assert ids(tx.notices.claim(now)) == ["approval", "routine"]


BAND = (0, 1_000)


def places(found):
    return [(notice.id, place) for notice, place in found]


def test_reading_ready_notices_claims_none(tx, now):
    post(tx, "n1")
    for _ in range(2):
        assert places(tx.notices.ready(now, "slack", BAND, 10)) == [("n1", "C1")]
    assert tx.notices.get("n1").attempts == 0


def test_ready_leaves_out_closed_channels_what_is_taken_and_other_bands(tx, now):
    post(tx, "n1", "a")
    post(tx, "n2", "b", priority=0)
    tx.notices.add("n3", "event1", "slack", "C2", "c", {}, now)
    assert places(tx.notices.ready(now, "slack", BAND, 10)) == [("n2", "C1"), ("n1", "C1"), ("n3", "C2")]
    assert places(tx.notices.ready(now, "slack", BAND, 10, closed=["C1"])) == [("n3", "C2")]
    assert places(tx.notices.ready(now, "slack", BAND, 10, taken=["n1"])) == [("n2", "C1"), ("n3", "C2")]
    assert places(tx.notices.ready(now, "slack", (1, 100), 1)) == [("n1", "C1")]


def test_a_reply_goes_to_the_channel_of_its_card(tx, now):
    tx.notices.add("n1", "event1", "slack", "op:op1", "a", {}, now)
    assert places(tx.notices.ready(now, "slack", BAND, 1)) == [("n1", "op:op1")]
    tx.messages.record_posted(Message("C7", "1.0", "op1", "card", 1, now))
    assert places(tx.notices.ready(now, "slack", BAND, 1)) == [("n1", "C7")]
    assert tx.notices.ready(now, "slack", BAND, 1, closed=["C7"]) == ()


def test_a_notice_begins_once_and_in_the_order_of_its_lane(tx, now):
    post(tx, "n1", "a")
    post(tx, "n2", "a")
    waiting, behind = tx.notices.get("n1"), tx.notices.get("n2")
    begun = tx.notices.begin(waiting, now)
    assert (begun.state, begun.attempts, begun.epoch) == (NoticeState.SENDING, 1, 1)
    for each in (waiting, behind):
        with pytest.raises(ConcurrentChange):
            tx.notices.begin(each, now)


def test_a_sweep_that_failed_stays_to_be_done(tx, now):
    post(tx, "n1")
    tx.notices.mark_sent(tx.notices.claim(now)[0], "C1/17.1", sweep_at=now)
    (due,) = tx.notices.to_sweep(now)
    tx.notices.postpone_sweep(due, now + GAP)
    assert tx.notices.to_sweep(now) == ()
    (due,) = tx.notices.to_sweep(now + GAP)
    assert (due.sweeps, due.sweep_tries) == (0, 1)
    tx.notices.record_sweep(due, "C1/17.1", next_at=now + QUARANTINE)
    assert (tx.notices.get("n1").sweeps, tx.notices.get("n1").sweep_tries) == (1, 0)


def test_the_claim_can_be_narrowed_to_one_kind_of_receiver(tx, now):
    post(tx, "n1", "a")
    tx.notices.add("hook", "event1", "webhook", "https://ci.example", "b", {}, now)
    assert ids(tx.notices.claim(now, kind="webhook")) == ["hook"]


def test_what_was_certainly_not_taken_waits_for_its_time(tx, now):
    post(tx, "n1")
    (claimed,) = tx.notices.claim(now)
    tx.notices.postpone(claimed, now + timedelta(seconds=30), "ratelimited")
    assert tx.notices.next_due() == now + timedelta(seconds=30)
    assert tx.notices.claim(now + timedelta(seconds=29)) == ()
    (again,) = tx.notices.claim(now + timedelta(seconds=30))
    assert (again.attempts, again.ambiguous, again.first_at) == (2, False, now)


def test_a_restart_doubts_what_was_being_sent(tx, now):
    post(tx, "n1")
    tx.notices.claim(now)
    assert tx.notices.recover() == 0
    later = Transaction(tx.connection, epoch=2).notices
    assert later.recover() == 1
    assert later.get("n1").state is NoticeState.UNKNOWN


def test_a_mark_of_an_older_life_is_lost(tx, now):
    post(tx, "n1")
    (old,) = tx.notices.claim(now)
    later = Transaction(tx.connection, epoch=2).notices
    later.recover()
    later.resend(later.get("n1"), now)
    later.claim(now)
    with pytest.raises(ConcurrentChange):
        tx.notices.mark_sent(old, "17.1")


def test_reconciliation_waits_out_the_quarantine_and_counts_reads(tx, now):
    post(tx, "n1")
    tx.notices.mark_unknown(tx.notices.claim(now)[0], "timeout")

    def due(seconds):
        return tx.notices.to_reconcile(now + timedelta(seconds=seconds), QUARANTINE, GAP)

    assert due(89) == ()
    (doubtful,) = due(90)
    assert tx.notices.record_absence(doubtful, now + timedelta(seconds=90)) == 1
    assert due(99) == ()
    (doubtful,) = due(100)
    assert tx.notices.record_absence(doubtful, now + timedelta(seconds=100)) == 2
    tx.notices.resend(tx.notices.get("n1"), now)
    assert tx.notices.get("n1").state is NoticeState.PENDING


def test_two_reads_of_one_state_count_once(tx, now):
    post(tx, "n1")
    tx.notices.mark_unknown(tx.notices.claim(now)[0], "timeout")
    doubtful = tx.notices.get("n1")
    tx.notices.record_absence(doubtful, now)
    with pytest.raises(ConcurrentChange):
        tx.notices.record_absence(doubtful, now)


def test_a_doubtful_one_that_was_found_is_swept_twice(tx, now):
    post(tx, "n1")
    tx.notices.mark_unknown(tx.notices.claim(now)[0], "timeout")
    tx.notices.mark_sent(tx.notices.get("n1"), "17.1", sweep_at=now + timedelta(minutes=15))
    assert tx.notices.to_sweep(now) == ()
    (due,) = tx.notices.to_sweep(now + timedelta(minutes=15))
    tx.notices.record_sweep(due, "17.1", next_at=now + timedelta(hours=24))
    (due,) = tx.notices.to_sweep(now + timedelta(hours=24))
    tx.notices.record_sweep(due, "17.1")
    assert tx.notices.to_sweep(now + timedelta(days=9)) == ()
    assert tx.notices.get("n1").sweeps == 2


def test_dead_letters_can_be_read_and_retried_once(tx, now):
    post(tx, "n1", "a")
    post(tx, "n2", "a")
    tx.notices.mark_dead(tx.notices.claim(now)[0], "channel_not_found xoxb-1234567890-abc")
    (dead,) = tx.notices.dead_letters()
    assert (dead.id, dead.error) == ("n1", "channel_not_found [scrubbed]")
    assert ids(tx.notices.claim(now)) == ["n2"]
    tx.notices.retry("n1", now)
    with pytest.raises(ConcurrentChange):
        tx.notices.retry("n1", now)


def test_a_crowd_can_become_one_digest(tx, now):
    for number in range(5):
        post(tx, f"n{number}", f"lane{number}")
    for notice in tx.notices.waiting("slack", "C1")[1:]:
        tx.notices.suppress(notice, "in the digest")
    assert ids(tx.notices.claim(now)) == ["n0"]


def test_restore_mode_asks_history_first(tx, now):
    post(tx, "n1", state=NoticeState.UNKNOWN)
    assert tx.notices.claim(now) == ()
    assert ids(tx.notices.to_reconcile(now + QUARANTINE, QUARANTINE, GAP)) == ["n1"]


def test_a_suppressed_one_is_recorded_and_never_sent(tx, now):
    post(tx, "n1", state=NoticeState.SUPPRESSED)
    post(tx, "n2")
    assert ids(tx.notices.claim(now)) == ["n2"]


def test_the_counts_are_of_what_is_not_settled(tx, now):
    for name in ("a", "b", "c", "d"):
        post(tx, name, name)
    sending, sent, dead = tx.notices.claim(now, 3)
    tx.notices.mark_sent(sent, "1")
    tx.notices.mark_dead(dead, "gone")
    assert sending.state is NoticeState.SENDING
    assert {state.value: count for state, count in tx.notices.counts().items()} == {
        "pending": 1, "sending": 1, "unknown": 0, "dead": 1
    }  # fmt: skip


class Sending(RuleBasedStateMachine):
    """A receiver that truly commits or not, and a sender that crashes: never lost, never twice."""

    def __init__(self):
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.connection = open_for_writing(Path(self.directory.name), NOW)
        self.connection.execute("PRAGMA synchronous=OFF")
        self.epoch, self.now, self.made = 1, NOW, []
        self.shown = []
        self.in_flight = {}
        self.notices = Transaction(self.connection, self.epoch).notices

    @rule(lane=st.sampled_from(["a", "b"]))
    def happens(self, lane):
        name = f"{lane}{len(self.made)}"
        self.notices.add(name, "e", "slack", "C1", lane, {}, self.now)
        self.made.append(name)

    @rule()
    def claim(self):
        for notice in self.notices.claim(self.now):
            assert notice.lane not in {other.lane for other in self.in_flight.values()}
            self.in_flight[notice.id] = notice

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), arrives=st.booleans(), answer=st.sampled_from(["ok", "refused", "silence"]))
    def post(self, data, arrives, answer):
        notice = self.in_flight.pop(data.draw(st.sampled_from(sorted(self.in_flight))))
        if answer == "ok" or (answer == "silence" and arrives):
            self.shown.append(notice.id)
        match answer:
            case "ok":
                self.notices.mark_sent(notice, "ts")
            case "refused":
                self.notices.postpone(notice, self.now + GAP, "429")
            case "silence":
                self.notices.mark_unknown(notice, "timeout")

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def crash(self, data):
        self.shown += [name for name in self.in_flight if data.draw(st.booleans())]
        self.in_flight = {}
        self.epoch += 1
        self.notices = Transaction(self.connection, self.epoch).notices
        self.notices.recover()

    @rule(seconds=st.sampled_from([5, 60, 200]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule()
    def reconcile(self):
        for notice in self.notices.to_reconcile(self.now, QUARANTINE, GAP):
            if notice.id in self.shown:
                self.notices.mark_sent(notice, "ts")
            elif self.notices.record_absence(notice, self.now) >= 2:
                self.notices.resend(self.notices.get(notice.id), self.now)

    @invariant()
    def never_twice_and_in_order(self):
        assert len(self.shown) == len(set(self.shown))
        for lane in "ab":
            shown = [name for name in self.shown if name.startswith(lane)]
            assert shown == [name for name in self.made if name.startswith(lane)][: len(shown)]

    def teardown(self):
        for _ in range(4 * len(self.made) + 4):
            self.now += QUARANTINE
            self.reconcile()
            self.claim()
            for notice in self.in_flight.values():
                self.shown.append(notice.id)
                self.notices.mark_sent(notice, "ts")
            self.in_flight = {}
        assert sorted(self.shown) == sorted(self.made)
        self.connection.close()
        self.directory.cleanup()


Sending.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestSending = Sending.TestCase
