"""Exports the audit log: CSV for spreadsheets, JSON Lines for programs."""

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
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def export(
    connection: Connection, form: Format, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[str]:
    """Yield the export line by line, with one page of rows in memory. `since` is inclusive, `until` exclusive."""
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
    """Prefix a cell that begins like a formula with an apostrophe, so that a spreadsheet shows it as text."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
