"""Settings and fixtures of all tests.

Hypothesis has no deadline, so that a busy machine doesn't fail a test. The examples are the same in every run;
`EXPLORE=1` draws new ones, and more of those that the tests generate themselves.
"""

import os
from contextlib import closing
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, settings

from store import connection as store_connection
from store.connection import open_for_writing
from store.transaction import Transaction
from tests.query_plans import ExplainedConnection, take_scanning

settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("explore" if os.environ.get("EXPLORE") else "house")


@pytest.fixture(scope="session", autouse=True)
def explained_statements():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store_connection, "CONNECTION", ExplainedConnection)
        yield


@pytest.fixture(autouse=True)
def no_statement_scans(explained_statements):
    """Fail the first test that runs a statement which reads a whole big table: people and watches would wait for it."""
    yield
    assert take_scanning() == []


@pytest.fixture
def tx(tmp_path):
    """A transaction on a new database file."""
    with closing(open_for_writing(tmp_path, datetime(2026, 11, 21, 12, tzinfo=UTC))) as connection:
        yield Transaction(connection, epoch=1)
