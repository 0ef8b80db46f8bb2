"""The log of delivery attempts: time, result and the receiver's answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.scrub import scrub
from store.sqlite import Connection
from store.times import from_micros, to_micros

SCHEMA = (
    """CREATE TABLE delivery (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        notice TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        address TEXT NOT NULL,
        outcome TEXT NOT NULL,
        code TEXT NOT NULL,
        milliseconds INTEGER NOT NULL,
        detail TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX delivery_of_notice ON delivery (notice, seq)",
    "CREATE INDEX delivery_to_receiver ON delivery (kind, address, seq)",
    "CREATE INDEX delivery_by_age ON delivery (at)",
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """`outcome` is the state of the notification after the attempt; `code` an HTTP status or Slack's error code."""

    notice: str
    attempt: int
    at: datetime
    kind: str
    address: str
    outcome: str
    code: str = ""
    milliseconds: int = 0
    detail: str = ""


_COLUMNS = "notice, attempt, at, kind, address, outcome, code, milliseconds, detail"


class Deliveries:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def record(self, tried: Delivery) -> None:
        self._connection.execute(
            f"INSERT INTO delivery ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)",  # noqa: S608 - a constant
            (
                tried.notice,
                tried.attempt,
                to_micros(tried.at),
                tried.kind,
                scrub(tried.address),
                tried.outcome,
                scrub(tried.code),
                tried.milliseconds,
                scrub(tried.detail),
            ),
        )

    def of(self, notice: str) -> tuple[Delivery, ...]:
        return self._select("WHERE notice = ? ORDER BY seq", notice)

    def to(self, kind: str, address: str, limit: int = 50) -> tuple[Delivery, ...]:
        """Return the attempts to one receiver, newest first."""
        return self._select("WHERE kind = ? AND address = ? ORDER BY seq DESC LIMIT ?", kind, scrub(address), limit)

    def _select(self, where: str, *values: object) -> tuple[Delivery, ...]:
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM delivery {where}",  # noqa: S608 - constants
            values,
        ).fetchall()
        return tuple(map(_delivery, rows))


def _delivery(row: tuple[Any, ...]) -> Delivery:
    notice, attempt, at, *rest = row
    return Delivery(notice, attempt, from_micros(at), *rest)
