"""A real store, or one transaction's tables, over a file in a directory of its own."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import pytest

from store.connection import open_for_writing
from store.transaction import Transaction
from store.writer import Store

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def now():
    return NOW


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(tmp_path, NOW, reserve_bytes=1024)
    yield opened
    await opened.close()


@pytest.fixture
def tx(tmp_path):
    with closing(open_for_writing(tmp_path, NOW)) as connection:
        yield Transaction(connection, epoch=1)
