"""Deletes old rows of each table, a few at a time. The audit log and its signed checkpoints are never pruned."""

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


SLICE_ROWS = 100
"""Rows that one transaction deletes: the writer is free again after a few milliseconds."""

_FINAL_STATES = "('refused', 'rejected', 'expired', 'withdrawn', 'stale', 'succeeded', 'partial', 'failed')"

_FINISHED_COMMAND = """state = 'done' AND NOT EXISTS (
    SELECT 1 FROM failed_item WHERE kind = 'command' AND key = CAST(inbox.seq AS TEXT))"""
# The unary plus keeps the index on done_at, which holds all finished rows, out of the second condition.
_EXCESS_COMMANDS = f"""seq <= (SELECT max(seq) FROM inbox) - :rows AND +done_at < :hour_ago
    AND {_FINISHED_COMMAND.replace("state =", "+state =")}"""  # noqa: S608 - constants

# Unfinished rows are kept, however old they are. Each condition is found by an index.
_PRUNED_TABLES: Mapping[str, tuple[str, str]] = {
    "inbox": ("inbox", f"done_at < :before AND {_FINISHED_COMMAND}"),
    "operation": (
        "operations",
        f"""state IN {_FINAL_STATES} AND changed_at < :before AND NOT EXISTS (
            SELECT 1 FROM approval WHERE approval.operation = operation.id AND approval.state IN ('open', 'deciding'))""",  # noqa: S608 - constants
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
        f"""posted_at < :before
            AND NOT EXISTS (SELECT 1 FROM operation WHERE id = message.subject AND state NOT IN {_FINAL_STATES})""",  # noqa: S608
    ),
    "schedule_history": ("schedule_history", "at < :before"),
    "condition": ("conditions", "until < :before"),
    "deadline": ("deadlines", "done = 1 AND at < :before"),
    "hook": ("operations", "settled_at < :before AND asked != '{}'"),
}
PRUNED_TABLES = tuple(_PRUNED_TABLES)

_KEYS = {"message": "channel, ts", "condition": "cluster, kind, subject, since", "hook": "operation"}
_SHORTEN = "UPDATE hook SET asked = '{}', callback = '', answer = json_remove(answer, '$.answer')"
"""A pipeline's request id always means the same operation, so its row is kept; the long contents are removed."""


def prune_slice(tx: Transaction, table: str, now: datetime, policy: RetentionPolicy, limit: int = SLICE_ROWS) -> int:
    """Delete or shorten at most `limit` old rows of one table. Return their number; call it again while that is `limit`."""
    setting, condition = _PRUNED_TABLES[table]
    values = {"before": to_micros(now - getattr(policy, setting)), "limit": limit}
    match table:
        case "inbox":
            deleted = _run(tx, _statement(table, condition), values)
            more = {
                "rows": policy.inbox_rows,
                "hour_ago": to_micros(now - timedelta(hours=1)),
                "limit": limit - deleted,
            }
            return deleted + _run(tx, _statement(table, _EXCESS_COMMANDS), more)
        case "operation":
            # Both statements choose the same operations; steps and votes go with them.
            chosen = f"SELECT id FROM operation WHERE {condition} ORDER BY changed_at, id LIMIT :limit"  # noqa: S608
            _run(tx, f"DELETE FROM approval WHERE operation IN ({chosen})", values)  # noqa: S608 - constants
            return _run(tx, f"DELETE FROM operation WHERE id IN ({chosen})", values)  # noqa: S608 - constants
        case "hook":
            return _run(tx, _statement(table, condition, _SHORTEN), values)
        case _:
            return _run(tx, _statement(table, condition), values)


def _statement(table: str, condition: str, change: str = "") -> str:
    key = _KEYS.get(table, "rowid")
    chosen = f"SELECT {key} FROM {table} WHERE {condition} LIMIT :limit"  # noqa: S608 - constants
    return f"{change or f'DELETE FROM {table}'} WHERE ({key}) IN ({chosen})"  # noqa: S608 - constants


def _run(tx: Transaction, statement: str, values: Mapping[str, int]) -> int:
    return tx.connection.execute(statement, values).rowcount
