"""Opening the database: one process, one schema, no undetected damage."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing

import pytest
from sqlite_utils import Migrations

from domain.errors import StoreCorrupt, StoreError, StoreLocked, StoreNewer
from store.connection import DATABASE_FILE, open_for_reading, open_for_writing, read_transaction
from store.lock import LOCK_FILE, DirectoryLock, holder
from store.migrations import STEPS, TRIGGERS
from store.sqlite import has_wal_reset_bug, sqlite3, version
from store.tables.audit import AuditEntry
from store.transaction import Transaction
from store.writer import Store


def tables(connection):
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def grown(*more):
    """This version's steps and `more` after them: a later version."""
    later = Migrations(STEPS.name)
    for step in STEPS._migrations:
        later(name=step.name)(step.fn)
    for name, statements in more:

        def run(db, statements=statements):
            for statement in statements:
                db.conn.execute(statement)

        later(name=name)(run)
    return later


async def test_a_second_instance_learns_who_holds_the_directory(store, tmp_path, now):
    with pytest.raises(StoreLocked) as told:
        await Store.open(tmp_path, now)
    assert f"process {os.getpid()} on {socket.gethostname()} since 2026-03-01T12:00:00+00:00" in told.value.text


async def test_another_process_is_kept_out_too(store, tmp_path):
    opening = (
        "import asyncio, pathlib, sys; from datetime import datetime, UTC; from store.writer import Store;"
        "asyncio.run(Store.open(pathlib.Path(sys.argv[1]), datetime.now(UTC)))"
    )
    second = subprocess.run([sys.executable, "-c", opening, str(tmp_path)], capture_output=True, text=True, check=False)
    assert f"is in use by process {os.getpid()}" in second.stderr


async def test_the_lock_is_free_after_close(tmp_path, now):
    for _ in range(2):
        await (await Store.open(tmp_path, now, reserve_bytes=0)).close()
    assert holder(tmp_path) is None


def test_a_lock_file_full_of_nonsense_still_locks(tmp_path, now):
    first = DirectoryLock(tmp_path, now)
    (tmp_path / "lock").write_text("[]")
    with pytest.raises(StoreLocked, match="another process"):
        DirectoryLock(tmp_path, now)
    first.release()


async def test_each_start_is_a_new_epoch(tmp_path, now):
    epochs = []
    for _ in range(3):
        store = await Store.open(tmp_path, now, reserve_bytes=0)
        epochs.append(store.epoch)
        await store.close()
    assert epochs == [1, 2, 3]


async def test_a_file_of_a_newer_version_is_refused_and_left_alone(tmp_path, now):
    newer = grown(("002-more", ["CREATE TABLE more (a TEXT) STRICT"]))
    await (await Store.open(tmp_path, now, steps=newer, reserve_bytes=0)).close()
    before = (tmp_path / DATABASE_FILE).read_bytes()
    with pytest.raises(StoreNewer, match="newer version") as told:
        await Store.open(tmp_path, now)
    assert "002-more" in told.value.why
    assert (tmp_path / DATABASE_FILE).read_bytes() == before


def test_an_upgrade_leaves_a_snapshot_of_what_was(tmp_path, now):
    open_for_writing(tmp_path, now).close()
    assert not (tmp_path / "snapshots").exists()
    later = grown(("002-more", ["CREATE TABLE more (a TEXT) STRICT"]))
    with closing(open_for_writing(tmp_path, now, later)) as connection:
        assert "more" in tables(connection)
    (kept,) = (tmp_path / "snapshots").iterdir()
    with closing(open_for_reading(kept)) as before:
        assert "more" not in tables(before)
        assert "audit" in tables(before)


def test_a_migration_that_fails_leaves_the_old_schema(tmp_path, now):
    open_for_writing(tmp_path, now).close()
    broken = grown(("002-more", ["CREATE TABLE more (a TEXT) STRICT"]), ("003-bad", ["CREATE TABLE more (b TEXT)"]))
    with pytest.raises(StoreError, match="already exists"):
        open_for_writing(tmp_path, now, broken)
    with closing(open_for_writing(tmp_path, now)) as connection:
        assert "more" not in tables(connection)


KILLED_WHILE_MIGRATING = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from sqlite_utils import Migrations
from store.connection import open_for_writing
from store.migrations import STEPS
later = Migrations(STEPS.name)
for step in STEPS._migrations:
    later(name=step.name)(step.fn)
later(name="002-more")(lambda db: db.conn.execute("CREATE TABLE more (a TEXT) STRICT"))
later(name="003-end")(lambda db: os.kill(os.getpid(), signal.SIGKILL))
open_for_writing(Path(sys.argv[1]), datetime.now(UTC), later)
"""


@pytest.mark.parametrize("existing", [True, False])
def test_a_migration_that_is_killed_leaves_nothing(tmp_path, now, existing):
    if existing:
        open_for_writing(tmp_path, now).close()
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_MIGRATING, str(tmp_path)], check=False)
    assert killed.returncode == -9
    with closing(open_for_writing(tmp_path, now)) as connection:
        assert "more" not in tables(connection)
        assert "audit" in tables(connection)


def test_every_table_of_ours_is_strict(tx):
    loose = [row[1] for row in tx.connection.execute("PRAGMA table_list") if not row[5] and row[0] == "main"]
    assert [name for name in loose if not name.startswith(("sqlite_", "_sqlite"))] == []


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("recursive_triggers", 1),
        ("trusted_schema", 0),
    ],
)
def test_the_settings_hold(tx, pragma, value):
    assert tx.connection.execute(f"PRAGMA {pragma}").fetchone()[0] == value


@pytest.mark.parametrize("name", sorted(TRIGGERS))
def test_a_trigger_that_went_missing_comes_back_and_is_recorded(tmp_path, now, name):
    with closing(open_for_writing(tmp_path, now)) as connection:
        connection.execute(f"DROP TRIGGER {name}")
    with closing(open_for_writing(tmp_path, now)) as connection:
        (row,) = Transaction(connection, 1).audit.latest(5)
        assert row.entry.action == "audit.triggers-mended"
        assert row.entry.detail == {"triggers": [name]}


def test_a_trigger_that_was_replaced_by_a_tame_one_comes_back(tmp_path, now):
    with closing(open_for_writing(tmp_path, now)) as connection:
        Transaction(connection, 1).audit.append(AuditEntry(now, "ada", "backup.create", "done"))
        connection.execute("DROP TRIGGER audit_no_delete")
        connection.execute("CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT 1; END")
    with (
        closing(open_for_writing(tmp_path, now)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="never deleted"),
    ):
        connection.execute("DELETE FROM audit")


def test_a_record_that_was_cut_is_not_written_on(tmp_path, now):
    with closing(open_for_writing(tmp_path, now)) as connection:
        audit = Transaction(connection, 1).audit
        for _ in range(3):
            audit.append(AuditEntry(now, "ada", "backup.create", "done"))
        connection.execute("DROP TRIGGER audit_no_delete")
        connection.execute("DELETE FROM audit WHERE seq = 3")
        with pytest.raises(sqlite3.IntegrityError, match="in order"):
            audit.append(AuditEntry(now, "mallory", "nothing.happened", "done"))
    with pytest.raises(StoreCorrupt, match="changed outside the bot"):
        open_for_writing(tmp_path, now)


def damaged(path):
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = bytes(64)
    path.write_bytes(content)


@pytest.mark.parametrize("left", ["", '{"pid": 1}', None], ids=["clean stop", "crash", "copied"])
async def test_a_damaged_file_is_refused_and_the_lock_let_go(tmp_path, now, left):
    await (await Store.open(tmp_path, now, reserve_bytes=0)).close()
    damaged(tmp_path / DATABASE_FILE)
    (tmp_path / LOCK_FILE).unlink()
    if left is not None:
        (tmp_path / LOCK_FILE).write_text(left)
    for _ in range(2):
        with pytest.raises(StoreCorrupt):
            await Store.open(tmp_path, now)


def damage_cursors(path):
    """Damage one table that no start reads."""
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'cursor'").fetchone()
    content = bytearray(path.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = bytes(4096)
    path.write_bytes(content)


async def test_after_a_crash_every_start_checks_the_whole_file_until_it_is_sound(tmp_path, now):
    store = await Store.open(tmp_path, now, reserve_bytes=0)
    holder_of_a_crash = (tmp_path / LOCK_FILE).read_bytes()
    await store.close()
    damage_cursors(tmp_path / DATABASE_FILE)
    (tmp_path / LOCK_FILE).write_bytes(holder_of_a_crash)
    for _ in range(2):
        with pytest.raises(StoreCorrupt, match="damaged"):
            await Store.open(tmp_path, now, reserve_bytes=0)


async def test_after_a_clean_stop_damage_is_found_while_the_bot_runs(tmp_path, now):
    await (await Store.open(tmp_path, now, reserve_bytes=0)).close()
    damage_cursors(tmp_path / DATABASE_FILE)
    store = await Store.open(tmp_path, now, reserve_bytes=0)
    assert store.fault is None
    with pytest.raises(StoreCorrupt, match="damaged"):
        await store.check_for_damage()
    with pytest.raises(StoreCorrupt, match="damaged"):
        await store.write(lambda tx: tx.deadlines.next_at())
    await store.close()
    with pytest.raises(StoreCorrupt, match="damaged"):
        await Store.open(tmp_path, now, reserve_bytes=0)


async def test_an_undamaged_file_passes_the_check_while_the_bot_runs(store):
    await store.check_for_damage()
    assert store.fault is None


def test_what_is_no_database_is_refused(tmp_path, now):
    (tmp_path / DATABASE_FILE).write_bytes(b"not a database at all" * 1000)
    with pytest.raises(StoreCorrupt):
        open_for_writing(tmp_path, now)


def test_only_the_owner_may_read_the_files(tmp_path, now):
    open_for_writing(tmp_path, now).close()
    assert (tmp_path / DATABASE_FILE).stat().st_mode & 0o077 == 0


async def test_the_terminal_reads_while_the_bot_runs(store, tmp_path, now):
    await store.write(lambda tx: tx.audit.append(AuditEntry(now, "ada", "backup.create", "asked", operation="op1")))
    with read_transaction(tmp_path) as seen:
        assert [row.entry.action for row in seen.audit.history_of("op1")] == ["backup.create"]


def test_without_a_file_the_terminal_says_so(tmp_path):
    with pytest.raises(StoreError, match="No database at"), read_transaction(tmp_path):
        pass


def test_this_sqlite_has_no_wal_reset_bug():
    assert not has_wal_reset_bug(version())


@pytest.mark.parametrize(
    ("release", "has_it"),
    [
        ((3, 40, 1), True),
        ((3, 44, 6), False),
        ((3, 50, 4), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 53, 4), False),
    ],
)
def test_which_releases_have_the_wal_reset_bug(release, has_it):
    assert has_wal_reset_bug(release) is has_it
