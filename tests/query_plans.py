"""Explains every SQL statement that the store runs in the tests, on its first use, and finds those that read a whole table.

SQLite plans without statistics here (nothing runs ANALYZE), so the plan for a test's few rows is the plan for millions.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from store.sqlite import Connection, sqlite3

STORE = str(Path(__file__).parent.parent / "store")

SMALL = {
    "CONSTANT": "no table",
    "alert": "one row per active alert",
    "anchor": "one row per signed checkpoint, 24 a day; read by `audit verify` only",
    "audit_head": "one row",
    "cursor": "one row per watched kind",
    "failed_item": "failed items that wait for a retry",
    "json_each": "the values of a parameter",
    "meta": "one row",
    "publication": "one row per published checkpoint; read by `audit verify` only",
    "receiver_disabled": "one row per receiver",
    "schedule_state": "one row per schedule",
    "sqlite_master": "one row per table and index",
    "subscription": "one row per subscription",
}
"""Tables that don't grow with commands and events, and why a scan of them is short."""

UNFINISHED = {
    "approval_deciding",
    "approval_open",
    "condition_standing",
    "deadline_open",
    "hook_unsettled",
    "inbox_by_person",
    "inbox_claimed",
    "inbox_fresh",
    "inbox_lane_of_person",
    "inbox_response_urls",
    "inbox_suspect",
    "inbox_unfinished",
    "message_requests",
    "message_stale",
    "notice_dead",
    "notice_lane",
    "notice_pending",
    "notice_sending",
    "notice_sweep",
    "notice_to_receiver",
    "notice_unknown",
    "operation_open",
    "outbox_unrouted",
}
"""Partial indexes of what is waiting or open: a scan of them reads no history. message_requests holds 90 days of requests."""

_PLANNED = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)
_SCAN = re.compile(r"SCAN (\S+)(?: USING (?:COVERING )?INDEX (\w+))?")
_explained: set[str] = set()
_scanning: list[str] = []


def take_scanning() -> list[str]:
    """Return the statements since the last call that read a whole big table, with the line of their plan."""
    found = [*_scanning]
    _scanning.clear()
    return found


def scans(plan: Sequence[str]) -> list[str]:
    """Return the lines of a plan that read a whole big table or a whole index of it."""
    found = [(line, match) for line in plan if (match := _SCAN.match(line))]
    return [line for line, match in found if match[1] not in SMALL and match[2] not in UNFINISHED]


def _explain(connection: Connection, statement: str, values: Any) -> None:
    if statement in _explained or not _PLANNED.match(statement):
        return
    # Tests count and change rows with statements of their own.
    if not sys._getframe(2).f_code.co_filename.startswith(STORE):
        return
    _explained.add(statement)
    # Wrong statements and values: the statement itself then raises what its test expects.
    with suppress(sqlite3.Error):
        plan = sqlite3.Connection.execute(connection, f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
        _scanning.extend(f"{line}: {' '.join(statement.split())}" for line in scans([_text(row[3]) for row in plan]))


def _text(line: str | bytes) -> str:
    # The check of the audit log reads texts as bytes.
    return line.decode() if isinstance(line, bytes) else line


class ExplainedConnection(sqlite3.Connection):
    def execute(self, statement: str, values: Any = (), /) -> Any:
        _explain(self, statement, values)
        return super().execute(statement, values)

    def executemany(self, statement: str, values: Iterable[Any], /) -> Any:
        rows = list(values)
        if rows:
            _explain(self, statement, rows[0])
        return super().executemany(statement, rows)
