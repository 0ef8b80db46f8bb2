"""Command lines that went through the real velero CLI: the same object, or also an error."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from commands.batch import answer_line, facts_from_objects
from commands.planning.context import ClusterView, PlanContext
from tests.commands.golden import expected_ok, normal

DATA = Path(__file__).parents[1] / "data" / "golden-cli"
ROWS = [row for name in ("create.json", "found.json") for row in json.loads((DATA / name).read_text())]
OBJECTS = json.loads((DATA / "fixtures.json").read_text())
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def situation() -> PlanContext:
    return PlanContext(now=NOW, new_id=lambda: "op1", cluster=ClusterView("prod"))


@pytest.mark.parametrize("row", ROWS, ids=[row["line"] or "empty" for row in ROWS])
def test_the_translation_is_the_cli_s(row: dict[str, Any]) -> None:
    said = answer_line(row["line"], facts_from_objects(OBJECTS), situation())
    assert said["ok"] == expected_ok(row["line"], row["rc"], printed="object" in row), said["error"]
    if said["ok"] and "object" in row:
        assert [normal(step["manifest"]) for step in said["steps"]] == [normal(row["object"])]
    if not said["ok"]:
        assert said["error"]
        assert said["steps"] == []
