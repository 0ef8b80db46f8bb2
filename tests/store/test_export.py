"""Export of the audit log."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest

from store.audit_chain.export import Format, export, neutralize_formula
from store.tables.audit import AuditEntry


def filled(tx, now):
    for hour, subject in enumerate(["shop-1", '=HYPERLINK("http://evil")', 'quote " and, comma\nnew line']):
        tx.audit.append(
            AuditEntry(now + timedelta(hours=hour), "ada", "backup.create", "done", subject, detail={"n": hour})
        )
    return tx.connection


def test_csv_has_a_row_for_each_row_and_no_formula(tx, now):
    text = "".join(export(filled(tx, now), Format.CSV))
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["seq"] for row in rows] == ["1", "2", "3"]
    assert rows[1]["subject"] == '\'=HYPERLINK("http://evil")'
    assert rows[2]["subject"] == 'quote " and, comma\nnew line'
    assert rows[0]["detail"] == '{"n": 0}'


def test_json_lines_are_the_rows_themselves(tx, now):
    lines = [json.loads(line) for line in export(filled(tx, now), Format.JSONL)]
    assert [line["subject"] for line in lines][1] == '=HYPERLINK("http://evil")'
    assert lines[2]["hash"] == tx.audit.head()[1].hex()
    assert lines[0]["at"] == now.isoformat()


def test_a_span_includes_its_start_and_not_its_end(tx, now):
    lines = export(filled(tx, now), Format.JSONL, since=now + timedelta(hours=1), until=now + timedelta(hours=2))
    assert [json.loads(line)["seq"] for line in lines] == [2]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_every_start_of_a_formula_is_neutralised(start):
    assert neutralize_formula(f"{start}1+1") == f"'{start}1+1"
    assert neutralize_formula(f"1{start}1") == f"1{start}1"
