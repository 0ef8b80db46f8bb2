"""The SQLite module that the project uses, its settings, and its errors as StoreError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.errors import StoreBusy, StoreCorrupt, StoreError, StoreFull

if TYPE_CHECKING:
    import sqlite3
else:
    # The choice of sqlite-utils, without its imports: pysqlite3 bundles a SQLite without the WAL-reset bug.
    try:
        import pysqlite3 as sqlite3
    except ImportError:
        import sqlite3

__all__ = ["SETTINGS", "Connection", "has_wal_reset_bug", "sqlite3", "translate_error", "version"]

Connection = sqlite3.Connection

SETTINGS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=5000",
    "PRAGMA foreign_keys=ON",
    # Without it INSERT OR REPLACE slips past a trigger that forbids deletes.
    "PRAGMA recursive_triggers=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA wal_autocheckpoint=1000",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA mmap_size=0",
    "PRAGMA temp_store=MEMORY",
)


def translate_error(error: sqlite3.Error) -> StoreError:
    """Return the StoreError for a SQLite error: no space, damaged, busy, or any other."""
    text = str(error)
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case 13:
            return StoreFull(
                "No space left on the database volume.",
                why=text,
                fix="free up space on the volume of the data directory",
            )
        case 11 | 26:
            return StoreCorrupt(
                "The database is damaged.",
                why=text,
                fix="keep the file and restore the latest backup of the data directory",
            )
        case 5 | 6:
            return StoreBusy("Another process has locked the database.", why=text)
        case _:
            return StoreError(f"Database error: {text}")


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """SQLite 3.7.0 to 3.51.2 can corrupt a WAL that two connections write (sqlite.org/wal.html#walresetbug)."""
    fixed = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    return not fixed


def version() -> tuple[int, ...]:
    return tuple(int(part) for part in sqlite3.sqlite_version.split("."))
