"""The last observation of each object, with which the next one is compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from store.encode import from_json, storable, to_json
from store.sqlite import Connection
from store.times import from_micros, to_micros

# Clustered by key: one kind of a cluster is a contiguous part of the file.
SCHEMA = (
    """CREATE TABLE observed (
        cluster TEXT NOT NULL,
        kind TEXT NOT NULL,
        uid TEXT NOT NULL,
        name TEXT NOT NULL,
        phase TEXT NOT NULL,
        facts TEXT NOT NULL,
        seen_at INTEGER NOT NULL,
        PRIMARY KEY (cluster, kind, uid)
    ) STRICT, WITHOUT ROWID""",
)


class Observed(Struct, frozen=True, gc=False):
    """`facts` is small JSON that tracking needs in addition to the phase (hashes, times, counts), never the object."""

    uid: str
    name: str
    phase: str
    seen_at: datetime
    facts: Mapping[str, Any] = {}


class Observations:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, cluster: str, kind: str, observations: Iterable[Observed]) -> None:
        """Record many at once: the first list of a cluster can have 10,000 objects."""
        self._connection.executemany(
            "INSERT INTO observed (cluster, kind, uid, name, phase, facts, seen_at) VALUES (?,?,?,?,?,?,?)"
            " ON CONFLICT (cluster, kind, uid) DO UPDATE"
            " SET name = excluded.name, phase = excluded.phase, facts = excluded.facts, seen_at = excluded.seen_at",
            [
                (
                    cluster,
                    kind,
                    one.uid,
                    storable(one.name),
                    storable(one.phase),
                    to_json(one.facts) if one.facts else "{}",
                    to_micros(one.seen_at),
                )
                for one in observations
            ],
        )

    def load(self, cluster: str, kind: str) -> dict[str, Observed]:
        """Return the observations by uid. Equal values are one object: thousands of runs have the same labels."""
        rows = self._connection.execute(
            "SELECT uid, name, phase, seen_at, facts FROM observed WHERE cluster = ? AND kind = ?", (cluster, kind)
        )
        known = _SharedValues()
        return {row[0]: _observed(row, known) for row in rows}

    def uids(self, cluster: str, kind: str) -> frozenset[str]:
        rows = self._connection.execute("SELECT uid FROM observed WHERE cluster = ? AND kind = ?", (cluster, kind))
        return frozenset(uid for (uid,) in rows)

    def get(self, cluster: str, kind: str, uid: str) -> Observed | None:
        row = self._connection.execute(
            "SELECT uid, name, phase, seen_at, facts FROM observed WHERE cluster = ? AND kind = ? AND uid = ?",
            (cluster, kind, uid),
        ).fetchone()
        return _observed(row, _SharedValues()) if row else None

    def remove(self, cluster: str, kind: str, uids: Iterable[str]) -> None:
        self._connection.executemany(
            "DELETE FROM observed WHERE cluster = ? AND kind = ? AND uid = ?", [(cluster, kind, uid) for uid in uids]
        )

    def count(self, cluster: str, kind: str) -> int:
        row = self._connection.execute(
            "SELECT count(*) FROM observed WHERE cluster = ? AND kind = ?", (cluster, kind)
        ).fetchone()
        return int(row[0])

    def forget(self, cluster: str) -> None:
        """Remove a cluster that is no longer configured."""
        self._connection.execute("DELETE FROM observed WHERE cluster = ?", (cluster,))


class _SharedValues:
    """Returns the first of equal values."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._others: dict[str, Any] = {}

    def text(self, value: str) -> str:
        return self._texts.setdefault(value, value)

    def value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        # 1, 1.0 and True are equal but not the same.
        return self._others.setdefault(repr(value), value) if isinstance(value, dict | list) else value

    def facts(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        return {self.text(key): self.value(value) for key, value in facts.items()}


def _observed(row: tuple[Any, ...], known: _SharedValues) -> Observed:
    uid, name, phase, seen_at, facts = row
    found = {} if facts == "{}" else known.facts(from_json(facts))
    return Observed(uid, name, known.text(phase), from_micros(seen_at), found)
