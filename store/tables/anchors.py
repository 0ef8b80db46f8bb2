"""Signed checkpoints of the audit log, and where each was published. Append-only like the log itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.sqlite import Connection
from store.times import from_micros, to_micros

_TABLES = ("anchor", "publication")

TRIGGERS = {
    f"{table}_no_{verb}": f"""CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} rows are never {verb}d'); END"""
    for table in _TABLES
    for verb in ("update", "delete")
}

SCHEMA = (
    """CREATE TABLE anchor (
        number INTEGER PRIMARY KEY CHECK (number > 0),
        seq INTEGER NOT NULL,
        head BLOB NOT NULL CHECK (length(head) = 32),
        note TEXT NOT NULL,
        digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
        made_at INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE publication (
        anchor INTEGER NOT NULL REFERENCES anchor (number),
        place TEXT NOT NULL,
        reference TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (anchor, place)
    ) STRICT""",
    *TRIGGERS.values(),
)


@dataclass(frozen=True, slots=True)
class Anchor:
    """Says that row `seq` of the audit log has hash `head`. `note` is the signed text, `digest` its SHA-256."""

    number: int
    seq: int
    head: bytes
    note: str
    digest: bytes
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Publication:
    """`place` is `<kind>:<address>`: `file:/var/anchors`, `slack:C0123`, `log:`; `reference` locates it there."""

    anchor: int
    place: str
    reference: str
    at: datetime


class Anchors:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, anchor: Anchor) -> None:
        self._connection.execute(
            "INSERT INTO anchor (number, seq, head, note, digest, made_at) VALUES (?,?,?,?,?,?)",
            (anchor.number, anchor.seq, anchor.head, anchor.note, anchor.digest, to_micros(anchor.made_at)),
        )

    def record_publication(self, number: int, place: str, reference: str, now: datetime) -> None:
        """Record a publication, once per place."""
        self._connection.execute(
            "INSERT INTO publication (anchor, place, reference, at) VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
            (number, place, reference, to_micros(now)),
        )

    def latest(self) -> Anchor | None:
        return next(iter(self._select("WHERE number = (SELECT max(number) FROM anchor)")), None)

    def all(self) -> tuple[Anchor, ...]:
        return self._select("ORDER BY number")

    def unpublished(self, place: str) -> tuple[Anchor, ...]:
        """Return checkpoints not yet published at a place, in order; after a crash publishing is repeated."""
        return self._select(
            "WHERE NOT EXISTS (SELECT 1 FROM publication WHERE anchor = number AND place = ?) ORDER BY number", place
        )

    def publications(self) -> tuple[Publication, ...]:
        rows = self._connection.execute(
            "SELECT anchor, place, reference, at FROM publication ORDER BY anchor, place"
        ).fetchall()
        return tuple(Publication(anchor, place, reference, from_micros(at)) for anchor, place, reference, at in rows)

    def _select(self, where: str, *values: object) -> tuple[Anchor, ...]:
        rows = self._connection.execute(
            f"SELECT number, seq, head, note, digest, made_at FROM anchor {where}",  # noqa: S608 - constants
            values,
        ).fetchall()
        return tuple(map(_anchor, rows))


def _anchor(row: tuple[Any, ...]) -> Anchor:
    number, seq, head, note, digest, made_at = row
    return Anchor(number, seq, head, note, digest, from_micros(made_at))
