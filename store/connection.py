"""Opening the file: settings, damage check, refusal of newer schemas, snapshot, migrations, triggers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlite_utils import Migrations

from domain.errors import StoreCorrupt, StoreError
from store.migrations import STEPS, migrate, pending_steps, refuse_newer, restore_triggers
from store.sqlite import SETTINGS, Connection, sqlite3, translate_error
from store.tables.audit import Audit, AuditEntry
from store.transaction import Transaction, epoch

DATABASE_FILE = "velero-chatops.db"
SNAPSHOTS = "snapshots"


def open_for_writing(data_dir: Path, now: datetime, steps: Migrations = STEPS) -> Connection:
    """The one connection that writes. The caller holds the directory's lock."""
    path = data_dir / DATABASE_FILE
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = _connect(f"{path.absolute().as_uri()}?mode=rw")
    try:
        with translate_errors():
            _prepare(connection, data_dir, now, steps)
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> Connection:
    """Beside a running bot: never writes, never checkpoints."""
    if not path.is_file():
        raise StoreError(f"No database at {path}.", fix="pass the bot's data directory")
    with translate_errors():
        connection = _connect(f"{path.absolute().as_uri()}?mode=ro{_unchanging(path)}")
        connection.execute("PRAGMA busy_timeout=5000")
    return connection


@contextmanager
def read_transaction(data_dir: Path) -> Iterator[Transaction]:
    """For the terminal: one consistent state of the tables, while the bot runs or not."""
    connection = open_for_reading(data_dir / DATABASE_FILE)
    try:
        with translate_errors():
            connection.execute("BEGIN")
            yield Transaction(connection, epoch(connection))
    finally:
        connection.close()


def _unchanging(path: Path) -> str:
    # A copy on a read-only volume: SQLite cannot make the shared memory that a WAL wants, and needs none.
    alone = not path.with_name(f"{path.name}-wal").exists()
    return "&immutable=1" if alone and not os.access(path.parent, os.W_OK) else ""


@contextmanager
def translate_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise translate_error(error) from error


def _connect(uri: str) -> Connection:
    # Statements begin no transaction by themselves; each is opened by name.
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256)


def _prepare(connection: Connection, data_dir: Path, now: datetime, steps: Migrations) -> None:
    _check(connection)
    # WAL stays in the file's header; a newer file is refused before anything is written to it.
    used_before = refuse_newer(connection, steps)
    connection.execute("PRAGMA journal_mode=WAL")
    for setting in SETTINGS:
        connection.execute(setting)
    if waiting := pending_steps(connection, steps):
        if used_before:
            snapshot(connection, data_dir / SNAPSHOTS / f"before-{waiting[0]}-{now:%Y%m%dT%H%M%S}.db")
        migrate(connection, steps)
    _guard_audit(connection, now)


def _check(connection: Connection) -> None:
    found = [row[0] for row in connection.execute("PRAGMA quick_check(5)").fetchall()]
    if found != ["ok"]:
        raise StoreCorrupt(
            "The database is damaged.",
            why="; ".join(found),
            fix="keep the file and restore the latest backup of the data directory",
        )


def snapshot(connection: Connection, path: Path) -> None:
    """A consistent, compact copy. Written beside and renamed, so that a crash leaves no half of one under its name."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(unfinished),))
    unfinished.chmod(0o600)
    unfinished.rename(path)


def _guard_audit(connection: Connection, now: datetime) -> None:
    """Triggers stand as written, and what was mended is itself a row; a record that was cut is not written on."""
    connection.execute("BEGIN IMMEDIATE")
    mended = restore_triggers(connection)
    audit = Audit(connection)
    audit.check_end()
    if mended:
        audit.append(
            AuditEntry(
                at=now, actor="store", action="audit.triggers-mended", outcome="done", detail={"triggers": mended}
            )
        )
    connection.commit()
