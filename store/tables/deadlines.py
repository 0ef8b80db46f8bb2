"""Deadlines: actions that are due at a time, by kind."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from store.encode import from_json, to_json
from store.scrub import scrub_json
from store.sqlite import Connection
from store.times import from_micros, maybe_moment, to_micros

SCHEMA = (
    """CREATE TABLE deadline (
        id TEXT PRIMARY KEY,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        payload TEXT NOT NULL CHECK (json_valid(payload)),
        done INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1))
    ) STRICT""",
    "CREATE INDEX deadline_open ON deadline (at) WHERE done = 0",
)
AGE_INDEX = ("CREATE INDEX deadline_done ON deadline (at) WHERE done = 1",)

_NOT_SET_ASIDE = """NOT EXISTS (SELECT 1 FROM failed_item WHERE failed_item.kind = 'timer'
    AND failed_item.key = deadline.id AND (retry_at IS NULL OR retry_at > ?))"""

REPORTED_AT = "told_as_unknown"


@dataclass(frozen=True, slots=True)
class Deadline:
    id: str
    at: datetime
    kind: str
    payload: Mapping[str, Any]


class Deadlines:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, deadline: Deadline) -> bool:
        """Add a deadline. Return whether it is new; a finished one stays finished."""
        return (
            self._connection.execute(
                "INSERT INTO deadline (id, at, kind, payload) VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
                _values(deadline),
            ).rowcount
            == 1
        )

    def put(self, deadline: Deadline) -> None:
        """Set or move a deadline; a finished one is reopened."""
        self._connection.execute(
            "INSERT INTO deadline (id, at, kind, payload) VALUES (?,?,?,?) ON CONFLICT (id) DO UPDATE"
            " SET at = excluded.at, kind = excluded.kind, payload = excluded.payload, done = 0",
            _values(deadline),
        )

    def due(self, now: datetime, kinds: Collection[str], limit: int = 100) -> tuple[Deadline, ...]:
        """Return due deadlines of these kinds, except failed ones. Each loop reads only its own kinds."""
        marks = ",".join("?" * len(kinds))
        where = f"WHERE done = 0 AND at <= ? AND kind IN ({marks}) AND {_NOT_SET_ASIDE} ORDER BY at, id LIMIT ?"
        return self._select(where, to_micros(now), *kinds, to_micros(now), limit)

    def without_kind(self, now: datetime, known: Collection[str], limit: int = 100) -> tuple[Deadline, ...]:
        """Return due deadlines of unknown kinds that weren't reported yet; a newer version may have created them."""
        marks = ",".join("?" * len(known))
        return self._select(
            f"WHERE done = 0 AND at <= ? AND kind NOT IN ({marks}) AND json_extract(payload, '$.{REPORTED_AT}') IS NULL"
            " ORDER BY at, id LIMIT ?",
            to_micros(now),
            *known,
            limit,
        )

    def mark_reported(self, deadline: Deadline, now: datetime) -> None:
        """Mark a deadline of an unknown kind as reported; it is kept for the version that knows it."""
        self.put(replace(deadline, payload={**deadline.payload, REPORTED_AT: now.isoformat()}))

    def open(self, kind: str) -> tuple[Deadline, ...]:
        return self._select("WHERE done = 0 AND kind = ? ORDER BY at, id", kind)

    def next_at(self) -> datetime | None:
        row = self._connection.execute("SELECT min(at) FROM deadline WHERE done = 0").fetchone()
        return maybe_moment(row[0])

    def finish(self, deadline_id: str) -> bool:
        """Finish a deadline. Return whether this call did it."""
        return (
            self._connection.execute("UPDATE deadline SET done = 1 WHERE id = ? AND done = 0", (deadline_id,)).rowcount
            == 1
        )

    def finish_unless_moved(self, deadline: Deadline) -> bool:
        """Finish a deadline if it is unchanged. Return whether it was open and unchanged."""
        return (
            self._connection.execute(
                "UPDATE deadline SET done = 1 WHERE id = ? AND at = ? AND kind = ? AND payload = ? AND done = 0",
                _values(deadline),
            ).rowcount
            == 1
        )

    def cancel(self, deadline_id: str) -> bool:
        return self._connection.execute("DELETE FROM deadline WHERE id = ?", (deadline_id,)).rowcount == 1

    def _select(self, where: str, *values: object) -> tuple[Deadline, ...]:
        rows = self._connection.execute(
            f"SELECT id, at, kind, payload FROM deadline {where}",  # noqa: S608 - constants
            values,
        ).fetchall()
        return tuple(Deadline(id_, from_micros(at), kind, from_json(payload)) for id_, at, kind, payload in rows)


def _values(deadline: Deadline) -> tuple[object, ...]:
    return deadline.id, to_micros(deadline.at), deadline.kind, to_json(scrub_json(deadline.payload))
