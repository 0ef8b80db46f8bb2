"""The record for auditors: CSV for spreadsheets, JSON Lines for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any

from store.sqlite import Connection
from store.tables.audit import AuditRow, pages, recorded


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


_FIELDS = ("seq", "at", "actor", "action", "subject", "cluster", "operation", "outcome", "detail", "hash")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def export(
    connection: Connection, form: Format, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[str]:
    """Line by line, a page of rows in memory at a time. `since` is inclusive, `until` is not."""
    if form is Format.CSV:
        yield _csv_line(_FIELDS)
    for page in pages(connection):
        for row in map(recorded, page):
            if (since is None or row.entry.at >= since) and (until is None or row.entry.at < until):
                yield _line(row, form)


def _line(row: AuditRow, form: Format) -> str:
    values = as_json(row)
    if form is Format.JSONL:
        return json.dumps(values, ensure_ascii=False) + "\n"
    detail = json.dumps(values["detail"], ensure_ascii=False, sort_keys=True) if values["detail"] else ""
    return _csv_line(tuple(str(value) for value in {**values, "detail": detail}.values()))


def as_json(row: AuditRow) -> dict[str, Any]:
    entry = row.entry
    return {
        "seq": row.seq,
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "cluster": entry.cluster,
        "operation": entry.operation,
        "outcome": entry.outcome,
        "detail": dict(entry.detail),
        "hash": row.hash.hex(),
    }


def _csv_line(cells: tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(map(neutralize_formula, cells))
    return line.getvalue()


def neutralize_formula(cell: str) -> str:
    """A spreadsheet runs a cell that begins like a formula; with an apostrophe in front it shows it."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
