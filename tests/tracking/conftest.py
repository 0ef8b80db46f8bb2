"""One transaction's tables over a file in a directory of its own."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import pytest

from store.connection import open_for_writing
from store.transaction import Transaction


@pytest.fixture
def tx(tmp_path):
    with closing(open_for_writing(tmp_path, datetime(2026, 11, 21, 12, tzinfo=UTC))) as connection:
        yield Transaction(connection, epoch=1)
