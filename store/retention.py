"""Deletes old rows of each table. The audit log and its signed checkpoints are never pruned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from store.times import to_micros
from store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    inbox: timedelta = timedelta(days=7)
    """Also how long a replayed command is detected."""
    inbox_rows: int = 100_000
    """Maximum number of finished rows; rows of the last hour are always kept, because Slack may replay them."""
    operations: timedelta = timedelta(days=365)
    """Including their steps, approvals and votes."""
    events: timedelta = timedelta(days=90)
    notices: timedelta = timedelta(days=30)
    deliveries: timedelta = timedelta(days=30)
    messages: timedelta = timedelta(days=90)
    schedule_history: timedelta = timedelta(days=365)
    deadlines: timedelta = timedelta(days=30)
    conditions: timedelta = timedelta(days=90)


_FINAL_STATES = "('refused', 'rejected', 'expired', 'withdrawn', 'stale', 'succeeded', 'partial', 'failed')"

# Unfinished rows are kept, however old they are.
_PRUNED_TABLES: Mapping[str, tuple[str, str]] = {
    "inbox": (
        "inbox",
        """state = 'done' AND (done_at < :before
            OR done_at < :hour_ago AND seq <= (SELECT max(seq) FROM inbox) - :rows) AND NOT EXISTS (
            SELECT 1 FROM failed_item WHERE kind = 'command' AND key = CAST(inbox.seq AS TEXT))""",
    ),
    "approval": (
        "operations",
        """operation IN (SELECT id FROM operation WHERE state IN FINAL_STATES AND changed_at < :before)
            AND state NOT IN ('open', 'deciding')""",
    ),
    "operation": (
        "operations",
        """state IN FINAL_STATES AND changed_at < :before
            AND NOT EXISTS (SELECT 1 FROM approval WHERE approval.operation = operation.id)""",
    ),
    "notice": ("notices", "state IN ('sent', 'suppressed', 'dead') AND sweep_at IS NULL AND created_at < :before"),
    "outbox": (
        "events",
        """routed = 1 AND at < :before AND NOT EXISTS (SELECT 1 FROM notice WHERE notice.event = outbox.id)
            AND NOT EXISTS (SELECT 1 FROM failed_item WHERE kind = 'event' AND key = outbox.id)""",
    ),
    "delivery": ("deliveries", "at < :before"),
    "message": (
        "messages",
        """posted_at < :before
            AND NOT EXISTS (SELECT 1 FROM operation WHERE id = message.subject AND state NOT IN FINAL_STATES)""",
    ),
    "schedule_history": ("schedule_history", "at < :before"),
    "condition": ("conditions", "until < :before"),
    "deadline": ("deadlines", "done = 1 AND at < :before"),
}

_SHORTEN_CALLS = """UPDATE hook SET asked = '{}', callback = '', answer = json_remove(answer, '$.answer')
    WHERE operation IN (SELECT operation FROM hook WHERE settled_at < :before AND asked != '{}' LIMIT :limit)"""
"""A pipeline's request id always means the same operation, so its row is kept; the long contents are removed."""


def prune(tx: Transaction, now: datetime, policy: RetentionPolicy, *, limit: int = 2000) -> dict[str, int]:
    """Delete or shorten old rows, at most `limit` per table to keep the transaction short. Return the counts.

    Call it again while a count reaches the limit. Expired response URLs are removed too.
    """
    tx.inbox.forget_response_urls(now)
    values = {"before": to_micros(now - policy.operations), "limit": limit}
    shortened = tx.connection.execute(_SHORTEN_CALLS, values).rowcount
    return {**{table: _prune(tx, table, now, policy, limit) for table in _PRUNED_TABLES}, "hook": shortened}


def _prune(tx: Transaction, table: str, now: datetime, policy: RetentionPolicy, limit: int) -> int:
    setting, condition = _PRUNED_TABLES[table]
    condition = condition.replace("FINAL_STATES", _FINAL_STATES)
    key = {"message": "(channel, ts)", "condition": "(cluster, kind, subject, since)"}.get(table, "rowid")
    columns = key.strip("()")
    before = to_micros(now - getattr(policy, setting))
    return tx.connection.execute(
        f"DELETE FROM {table} WHERE {key} IN (SELECT {columns} FROM {table} WHERE {condition} LIMIT :limit)",  # noqa: S608
        {
            "before": before,
            "limit": limit,
            "hour_ago": to_micros(now - timedelta(hours=1)),
            "rows": policy.inbox_rows,
        },
    ).rowcount
