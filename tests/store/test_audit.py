"""The audit log is appended in order, without secrets, and never changed."""

from __future__ import annotations

from contextlib import closing

import pytest

from store.connection import DATABASE_FILE, open_for_reading
from store.sqlite import sqlite3
from store.tables import audit
from store.tables.audit import AuditEntry

THE_REST = "at, actor, action, subject, cluster, operation, outcome, detail, prev, hash"


def entry(now, action="backup.create", **more):
    return AuditEntry(**{"at": now, "actor": "ada", "action": action, "outcome": "done", **more})


def test_rows_are_numbered_without_gaps(tx, now):
    assert [tx.audit.append(entry(now)) for _ in range(4)] == [1, 2, 3, 4]


def test_a_rolled_back_row_leaves_no_trace_in_the_chain(tx, now):
    tx.audit.append(entry(now))
    head = tx.audit.head()
    tx.connection.execute("BEGIN")
    tx.audit.append(entry(now, "never"))
    tx.connection.execute("ROLLBACK")
    assert tx.audit.head() == head
    assert tx.audit.append(entry(now)) == 2


@pytest.mark.parametrize(
    ("attack", "refusal"),
    [
        ("UPDATE audit SET actor = 'nobody' WHERE seq = 1", "never changed"),
        ("DELETE FROM audit WHERE seq = 2", "never deleted"),
        ("DELETE FROM audit", "never deleted"),
        ("INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 1", "."),
        (f"INSERT INTO audit SELECT seq + 5, {THE_REST} FROM audit WHERE seq = 2", "in order"),
        (f"INSERT INTO audit SELECT seq + 1, {THE_REST} FROM audit WHERE seq = 2", "in order"),
    ],
)  # fmt: skip
def test_plain_sql_cannot_change_it(tx, now, attack, refusal):
    tx.audit.append(entry(now))
    tx.audit.append(entry(now))
    with pytest.raises(sqlite3.IntegrityError, match=refusal):
        tx.connection.execute(attack)
    assert [row.entry.actor for row in tx.audit.latest(5)] == ["ada", "ada"]


def test_replace_is_refused_where_recursive_triggers_are_off_too(tx, now):
    tx.audit.append(entry(now))
    tx.connection.execute("PRAGMA recursive_triggers=OFF")
    with pytest.raises(sqlite3.IntegrityError, match="in order"):
        tx.connection.execute("INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 1")


def test_secrets_do_not_get_in(tx, tmp_path, now):
    said = "use xoxb-1234567890-abcdefghij please"
    tx.audit.append(entry(now, subject=said, detail={"line": said, "token": "hunter2", "deep": [{"note": said}]}))
    (row,) = tx.audit.latest(1)
    assert row.entry.subject == "use [scrubbed] please"
    assert row.entry.detail["token"] == "[scrubbed]"
    files = b"".join(path.read_bytes() for path in tmp_path.glob(f"{DATABASE_FILE}*"))
    assert b"xoxb-" not in files
    assert b"hunter2" not in files


@pytest.mark.parametrize("text", ["", "ünïcödé 🌊", "nul\x00byte", "a;b:c", "lone \ud800 surrogate", "x" * 100_000])
def test_any_text_can_be_recorded(tx, now, text):
    tx.audit.append(entry(now, subject=text, detail={"text": text}))
    (row,) = tx.audit.latest(1)
    assert row.entry.subject == text.encode("utf-8", "replace").decode()
    assert row.entry.detail["text"].encode("utf-8", "replace") == text.encode("utf-8", "replace")


def test_the_story_of_an_operation_is_its_rows_in_order(tx, now):
    for action, operation in [("asked", "op1"), ("asked", "op2"), ("approved", "op1"), ("pruned", "")]:
        tx.audit.append(entry(now, action, operation=operation))
    assert [row.entry.action for row in tx.audit.history_of("op1")] == ["asked", "approved"]
    assert tx.audit.history_of("") == ()


def test_latest_pages_back_and_narrows_to_a_cluster(tx, now):
    for number in range(10):
        tx.audit.append(entry(now, f"a{number}", cluster="prod" if number % 2 else "dev"))
    assert [row.seq for row in tx.audit.latest(3)] == [10, 9, 8]
    assert [row.seq for row in tx.audit.latest(3, before=8)] == [7, 6, 5]
    assert [row.seq for row in tx.audit.latest(2, cluster="dev")] == [9, 7]


@pytest.mark.parametrize("more", [{"by": ("grace",)}, {"subject": "shop"}, {"cluster": "dev"}])
def test_a_filter_finds_what_is_many_pages_back(tx, now, more, monkeypatch):
    monkeypatch.setattr(audit, "PAGE_ROWS", 4)
    rare = {"actor": "Grace", "subject": "a-shop-1", "cluster": "dev"}
    for number in range(1, 31):
        tx.audit.append(entry(now, f"a{number}", **rare if number in {1, 2, 17} else {}))
    assert [row.seq for row in tx.audit.latest(5, **more)] == [17, 2, 1]
    assert [row.seq for row in tx.audit.latest(1, **more)] == [17]
    assert [row.seq for row in tx.audit.latest(5, before=17, **more)] == [2, 1]


def test_one_read_looks_through_a_page_and_says_where_to_continue(tx, now, monkeypatch):
    monkeypatch.setattr(audit, "PAGE_ROWS", 4)
    for number in range(1, 11):
        tx.audit.append(entry(now, f"a{number}"))
    assert tx.audit.page(5, None, by=("nobody",)) == ((), 7)
    assert tx.audit.page(5, 7, by=("nobody",)) == ((), 3)
    assert tx.audit.page(5, 3, by=("nobody",)) == ((), 1)
    rows, position = tx.audit.page(2, None)
    assert ([row.seq for row in rows], position) == ([10, 9], 9)


def test_what_was_recorded_is_read_back_equal(tx, tmp_path, now):
    told = entry(now, subject="s", cluster="prod", operation="op1", detail={"a": [1, None, True], "b": {"c": "d"}})
    tx.audit.append(told)
    with closing(open_for_reading(tmp_path / DATABASE_FILE)) as connection:
        assert connection.execute("SELECT count(*) FROM audit").fetchone() == (1,)
    assert tx.audit.latest(1)[0].entry == told
