"""Requests are stored before they are acknowledged, once, in order per lane."""

from __future__ import annotations

import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.errors import ConcurrentChange
from store.connection import DATABASE_FILE, open_for_writing
from store.tables.inbox import Accepted, Duplicate
from store.transaction import Transaction
from tests.store.conftest import NOW

URL = "https://hooks.slack.com/commands/T1/2/secret"


def ask(tx, key, lane="prod/backup/shop", **payload):
    return tx.inbox.accept(key, "slack", {"text": "backup create", **payload}, lane, NOW)


def test_a_command_is_accepted_once(tx):
    first = ask(tx, "t1")
    assert isinstance(first, Accepted)
    assert ask(tx, "t1", text="something else") == Duplicate(first.seq)
    assert tx.inbox.count() == 1


def test_a_finished_command_is_still_a_duplicate(tx, now):
    first = ask(tx, "t1")
    tx.inbox.next()
    tx.inbox.finish(first.seq, "created", now)
    assert ask(tx, "t1") == Duplicate(first.seq)
    assert tx.inbox.result_of("t1") == "created"


def test_a_lane_is_worked_in_order_and_lanes_side_by_side(tx, now):
    for key, lane in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")]:
        ask(tx, key, lane)
    taken = tx.inbox.next(10)
    assert [item.key for item in taken] == ["a1", "b1"]
    assert tx.inbox.next(10) == ()
    tx.inbox.finish(taken[0].seq, "ok", now)
    assert [item.key for item in tx.inbox.next(10)] == ["a2"]


def test_the_empty_lane_keeps_no_order(tx):
    ask(tx, "x", "")
    ask(tx, "y", "")
    assert [item.key for item in tx.inbox.next(10)] == ["x", "y"]


def test_a_released_command_comes_again_before_the_later_ones(tx):
    ask(tx, "a1", "a")
    ask(tx, "a2", "a")
    (item,) = tx.inbox.next()
    tx.inbox.release(item.seq)
    (again,) = tx.inbox.next(10)
    assert (again.key, again.attempts) == ("a1", 2)


def test_what_a_dead_process_claimed_is_claimable_again_and_counted(tx):
    ask(tx, "t1")
    tx.inbox.next()
    assert tx.inbox.recover() == 0
    later = Transaction(tx.connection, epoch=2)
    assert later.inbox.recover() == 1
    (item,) = later.inbox.next()
    assert item.attempts == 2


@pytest.mark.parametrize("act", ["done", "release"])
def test_only_a_claimed_command_can_be_settled(tx, now, act):
    found = ask(tx, "t1")
    with pytest.raises(ConcurrentChange):
        tx.inbox.finish(found.seq, "ok", now) if act == "done" else tx.inbox.release(found.seq)


def test_no_token_reaches_the_file(tx, tmp_path):
    payload = {"token": "verification", "text": "x xoxp-123456789012-abc", "response_url": URL, "nested": {"url": URL}}
    ask(tx, "t1", **payload)
    (item,) = tx.inbox.next()
    assert item.payload == {
        "token": "[scrubbed]", "text": "x [scrubbed]", "response_url": "[scrubbed]", "nested": {"url": "[scrubbed]"}
    }  # fmt: skip
    assert item.response_url == URL
    content = b"".join(path.read_bytes() for path in tmp_path.glob(f"{DATABASE_FILE}*"))
    assert b"verification" not in content
    assert b"xoxp" not in content


def test_a_form_s_response_url_is_found(tx):
    ask(tx, "t1", response_urls=[{"block_id": "b", "response_url": URL}])
    assert tx.inbox.next()[0].response_url == URL


@pytest.mark.parametrize(
    "strange", [{"response_url": 7}, {"response_urls": []}, {"response_urls": [1]}, {"response_urls": {}}]
)
def test_a_strange_response_url_is_none(tx, strange):
    ask(tx, "t1", **strange)
    assert tx.inbox.next()[0].response_url == ""


def test_response_urls_are_forgotten_after_half_an_hour(tx, now):
    ask(tx, "t1", response_url=URL)
    assert tx.inbox.forget_response_urls(now + timedelta(minutes=29)) == 0
    assert tx.inbox.forget_response_urls(now + timedelta(minutes=30)) == 1
    assert tx.inbox.next()[0].response_url == ""


def test_a_finished_command_forgets_its_response_url(tx, now):
    found = ask(tx, "t1", response_url=URL)
    tx.inbox.next()
    tx.inbox.finish(found.seq, "ok", now)
    assert tx.connection.execute("SELECT count(*) FROM inbox WHERE response_url != ''").fetchone() == (0,)


def test_commands_from_elsewhere_are_the_same(tx, now):
    tx.inbox.accept("hook-1", "webhook", {"line": "backup create"}, "prod/backup/", now)
    assert tx.inbox.next()[0].source == "webhook"


class Lanes(RuleBasedStateMachine):
    """Against a model: order within a lane, nobody twice, nothing forgotten, crashes at any time."""

    def __init__(self):
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.epoch = 1
        self.open()
        self.asked, self.claimed, self.finished, self.attempts = [], {}, set(), {}

    def open(self):
        self.connection = open_for_writing(Path(self.directory.name), NOW)
        self.connection.execute("PRAGMA synchronous=OFF")
        self.tx = Transaction(self.connection, self.epoch)

    @rule(lane=st.sampled_from(["a", "b", "c"]))
    def accept(self, lane):
        key = f"k{len(self.asked)}"
        assert isinstance(ask(self.tx, key, lane), Accepted)
        self.asked.append((key, lane))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def replay(self, data):
        key, lane = data.draw(st.sampled_from(self.asked))
        assert isinstance(ask(self.tx, key, lane), Duplicate)

    @rule(limit=st.integers(1, 4))
    def claim(self, limit):
        busy, heads = {lane for _, lane in self.claimed.values()}, []
        for key, lane in self.asked:
            if key not in self.finished and lane not in busy:
                busy.add(lane)
                heads.append(key)
        suspects = sorted((key for key in heads if key in self.attempts), key=lambda key: -self.attempts[key])[:1]
        fresh = [key for key in heads if key not in self.attempts]
        taken = self.tx.inbox.next(limit)
        assert [item.key for item in taken] == [*suspects, *fresh][:limit]
        for item in taken:
            self.attempts[item.key] = self.attempts.get(item.key, 0) + 1
            assert item.attempts == self.attempts[item.key]
        self.claimed |= {item.key: (item.seq, item.lane) for item in taken}

    @precondition(lambda self: self.claimed)
    @rule(data=st.data())
    def finish(self, data):
        key = data.draw(st.sampled_from(sorted(self.claimed)))
        self.tx.inbox.finish(self.claimed.pop(key)[0], "ok", NOW)
        self.finished.add(key)

    @precondition(lambda self: self.claimed)
    @rule(data=st.data())
    def release(self, data):
        self.tx.inbox.release(self.claimed.pop(data.draw(st.sampled_from(sorted(self.claimed))))[0])

    @rule()
    def crash(self):
        self.connection.close()
        self.epoch += 1
        self.open()
        assert self.tx.inbox.recover() == len(self.claimed)
        self.claimed = {}

    @invariant()
    def nothing_is_forgotten(self):
        assert self.tx.inbox.count() == len(self.asked) - len(self.finished)

    def teardown(self):
        self.connection.close()
        self.directory.cleanup()


Lanes.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestLanes = Lanes.TestCase


def waits(tx, key, person, lane="", *, writes=False):
    tx.inbox.accept(key, "slack", {"text": key}, lane, NOW, person=person, writes=writes)


def flooded(tx, count=40, lane=""):
    for number in range(count):
        waits(tx, f"f{number}", "flooder", lane, writes=True)


def test_a_first_request_is_next_however_many_rows_of_another_person_wait(tx):
    flooded(tx)
    tx.inbox.next(5)
    waits(tx, "help", "ada")
    assert "help" in [item.key for item in tx.inbox.next(2)]


def test_people_take_turns(tx, now):
    flooded(tx)
    for item in tx.inbox.next(10):
        tx.inbox.finish(item.seq, "ok", now)
    for number in range(20):
        waits(tx, f"g{number}", "second flooder", writes=True)
    taken = [item.key[0] for item in tx.inbox.next(20)]
    assert taken.count("f") == taken.count("g") == 10


def test_a_person_s_reads_do_not_wait_for_their_writes(tx):
    flooded(tx)
    waits(tx, "read", "flooder")
    assert tx.inbox.next(1)[0].key == "read"


def test_a_read_waits_for_earlier_requests_of_the_same_person_only(tx, now):
    waits(tx, "create", "ada", "prod/backup/shop", writes=True)
    waits(tx, "delete", "bob", "prod/backup/shop", writes=True)
    waits(tx, "hers", "ada", "prod/backup/shop")
    waits(tx, "another's", "cy", "prod/backup/shop")
    taken = tx.inbox.next(10)
    assert {item.key for item in taken} == {"create", "another's"}
    for expected in (["delete"], ["hers"]):
        for item in taken:
            tx.inbox.finish(item.seq, "ok", now)
        taken = tx.inbox.next(10)
        assert [item.key for item in taken] == expected


def test_a_suspect_is_claimed_alone_while_fresh_rows_continue(tx):
    for key in ("a", "b", "c"):
        waits(tx, key, "ada")
    tx.inbox.next(3)
    waits(tx, "fresh", "ada")
    later = Transaction(tx.connection, epoch=2)
    later.inbox.recover()
    assert [item.key for item in later.inbox.next(10)] == ["a", "fresh"]
    assert later.inbox.next(10, suspects=False) == ()


def test_the_most_often_claimed_comes_first(tx):
    for key in ("a", "killer"):
        waits(tx, key, "ada")
    tx.inbox.next(2)
    for epoch in (2, 3):
        tx = Transaction(tx.connection, epoch)
        tx.inbox.recover()
        tx.connection.execute("UPDATE inbox SET attempts = attempts + 1 WHERE key = 'killer'")
    assert tx.inbox.next(1)[0].key == "killer"


def test_what_was_taken_back_in_order_is_not_counted(tx):
    ask(tx, "t1")
    (item,) = tx.inbox.next()
    tx.inbox.release(item.seq, counted=False)
    assert tx.inbox.next()[0].attempts == 1


def test_a_finished_row_loses_its_payload_unless_it_is_kept(tx, now):
    for key, keep in (("t1", False), ("t2", True)):
        ask(tx, key, lane="")
        (item,) = tx.inbox.next()
        tx.inbox.finish(item.seq, "ok", now, keep=keep)
        assert tx.inbox.reopen(item.seq) is keep


def test_a_reopened_row_keeps_its_place_in_its_lane(tx, now):
    for key in ("a1", "a2", "a3"):
        ask(tx, key, "a")
    (first,) = tx.inbox.next()
    tx.inbox.finish(first.seq, "failed", now, keep=True)
    (second,) = tx.inbox.next()
    assert tx.inbox.reopen(first.seq)
    assert tx.inbox.next(5) == ()
    tx.inbox.finish(second.seq, "ok", now)
    assert [(item.key, item.attempts) for item in tx.inbox.next(5)] == [("a1", 1)]


def test_a_claim_reads_the_index_alone_however_many_rows_wait(tx):
    tx.connection.execute("BEGIN")
    flooded(tx, 10_000, "prod/backup/shop")
    tx.connection.execute("COMMIT")
    steps = []
    tx.connection.set_progress_handler(lambda: steps.append(1), 100)
    try:
        assert [item.key for item in tx.inbox.next(16)] == ["f0"]
        waits(tx, "help", "ada")
        assert [item.key for item in tx.inbox.next(16)] == ["help"]
    finally:
        tx.connection.set_progress_handler(None, 0)
    assert len(steps) < 30


def test_a_long_lane_does_not_slow_the_others(tmp_path, now):
    with closing(open_for_writing(tmp_path, now)) as connection:
        tx = Transaction(connection, 1)
        connection.execute("BEGIN")
        for number in range(3000):
            ask(tx, f"k{number}", "busy")
        ask(tx, "quick", "free")
        connection.execute("COMMIT")
        assert [item.key for item in tx.inbox.next(2)] == ["k0", "quick"]
