"""Active alerts at a receiver. Alertmanager keeps alerts in memory only, so they are sent again until they end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from store.encode import from_json, to_json
from store.sqlite import Connection
from store.times import to_micros

SCHEMA = (
    """CREATE TABLE alert (
        address TEXT NOT NULL,
        labels TEXT NOT NULL CHECK (json_valid(labels)),
        body TEXT NOT NULL CHECK (json_valid(body)),
        ends_at INTEGER NOT NULL,
        PRIMARY KEY (address, labels)
    ) STRICT, WITHOUT ROWID""",
)


class Alerts:
    """An alert is identified by its labels; other fields may change."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, address: str, labels: Mapping[str, str], body: Mapping[str, Any], ends_at: datetime) -> None:
        self._connection.execute(
            "INSERT INTO alert (address, labels, body, ends_at) VALUES (?,?,?,?)"
            " ON CONFLICT DO UPDATE SET body = excluded.body, ends_at = excluded.ends_at",
            (address, _key(labels), to_json(body), to_micros(ends_at)),
        )

    def end(self, address: str, labels: Mapping[str, str]) -> None:
        self._connection.execute("DELETE FROM alert WHERE address = ? AND labels = ?", (address, _key(labels)))

    def active(self, address: str, now: datetime) -> tuple[dict[str, Any], ...]:
        rows = self._connection.execute(
            "SELECT body FROM alert WHERE address = ? AND ends_at > ? ORDER BY labels", (address, to_micros(now))
        ).fetchall()
        return tuple(from_json(row[0]) for row in rows)

    def addresses(self) -> frozenset[str]:
        return frozenset(row[0] for row in self._connection.execute("SELECT DISTINCT address FROM alert").fetchall())

    def forget(self, address: str) -> None:
        """Remove the alerts of a receiver that is no longer configured."""
        self._connection.execute("DELETE FROM alert WHERE address = ?", (address,))

    def expire(self, now: datetime) -> int:
        """Delete alerts whose end has passed. Return their number."""
        return self._connection.execute("DELETE FROM alert WHERE ends_at <= ?", (to_micros(now),)).rowcount


def _key(labels: Mapping[str, str]) -> str:
    return to_json(labels)
