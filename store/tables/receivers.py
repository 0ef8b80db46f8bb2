"""Receivers that returned 410 Gone. Nothing is sent to them until an operator enables them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from store.scrub import scrub
from store.sqlite import Connection
from store.times import from_micros, to_micros

SCHEMA = (
    """CREATE TABLE receiver_disabled (
        kind TEXT NOT NULL,
        address TEXT NOT NULL,
        at INTEGER NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (kind, address)
    ) STRICT, WITHOUT ROWID""",
)


@dataclass(frozen=True, slots=True)
class Disabled:
    kind: str
    address: str
    at: datetime
    reason: str


class Receivers:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def disable(self, kind: str, address: str, reason: str, now: datetime) -> bool:
        """Disable a receiver. Return whether it was enabled."""
        return (
            self._connection.execute(
                "INSERT INTO receiver_disabled (kind, address, at, reason) VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
                (kind, address, to_micros(now), scrub(reason)),
            ).rowcount
            == 1
        )

    def enable(self, kind: str, address: str) -> bool:
        """Enable a receiver. Return whether it was disabled."""
        return (
            self._connection.execute(
                "DELETE FROM receiver_disabled WHERE kind = ? AND address = ?", (kind, address)
            ).rowcount
            == 1
        )

    def get_disabled(self, kind: str, address: str) -> Disabled | None:
        return next((one for one in self.all() if (one.kind, one.address) == (kind, address)), None)

    def all(self) -> tuple[Disabled, ...]:
        rows = self._connection.execute(
            "SELECT kind, address, at, reason FROM receiver_disabled ORDER BY kind, address"
        ).fetchall()
        return tuple(Disabled(kind, address, from_micros(at), reason) for kind, address, at, reason in rows)
