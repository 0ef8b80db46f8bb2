"""One round of the hourly clean-up in a transaction of the test."""

from __future__ import annotations

from datetime import datetime

from store.retention import PRUNED_TABLES, SLICE_ROWS, RetentionPolicy, prune_slice
from store.transaction import Transaction


def prune(tx: Transaction, now: datetime, policy: RetentionPolicy, limit: int = SLICE_ROWS) -> dict[str, int]:
    return {table: prune_slice(tx, table, now, policy, limit) for table in PRUNED_TABLES}
