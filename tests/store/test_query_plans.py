"""The check on every statement that the store runs in the tests recognizes a scan."""

from __future__ import annotations

import pytest

from tests.query_plans import scans


def plan(tx, statement):
    return [row[3] for row in tx.connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM audit WHERE actor = 'ada'",
        "SELECT count(*) FROM notice",
        "UPDATE inbox SET ready = 0 WHERE lane = 'a' AND state = 'waiting'",
        "SELECT * FROM operation WHERE id IN (SELECT operation FROM step WHERE manifest = '')",
        "DELETE FROM outbox WHERE kind = ''",
    ],
)
def test_a_statement_that_reads_a_whole_table_is_found(tx, statement):
    assert scans(plan(tx, statement)) != []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM audit WHERE seq > 5 AND actor = 'ada'",
        "SELECT count(*) FROM notice WHERE state = 'pending'",
        "SELECT * FROM subscription WHERE outcome = 'all'",
        "UPDATE inbox SET ready = 0 WHERE lane = 'a' AND state != 'done'",
    ],
)
def test_a_statement_that_reads_an_index_of_what_is_open_is_not(tx, statement):
    assert scans(plan(tx, statement)) == []
