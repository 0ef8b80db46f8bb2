"""Checks the database file for damage.

The check reads the whole file: seconds after a year of use. A start waits for it only if the last stop wasn't clean;
otherwise it runs next to the running bot, on a connection of its own, one table at a time.
"""

from __future__ import annotations

from domain.errors import StoreCorrupt
from store.sqlite import Connection

MAX_FINDINGS = 5


def list_tables(connection: Connection) -> tuple[str, ...]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    return tuple(row[0] for row in rows)


def check_for_damage(connection: Connection, table: str = "") -> None:
    """Check one table with its indexes, or the whole file. Raises StoreCorrupt."""
    # PRAGMA takes no bound values, and a table's name comes from the file itself.
    scope = f'"{table.replace(chr(34), chr(34) * 2)}"' if table else str(MAX_FINDINGS)
    found = [row[0] for row in connection.execute(f"PRAGMA quick_check({scope})").fetchmany(MAX_FINDINGS)]
    if found != ["ok"]:
        raise StoreCorrupt(
            "The database is damaged.",
            why="; ".join(found),
            fix="Keep the file, and restore the latest backup of the data directory.",
        )
