"""Every change of the audit log from outside is detected and named."""

from __future__ import annotations

import base64
import re
import shutil
import sqlite3 as plain
import time
from contextlib import closing
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import ConfigError, StoreError
from store.audit_chain import checkpoint
from store.audit_chain.verify import ChainFinding, verify
from store.connection import DATABASE_FILE, open_for_writing
from store.tables.audit import GENESIS, TRIGGERS, AuditEntry, row_hash
from store.transaction import Transaction

KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def record(tmp_path, now):
    """Twenty rows, heads signed after ten and after all; the bot is not running."""
    key = checkpoint.load_key(tmp_path, KEY)
    with closing(open_for_writing(tmp_path, now)) as connection:
        tx = Transaction(connection, 1)
        add(tx, now, 10)
        first = checkpoint.head(tx, now, key)
        add(tx, now, 9)
        second = checkpoint.head(tx, now + timedelta(minutes=5), key)
    return Record(tmp_path, [first.note, second.note])


class Record:
    def __init__(self, path, notes):
        self.path = path
        self.notes = notes

    def attacked(self, *statements):
        """With every trigger out of the way, as somebody with the file can."""
        connection = plain.connect(self.path / DATABASE_FILE, isolation_level=None)
        with closing(connection):
            connection.execute("PRAGMA ignore_check_constraints=ON")
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)
        return self

    def rebuilt(self, edit):
        """A whole new chain over edited rows, its head note moved along."""
        self.attacked()
        with closing(plain.connect(self.path / DATABASE_FILE, isolation_level=None)) as connection:
            rows = connection.execute("SELECT * FROM audit ORDER BY seq").fetchall()
            connection.execute("DELETE FROM audit")
            prev = GENESIS
            for row in map(edit, rows):
                own = row_hash(row[0], row[1], [text.encode() for text in row[2:9]], prev)
                connection.execute("INSERT INTO audit VALUES (?,?,?,?,?,?,?,?,?,?,?)", (*row[:9], prev, own))
                prev = own
            connection.execute("UPDATE audit_head SET seq = (SELECT max(seq) FROM audit), hash = ?", (prev,))
        return self

    def verdict(self, **how):
        found = verify(self.path, **how)
        return found.finding, found.seq, found.exit_code


def add(tx, now, count):
    for number in range(count):
        tx.audit.append(AuditEntry(now, "ada", "backup.create", "done", subject=f"b{number}", detail={"size": number}))


def test_an_untouched_record_is_ok(record):
    assert record.verdict() == (ChainFinding.OK, 21, 0)
    assert str(verify(record.path)) == "ok: 21 rows, 2 signed checkpoints"
    assert record.verdict(anchors=record.notes) == (ChainFinding.OK, 21, 0)


def test_an_empty_record_and_one_without_any_head_are_ok(tmp_path, now):
    with closing(open_for_writing(tmp_path, now)) as connection:
        assert verify(tmp_path).exit_code == 0
        add(Transaction(connection, 1), now, 3)
        assert verify(tmp_path).exit_code == 0


@pytest.mark.parametrize("column", ["at", "actor", "action", "subject", "cluster", "operation", "outcome", "detail"])
def test_an_edited_row_is_named(record, column):
    record.attacked(f"UPDATE audit SET {column} = {column} || 1 WHERE seq = 7")
    assert record.verdict() == (ChainFinding.BROKEN, 7, 3)


@pytest.mark.parametrize("column", ["prev", "hash"])
def test_an_edited_hash_is_named(record, column):
    record.attacked(f"UPDATE audit SET {column} = zeroblob(32) WHERE seq = 7")
    assert record.verdict() == (ChainFinding.BROKEN, 7, 3)


@pytest.mark.parametrize("seq", [1, 7, 20])
def test_a_deleted_row_is_named(record, seq):
    record.attacked(f"DELETE FROM audit WHERE seq = {seq}")
    assert record.verdict() == (ChainFinding.BROKEN, seq, 3)


def test_a_replaced_row_is_named(record):
    record.attacked(
        "INSERT OR REPLACE INTO audit SELECT seq, at, 'nobody', action, subject, cluster, operation, outcome, detail,"
        " prev, hash FROM audit WHERE seq = 5"
    )
    assert record.verdict() == (ChainFinding.BROKEN, 5, 3)


@pytest.mark.parametrize("kept", [0, 1, 9, 20])
def test_a_cut_tail_shows(record, kept):
    record.attacked(f"DELETE FROM audit WHERE seq > {kept}")
    assert record.verdict() == (ChainFinding.TRUNCATED, kept, 4)


def test_a_cut_tail_shows_without_any_signed_head(tmp_path, now):
    with closing(open_for_writing(tmp_path, now)) as connection:
        add(Transaction(connection, 1), now, 3)
    assert Record(tmp_path, []).attacked("DELETE FROM audit WHERE seq = 3").verdict() == (ChainFinding.TRUNCATED, 2, 4)


def test_a_cut_tail_with_the_note_moved_along_shows_against_the_signed_head(record):
    record.attacked(
        "DELETE FROM audit WHERE seq > 15",
        "UPDATE audit_head SET seq = 15, hash = (SELECT hash FROM audit WHERE seq = 15)",
    )
    assert record.verdict() == (ChainFinding.TRUNCATED, 15, 4)


def test_a_cut_tail_with_all_heads_deleted_shows_against_one_from_outside(record):
    record.attacked(
        "DELETE FROM audit WHERE seq > 10",
        "DELETE FROM anchor",
        "UPDATE audit_head SET seq = 10, hash = (SELECT hash FROM audit WHERE seq = 10)",
    )
    assert record.verdict() == (ChainFinding.OK, 10, 0)
    assert record.verdict(anchors=record.notes) == (ChainFinding.TRUNCATED, 10, 4)


def test_rows_added_from_outside_are_named(record):
    record.attacked(
        "INSERT INTO audit SELECT 22, at, actor, action, subject, cluster, operation, outcome, detail, hash, hash"
        " FROM audit WHERE seq = 21"
    )
    assert record.verdict() == (ChainFinding.BROKEN, 22, 3)


def nobody_at(seq):
    return lambda row: (*row[:2], "nobody", *row[3:]) if row[0] == seq else row


def test_a_rebuilt_chain_fails_at_the_first_signed_head_after_the_edit(record):
    assert record.rebuilt(nobody_at(7)).verdict() == (ChainFinding.BROKEN, 10, 3)


def test_an_edit_after_the_last_head_is_what_anchors_cannot_show(record):
    assert record.rebuilt(nobody_at(21)).verdict() == (ChainFinding.OK, 21, 0)


def test_a_rebuilt_chain_without_heads_fails_against_an_external_one(record):
    record.rebuilt(nobody_at(15)).attacked("DELETE FROM anchor WHERE number = 2")
    assert record.verdict(anchors=record.notes) == (ChainFinding.BROKEN, 20, 3)


def test_an_older_copy_shows_against_a_head_from_outside(record, tmp_path_factory, now):
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(record.path, copy, dirs_exist_ok=True)
    with closing(open_for_writing(record.path, now)) as connection:
        tx = Transaction(connection, 2)
        add(tx, now, 5)
        newest = checkpoint.head(tx, now, checkpoint.load_key(record.path, KEY))
    assert verify(record.path, anchors=[newest.note]).exit_code == 0
    assert verify(copy, anchors=[newest.note]).finding is ChainFinding.TRUNCATED


@pytest.mark.parametrize("number", [1, 2])
def test_a_deleted_head_is_missed(record, number):
    record.attacked(f"DELETE FROM anchor WHERE number = {number}")
    assert record.verdict() == (ChainFinding.ANCHOR_MISSING, 21, 5)


def test_an_edited_head_is_named(record):
    record.attacked("UPDATE anchor SET head = (SELECT hash FROM audit WHERE seq = 9), seq = 9 WHERE number = 1")
    assert record.verdict() == (ChainFinding.BROKEN, 9, 3)


def test_a_head_signed_by_another_key_is_named(record, tmp_path_factory, now):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    mallory = checkpoint.load_key(elsewhere)
    assert record.verdict(public=mallory.public) == (ChainFinding.BROKEN, 10, 3)


def test_a_head_published_in_a_file_must_still_be_there(record, tmp_path_factory, now):
    place = tmp_path_factory.mktemp("outside") / "anchors"
    with closing(open_for_writing(record.path, now)) as connection:
        tx = Transaction(connection, 2)
        due = tx.anchors.unpublished(f"file:{place}")
        checkpoint.append_to_file(place, [one.note for one in due])
        for one in due:
            tx.anchors.record_publication(one.number, f"file:{place}", "", now)
        assert tx.anchors.unpublished(f"file:{place}") == ()
    assert record.verdict() == (ChainFinding.OK, 21, 0)
    assert record.verdict(anchors=[place.read_text()]) == (ChainFinding.OK, 21, 0)
    place.unlink()
    assert record.verdict() == (ChainFinding.ANCHOR_MISSING, 21, 5)


def test_heads_from_outside_need_the_public_key(record):
    (record.path / "audit.pub").unlink()
    with pytest.raises(StoreError, match="public key"):
        record.verdict(anchors=record.notes)


def test_heads_that_cannot_be_checked_do_not_count_as_signed(record):
    assert str(verify(record.path)) == "ok: 21 rows, 2 signed checkpoints"
    (record.path / "audit.pub").unlink()
    found = verify(record.path)
    assert (found.anchors, found.unchecked) == (0, 2)
    assert str(found) == "ok: 21 rows, 0 signed checkpoints; 2 heads not checked: audit.pub is missing"


def test_without_a_file_there_is_no_verdict(tmp_path):
    with pytest.raises(StoreError, match="No database at"):
        verify(tmp_path)


@pytest.mark.parametrize("table", ["audit", "audit_head"])
def test_a_dropped_table_is_no_quiet_thing(record, table):
    assert record.attacked(f"DROP TABLE {table}").verdict()[2] == 3


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_byte_in_the_record_is_never_served_silently(record, data, tmp_path_factory):
    content = bytearray((record.path / DATABASE_FILE).read_bytes())
    places = [found.start() for found in re.finditer(rb"backup\.create", content)]
    at = data.draw(st.sampled_from(places)) + data.draw(st.integers(0, 12))
    content[at] ^= data.draw(st.integers(1, 255))
    copy = tmp_path_factory.mktemp("flipped") / DATABASE_FILE
    copy.write_bytes(content)
    with closing(plain.connect(copy)) as connection:
        connection.text_factory = bytes
        read = connection.execute(
            "SELECT action FROM audit WHERE action NOT IN ('backup.create', ?)", (checkpoint.CHECKPOINT_ACTION,)
        )
        harmless = read.fetchall() == []
    assert harmless or verify(copy).finding is ChainFinding.BROKEN


def test_nothing_new_needs_no_new_head(tmp_path, now):
    key = checkpoint.load_key(tmp_path, KEY)
    with closing(open_for_writing(tmp_path, now)) as connection:
        tx = Transaction(connection, 1)
        assert checkpoint.head(tx, now, key) is None
        add(tx, now, 1)
        assert checkpoint.head(tx, now, key).seq == 1
        assert checkpoint.head(tx, now, key) is None
        add(tx, now, 1)
        assert checkpoint.head(tx, now, key).seq == 3


def test_a_note_contains_what_was_signed_and_by_which_key(tmp_path, now, record):
    key = checkpoint.load_key(tmp_path, KEY)
    said = checkpoint.verify_note(record.notes[0], key.public)
    assert (said.number, said.seq, said.previous) == (1, 10, b"")
    assert checkpoint.verify_note(record.notes[1], key.public).previous == checkpoint.digest(record.notes[0])
    for forged in (record.notes[0].replace("\n10\n", "\n11\n"), record.notes[0][:-6] + "\n", "", "nonsense"):
        assert checkpoint.verify_note(forged, key.public) is None


def test_notes_are_found_between_other_lines(record):
    log = f"12:00 info anchored\n{record.notes[0]}12:05 info\n\n{record.notes[1]}"
    assert list(checkpoint.notes_in(log)) == record.notes


def test_the_own_key_is_kept_and_secret(tmp_path):
    first, second = checkpoint.load_key(tmp_path), checkpoint.load_key(tmp_path)
    assert first.public == second.public == checkpoint.stored_public_key(tmp_path)
    assert (tmp_path / checkpoint.KEY_FILE).stat().st_mode & 0o077 == 0


def test_a_key_may_be_a_pem(tmp_path):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert checkpoint.load_key(tmp_path, pem).public == checkpoint.load_key(tmp_path, KEY).public


@pytest.mark.parametrize("wrong", ["c2hvcnQ=", "not base64!", "-----BEGIN PRIVATE KEY-----\nnope\n"])
def test_a_wrong_key_is_a_settings_error(tmp_path, wrong):
    with pytest.raises(ConfigError, match="signing key"):
        checkpoint.load_key(tmp_path, wrong)


def test_every_trigger_of_the_record_is_named_after_it():
    assert all(text.startswith(f"CREATE TRIGGER {name} ") for name, text in TRIGGERS.items())


def test_verification_is_far_from_slow(tmp_path, now):
    """The figure itself (100,000 rows a second) is a benchmark; here only that nothing grows with the square."""
    with closing(open_for_writing(tmp_path, now)) as connection:
        connection.execute("BEGIN")
        add(Transaction(connection, 1), now, 30_000)
        connection.execute("COMMIT")
    began = time.process_time()
    assert verify(tmp_path).seq == 30_000
    assert time.process_time() - began < 3
