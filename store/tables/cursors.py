"""The resourceVersion from which the watch of each kind resumes, committed with the changes that it brought."""

from __future__ import annotations

from datetime import datetime

from store.sqlite import Connection
from store.times import from_micros, to_micros

SCHEMA = (
    """CREATE TABLE cursor (
        cluster TEXT NOT NULL,
        kind TEXT NOT NULL,
        resource_version TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (cluster, kind)
    ) STRICT, WITHOUT ROWID""",
)


class Cursors:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, cluster: str, kind: str, resource_version: str, now: datetime) -> None:
        self._connection.execute(
            "INSERT INTO cursor (cluster, kind, resource_version, at) VALUES (?,?,?,?) ON CONFLICT (cluster, kind)"
            " DO UPDATE SET resource_version = excluded.resource_version, at = excluded.at",
            (cluster, kind, resource_version, to_micros(now)),
        )

    def get(self, cluster: str, kind: str) -> str | None:
        """Return None before the first list and after a 410."""
        row = self._connection.execute(
            "SELECT resource_version FROM cursor WHERE cluster = ? AND kind = ?", (cluster, kind)
        ).fetchone()
        return row[0] if row else None

    def moved_at(self, cluster: str, kind: str) -> datetime | None:
        row = self._connection.execute(
            "SELECT at FROM cursor WHERE cluster = ? AND kind = ?", (cluster, kind)
        ).fetchone()
        return from_micros(row[0]) if row else None

    def forget(self, cluster: str, kind: str) -> None:
        self._connection.execute("DELETE FROM cursor WHERE cluster = ? AND kind = ?", (cluster, kind))
