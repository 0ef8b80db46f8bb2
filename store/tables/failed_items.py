"""Failed items: recorded with their error, so that other items continue, until they are retried."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from store.scrub import scrub
from store.sqlite import Connection
from store.times import from_micros, maybe_moment, to_micros

SCHEMA = (
    """CREATE TABLE failed_item (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        subject TEXT NOT NULL,
        error_type TEXT NOT NULL,
        error TEXT NOT NULL,
        failed_since INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        retry_at INTEGER,
        UNIQUE (kind, key)
    ) STRICT""",
    "CREATE INDEX failed_item_due ON failed_item (kind, retry_at)",
)

RETRY_DELAYS = (timedelta(seconds=10), timedelta(seconds=60))
"""Delays after the first and the second failure; after that, only `items retry` retries."""
MAX_ERROR_LENGTH = 500


class ItemKind(StrEnum):
    COMMAND = "command"
    """Key: the number of the inbox row."""
    EVENT = "event"
    OBJECT = "object"
    """An object that tracking can't process. Key: cluster/kind/uid."""
    SCHEDULE = "schedule"
    """Key: cluster/name."""
    REQUEST = "request"
    """A call of a pipeline. Key: its operation."""
    OPERATION = "operation"
    TIMER = "timer"


@dataclass(frozen=True, slots=True)
class Subject:
    """`text` names the item for people."""

    kind: ItemKind
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class FailedItem:
    """`retry_at` is None if only `items retry` retries it."""

    id: int
    kind: ItemKind
    key: str
    subject: str
    error_type: str
    error: str
    failed_since: datetime
    failures: int
    retry_at: datetime | None


_SETTLED = """DELETE FROM failed_item WHERE
    (kind = 'command' AND NOT EXISTS (SELECT 1 FROM inbox WHERE seq = CAST(failed_item.key AS INTEGER) AND state = 'done'))
    OR (kind = 'event' AND NOT EXISTS (SELECT 1 FROM outbox WHERE id = failed_item.key))
    OR (kind = 'timer' AND NOT EXISTS (SELECT 1 FROM deadline WHERE id = failed_item.key AND done = 0))
    OR (kind = 'request' AND NOT EXISTS (SELECT 1 FROM hook WHERE operation = failed_item.key AND settled_at IS NULL))
    OR (kind = 'operation' AND NOT EXISTS (SELECT 1 FROM operation WHERE id = failed_item.key AND state NOT IN (
        'refused', 'rejected', 'expired', 'withdrawn', 'stale', 'succeeded', 'partial', 'failed')))"""

_COLUMNS = "id, kind, key, subject, error_type, error, failed_since, failures, retry_at"


def next_retry(failures: int, now: datetime) -> datetime | None:
    return now + RETRY_DELAYS[failures - 1] if failures <= len(RETRY_DELAYS) else None


class FailedItems:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, subject: Subject, exception: Exception, now: datetime, *, automatic: bool = True) -> FailedItem:
        """Record a failure. `automatic`: the first failures are retried automatically."""
        before = self.find(subject.kind, subject.key)
        failures = before.failures + 1 if before is not None else 1
        retry_at = next_retry(failures, now) if automatic else None
        error = scrub(str(exception))[:MAX_ERROR_LENGTH]
        self._connection.execute(
            "INSERT INTO failed_item (kind, key, subject, error_type, error, failed_since, failures, retry_at)"
            " VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (kind, key) DO UPDATE SET subject = excluded.subject,"
            " error_type = excluded.error_type, error = excluded.error, failures = excluded.failures,"
            " retry_at = excluded.retry_at",
            (
                subject.kind.value,
                subject.key,
                scrub(subject.text),
                type(exception).__name__,
                error,
                to_micros(now),
                failures,
                to_micros(retry_at) if retry_at is not None else None,
            ),
        )
        found = self.find(subject.kind, subject.key)
        assert found is not None
        return found

    def clear(self, kind: ItemKind, *keys: str) -> None:
        for key in keys:
            self._connection.execute("DELETE FROM failed_item WHERE kind = ? AND key = ?", (kind.value, key))

    def forget_settled(self) -> int:
        """Delete items that have been processed in the meantime or no longer exist. Return their number."""
        return self._connection.execute(_SETTLED).rowcount

    def retry(self, item_id: int, now: datetime) -> FailedItem | None:
        """Make an item due at once, with its failures forgotten. Return None if it doesn't exist."""
        self._connection.execute(
            "UPDATE failed_item SET retry_at = ?, failures = 0 WHERE id = ?", (to_micros(now), item_id)
        )
        found = self._select("WHERE id = ?", item_id)
        return found[0] if found else None

    def find(self, kind: ItemKind, key: str) -> FailedItem | None:
        found = self._select("WHERE kind = ? AND key = ?", kind.value, key)
        return found[0] if found else None

    def by_key(self, kind: ItemKind) -> dict[str, FailedItem]:
        """Return the failed items of one kind by key."""
        return {item.key: item for item in self._select("WHERE kind = ?", kind.value)}

    def due(self, kind: ItemKind, now: datetime, limit: int = 100) -> tuple[FailedItem, ...]:
        return self._select(
            "WHERE kind = ? AND retry_at <= ? ORDER BY retry_at, id LIMIT ?", kind.value, to_micros(now), limit
        )

    def all(self, limit: int = 100) -> tuple[FailedItem, ...]:
        """Return failed items, newest first."""
        return self._select("ORDER BY failed_since DESC, id DESC LIMIT ?", limit)

    def counts(self) -> dict[ItemKind, int]:
        rows = self._connection.execute("SELECT kind, count(*) FROM failed_item GROUP BY kind").fetchall()
        return {ItemKind(kind): count for kind, count in rows}

    def _select(self, where: str, *values: object) -> tuple[FailedItem, ...]:
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM failed_item {where}", values).fetchall()  # noqa: S608
        return tuple(map(_item, rows))


def _item(row: tuple[Any, ...]) -> FailedItem:
    item_id, kind, key, subject, error_type, error, since, failures, retry_at = row
    return FailedItem(
        item_id, ItemKind(kind), key, subject, error_type, error, from_micros(since), failures, maybe_moment(retry_at)
    )
