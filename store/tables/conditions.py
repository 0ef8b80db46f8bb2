"""Conditions of clusters with a start and an end, such as an unreachable server, and whether they were reported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.sqlite import Connection
from store.times import from_micros, maybe_micros, maybe_moment, to_micros

SCHEMA = (
    """CREATE TABLE condition (
        cluster TEXT NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        since INTEGER NOT NULL,
        until INTEGER,
        looks INTEGER NOT NULL,
        told INTEGER NOT NULL CHECK (told IN (0, 1)),
        PRIMARY KEY (cluster, kind, subject, since)
    ) STRICT, WITHOUT ROWID""",
    "CREATE UNIQUE INDEX condition_standing ON condition (cluster, kind, subject) WHERE until IS NULL",
    "CREATE INDEX condition_by_age ON condition (until) WHERE until IS NOT NULL",
)

_COLUMNS = "cluster, kind, subject, since, until, looks, told"


@dataclass(frozen=True, slots=True)
class Condition:
    """`looks` counts consecutive checks that found it; `told` is set once the start was reported: the end must be too."""

    cluster: str
    kind: str
    subject: str
    since: datetime
    until: datetime | None = None
    looks: int = 1
    told: bool = False

    def overlaps(self, since: datetime, until: datetime) -> bool:
        return self.since <= until and (self.until is None or self.until >= since)


class ConditionTable:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, one: Condition) -> None:
        values = (
            one.cluster,
            one.kind,
            one.subject,
            to_micros(one.since),
            maybe_micros(one.until),
            one.looks,
            one.told,
        )
        self._connection.execute(
            f"INSERT INTO condition ({_COLUMNS}) VALUES (?,?,?,?,?,?,?)"  # noqa: S608 - constants
            " ON CONFLICT (cluster, kind, subject, since) DO UPDATE"
            " SET until = excluded.until, looks = excluded.looks, told = excluded.told",
            values,
        )

    def get_current(self, cluster: str, kind: str, subject: str) -> Condition | None:
        where = "cluster = ? AND kind = ? AND subject = ? AND until IS NULL"
        return next(iter(self._select(where, cluster, kind, subject)), None)

    def all_current(self, cluster: str) -> tuple[Condition, ...]:
        return self._select("cluster = ? AND until IS NULL ORDER BY since", cluster)

    def since(self, cluster: str, since: datetime) -> tuple[Condition, ...]:
        """Return the conditions that held at this time or later."""
        return self._select("cluster = ? AND (until IS NULL OR until >= ?) ORDER BY since", cluster, to_micros(since))

    def _select(self, where: str, *values: object) -> tuple[Condition, ...]:
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM condition WHERE {where}", values)  # noqa: S608
        return tuple(map(_condition, rows.fetchall()))


def _condition(row: tuple[Any, ...]) -> Condition:
    cluster, kind, subject, since, until, looks, told = row
    return Condition(cluster, kind, subject, from_micros(since), maybe_moment(until), looks, bool(told))
