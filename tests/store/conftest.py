"""A real store in a directory of its own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from store.writer import Store

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(tmp_path, NOW, ballast=1024)
    yield opened
    await opened.close()
