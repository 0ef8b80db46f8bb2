"""Subscriptions of people and channels to an object, a namespace or a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.encode import storable
from store.sqlite import Connection
from store.times import from_micros, to_micros

SCHEMA = (
    """CREATE TABLE subscription (
        receiver TEXT NOT NULL,
        cluster TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        outcome TEXT NOT NULL,
        created_by TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (receiver, cluster, kind, name)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX subscription_to ON subscription (cluster, kind, name)",
)


@dataclass(frozen=True, slots=True)
class Subscription:
    """`receiver` is a Slack user or channel id. An empty `kind` or `name` means all; `outcome` is `all` or `failures`."""

    receiver: str
    cluster: str
    kind: str
    name: str
    created_by: str
    created_at: datetime
    outcome: str = "all"


_SELECT = "SELECT receiver, cluster, kind, name, created_by, created_at, outcome FROM subscription"


class Subscriptions:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, subscription: Subscription) -> bool:
        """Add a subscription. Return whether it is new; an existing one gets the new outcome."""
        known = self._connection.execute(
            "SELECT 1 FROM subscription WHERE receiver = ? AND cluster = ? AND kind = ? AND name = ?",
            (subscription.receiver, subscription.cluster, subscription.kind, storable(subscription.name)),
        ).fetchone()
        self._connection.execute(
            "INSERT INTO subscription (receiver, cluster, kind, name, created_by, created_at, outcome)"
            " VALUES (?,?,?,?,?,?,?)"
            " ON CONFLICT (receiver, cluster, kind, name) DO UPDATE SET outcome = excluded.outcome",
            (
                subscription.receiver,
                subscription.cluster,
                subscription.kind,
                storable(subscription.name),
                subscription.created_by,
                to_micros(subscription.created_at),
                subscription.outcome,
            ),
        )
        return known is None

    def remove(self, receiver: str, cluster: str, kind: str, name: str) -> bool:
        return (
            self._connection.execute(
                "DELETE FROM subscription WHERE receiver = ? AND cluster = ? AND kind = ? AND name = ?",
                (receiver, cluster, kind, name),
            ).rowcount
            == 1
        )

    def to(self, cluster: str, kind: str, name: str) -> tuple[Subscription, ...]:
        """Return the subscriptions to an object, one per receiver and scope."""
        return self._select(
            "WHERE cluster = ? AND kind IN ('', ?) AND name IN ('', ?) ORDER BY receiver, kind, name",
            cluster,
            kind,
            name,
        )

    def to_any(self, cluster: str, kind: str) -> tuple[Subscription, ...]:
        """Return the subscriptions to any object of a kind, for events that concern all of them."""
        return self._select("WHERE cluster = ? AND kind IN ('', ?) ORDER BY receiver, kind, name", cluster, kind)

    def of(self, receiver: str) -> tuple[Subscription, ...]:
        return self._select("WHERE receiver = ? ORDER BY cluster, kind, name", receiver)

    def _select(self, where: str, *values: object) -> tuple[Subscription, ...]:
        return tuple(map(_subscription, self._connection.execute(f"{_SELECT} {where}", values).fetchall()))


def _subscription(row: tuple[Any, ...]) -> Subscription:
    receiver, cluster, kind, name, created_by, created_at, outcome = row
    return Subscription(receiver, cluster, kind, name, created_by, from_micros(created_at), outcome)
