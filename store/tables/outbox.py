"""Events, written in the same transaction as the change they report; the router turns them into notifications."""

from __future__ import annotations

from typing import Any

from domain.event import Event, Severity
from store.encode import from_json, storable, to_json
from store.scrub import scrub_json
from store.sqlite import Connection
from store.times import from_micros, to_micros

SCHEMA = (
    """CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        cluster TEXT NOT NULL,
        cluster_uid TEXT NOT NULL,
        object_kind TEXT NOT NULL,
        object_uid TEXT NOT NULL,
        object_name TEXT NOT NULL,
        transition TEXT NOT NULL,
        at INTEGER NOT NULL,
        severity TEXT NOT NULL,
        operation TEXT NOT NULL,
        facts TEXT NOT NULL CHECK (json_valid(facts)),
        routed INTEGER NOT NULL DEFAULT 0 CHECK (routed IN (0, 1))
    ) STRICT""",
    "CREATE INDEX outbox_unrouted ON outbox (seq) WHERE routed = 0",
    "CREATE INDEX outbox_by_object ON outbox (cluster, object_kind, object_name, at)",
    "CREATE INDEX outbox_by_operation ON outbox (operation, at) WHERE operation != ''",
    "CREATE INDEX outbox_by_age ON outbox (at)",
)

_COLUMNS = (
    "kind, cluster, cluster_uid, object_kind, object_uid, object_name, transition, at, severity, operation, facts"
)
_SELECT = f"SELECT {_COLUMNS} FROM outbox"  # noqa: S608 - constants
_INSERT = f"INSERT INTO outbox (id, {_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING"  # noqa: S608


class Outbox:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, event: Event) -> bool:
        """Add an event. Return whether it is new: the same change observed twice is one event."""
        values = (
            event.id,
            event.kind,
            event.cluster,
            event.cluster_uid,
            event.object_kind,
            event.object_uid,
            storable(event.object_name),
            storable(event.transition),
            to_micros(event.at),
            event.severity,
            event.operation,
            to_json(scrub_json(event.facts)),
        )
        return self._connection.execute(_INSERT, values).rowcount == 1

    def unrouted(self, limit: int = 100) -> tuple[Event, ...]:
        """Return events that aren't routed yet, in order."""
        rows = self._connection.execute(f"{_SELECT} WHERE routed = 0 ORDER BY seq LIMIT ?", (limit,)).fetchall()
        return tuple(map(_event, rows))

    def unrouted_kinds(self, limit: int = 100) -> dict[str, str]:
        """Return their ids and kinds: an event that can't be decoded doesn't hide the others."""
        rows = self._connection.execute("SELECT id, kind FROM outbox WHERE routed = 0 ORDER BY seq LIMIT ?", (limit,))
        return dict(rows.fetchall())

    def mark_routed(self, event_id: str) -> bool:
        """Mark an event as routed, in the transaction that adds its notices. Return False if it was routed before."""
        return (
            self._connection.execute("UPDATE outbox SET routed = 1 WHERE id = ? AND routed = 0", (event_id,)).rowcount
            == 1
        )

    def event(self, event_id: str) -> Event | None:
        row = self._connection.execute(f"{_SELECT} WHERE id = ?", (event_id,)).fetchone()
        return _event(row) if row else None

    def of_object(self, cluster: str, object_kind: str, object_name: str, limit: int = 50) -> tuple[Event, ...]:
        """Return the events of one object, newest first."""
        rows = self._connection.execute(
            f"{_SELECT} WHERE cluster = ? AND object_kind = ? AND object_name = ? ORDER BY at DESC, seq DESC LIMIT ?",
            (cluster, object_kind, object_name, limit),
        ).fetchall()
        return tuple(map(_event, rows))

    def of_operation(self, operation: str) -> tuple[Event, ...]:
        """Return the events of one operation, oldest first: the thread of its status message."""
        rows = self._connection.execute(
            f"{_SELECT} WHERE operation = ? AND operation != '' ORDER BY at, seq", (operation,)
        ).fetchall()
        return tuple(map(_event, rows))

    def count(self) -> int:
        row = self._connection.execute("SELECT count(*) FROM outbox WHERE routed = 0").fetchone()
        return int(row[0])


def _event(row: tuple[Any, ...]) -> Event:
    kind, cluster, cluster_uid, object_kind, object_uid, object_name, transition, at, severity, operation, facts = row
    return Event(
        kind,
        cluster,
        cluster_uid,
        object_kind,
        object_uid,
        object_name,
        transition,
        from_micros(at),
        Severity(severity),
        operation,
        from_json(facts),
    )
