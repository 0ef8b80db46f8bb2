"""Opens the database file: damage check, pragmas, refusal of newer schemas, snapshot, migrations, triggers."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from sqlite_utils import Migrations

from domain.errors import StoreError
from store.damage_check import check_for_damage, list_tables
from store.migrations import STEPS, migrate, pending_steps, refuse_newer, restore_triggers
from store.sqlite import SETTINGS, Connection, sqlite3, translate_error
from store.tables.audit import Audit, AuditEntry
from store.transaction import Transaction, epoch

DATABASE_FILE = "velero-chatops.db"
SNAPSHOT_DIRECTORY = "snapshots"
CONNECTION = sqlite3.Connection
OPERATIONS_PER_STOP_CHECK = 100_000


def open_for_writing(
    data_dir: Path, now: datetime, steps: Migrations = STEPS, *, stopped_cleanly: bool = False
) -> Connection:
    """Return the only connection that writes. The caller holds the directory's lock.

    Unless it was `stopped_cleanly`, the whole file is checked for damage first.
    """
    path = data_dir / DATABASE_FILE
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = _connect(f"{path.absolute().as_uri()}?mode=rw")
    try:
        with translate_errors():
            if not stopped_cleanly:
                check_for_damage(connection)
            _prepare(connection, data_dir, now, steps)
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> Connection:
    """Return a connection that never writes or checkpoints; safe next to a running bot."""
    if not path.is_file():
        raise StoreError(f"No database at {path}.", fix="Pass the bot's data directory.")
    with translate_errors():
        connection = _connect(f"{path.absolute().as_uri()}?mode=ro{_immutable_option(path)}")
        connection.execute("PRAGMA busy_timeout=5000")
    return connection


def check_file(path: Path, stop: threading.Event) -> None:
    """Check the file for damage, table by table, next to a running bot, until `stop` is set. Raises StoreCorrupt."""
    with translate_errors(), closing(open_for_reading(path)) as connection:
        connection.set_progress_handler(stop.is_set, OPERATIONS_PER_STOP_CHECK)
        for table in list_tables(connection):
            check_for_damage(connection, table)


@contextmanager
def read_transaction(data_dir: Path) -> Iterator[Transaction]:
    """Read one consistent state of the tables, whether or not the bot runs; for terminal commands."""
    connection = open_for_reading(data_dir / DATABASE_FILE)
    try:
        with translate_errors():
            connection.execute("BEGIN")
            yield Transaction(connection, epoch(connection))
    finally:
        connection.close()


def _immutable_option(path: Path) -> str:
    # A copy on a read-only volume: SQLite can't create the shared memory for a WAL, and doesn't need it.
    alone = not path.with_name(f"{path.name}-wal").exists()
    return "&immutable=1" if alone and not os.access(path.parent, os.W_OK) else ""


@contextmanager
def translate_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise translate_error(error) from error


def _connect(uri: str) -> Connection:
    # Statements don't begin transactions implicitly; the code opens each one.
    return sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256, factory=CONNECTION
    )


def _prepare(connection: Connection, data_dir: Path, now: datetime, steps: Migrations) -> None:
    # WAL mode is stored in the file: a newer file must be refused before anything is written to it.
    used_before = refuse_newer(connection, steps)
    connection.execute("PRAGMA journal_mode=WAL")
    for setting in SETTINGS:
        connection.execute(setting)
    if waiting := pending_steps(connection, steps):
        if used_before:
            snapshot(connection, data_dir / SNAPSHOT_DIRECTORY / f"before-{waiting[0]}-{now:%Y%m%dT%H%M%S}.db")
        migrate(connection, steps)
    _check_audit(connection, now)


def snapshot(connection: Connection, path: Path) -> None:
    """Write a consistent, compact copy. It is renamed when complete, so that a crash leaves no partial copy."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(unfinished),))
    unfinished.chmod(0o600)
    unfinished.rename(path)


def _check_audit(connection: Connection, now: datetime) -> None:
    """Restore changed triggers and record that in the audit log. Raises StoreCorrupt if the end of the log was removed."""
    connection.execute("BEGIN IMMEDIATE")
    restored = restore_triggers(connection)
    audit = Audit(connection)
    audit.check_end()
    if restored:
        audit.append(
            AuditEntry(
                at=now, actor="store", action="audit.triggers-mended", outcome="done", detail={"triggers": restored}
            )
        )
    connection.commit()
