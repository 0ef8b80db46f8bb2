"""Command lines that the real velero CLI carried out: our steps leave the object that it left."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from commands.batch import answer_line, facts_from_objects
from commands.planning.context import ClusterView, PlanContext
from domain.json_types import Json
from policy.reach import apply_merge_patch

DATA = Path(__file__).parents[1] / "data" / "golden-cli"
ROWS: list[Json] = json.loads((DATA / "effects.json").read_text())
OBJECTS: list[Json] = json.loads((DATA / "fixtures.json").read_text())
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOUNS = ("schedule",)
PLURALS = {"Schedule": "schedules"}


def worlds() -> list[dict[str, Json]]:
    """What existed before each line: the objects of before, and what the lines until then had made of them."""
    state = {f"{item['kind'].lower()}s/{item['metadata']['name']}": item for item in OBJECTS}
    found = []
    for row in ROWS:
        changed: dict[str, Json] = row["changed"]
        state |= {key: each["before"] for key, each in changed.items() if each["before"]}
        found.append(dict(state))
        state |= {key: each["after"] for key, each in changed.items()}
        state = {key: item for key, item in state.items() if item}
    return found


CASES = [
    pytest.param(row, world, id=f"{number} {row['line']}")
    for number, (row, world) in enumerate(zip(ROWS, worlds(), strict=True))
    if row["line"].split()[0] in NOUNS
]


def situation() -> PlanContext:
    return PlanContext(now=NOW, new_id=lambda: "op1", cluster=ClusterView("prod"))


def said(row: Json, world: dict[str, Json]) -> Json:
    return answer_line(row["line"], facts_from_objects(world.values()), situation())


def taken(world: dict[str, Json], steps: list[Json]) -> dict[str, Json]:
    """The objects after our steps."""
    after = copy.deepcopy(world)
    for step in steps:
        key = f"{PLURALS[step['kind']]}/{step['name']}"
        match step["verb"]:
            case "patch":
                after[key] = apply_merge_patch(after[key], step["manifest"])
            case "delete":
                del after[key]
            case "create":
                after[key] = step["manifest"]
    return after


def plain(item: Json | None, line: str) -> Any:
    """Absent and zero are one to Velero; the horizon is ours, and stands for --skip-immediately."""
    if item is None:
        return None
    made = {key: value for key, value in item.items() if key != "status"}
    if "--skip-immediately" in line:
        made["spec"] = {key: value for key, value in made["spec"].items() if key != "skipImmediately"}
    return _pruned(made)


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _pruned(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each not in (None, False, {}, [], "", "0s")}
    return [_pruned(each) for each in value] if isinstance(value, list) else value


def asks_first(row: Json) -> bool:
    """The CLI asks on the terminal; chat has its own way of asking."""
    return "Are you sure" in row["stdout"]


@pytest.mark.parametrize(("row", "world"), [case for case in CASES if case.values[0]["rc"] == 0])
def test_what_the_cli_did_our_steps_do(row: Json, world: dict[str, Json]) -> None:
    if asks_first(row):
        pytest.skip("the CLI was not answered")
    found = said(row, world)
    assert found["ok"], found["error"]
    after = taken(world, found["steps"])
    touched = {f"{PLURALS[step['kind']]}/{step['name']}" for step in found["steps"]}
    assert touched == set(row["changed"])
    for key, change in row["changed"].items():
        assert plain(after.get(key), row["line"]) == plain(change["after"], row["line"])


@pytest.mark.parametrize(("row", "world"), [case for case in CASES if case.values[0]["rc"] != 0])
def test_what_the_cli_refuses_is_refused(row: Json, world: dict[str, Json]) -> None:
    found = said(row, world)
    assert not found["ok"] or any(guard["level"] == "refuse" for guard in found["guards"])


@pytest.mark.parametrize(("row", "world"), [case for case in CASES if "No schedules found" in case.values[0]["stdout"]])
def test_a_missing_name_is_a_guard_and_no_step(row: Json, world: dict[str, Json]) -> None:
    found = said(row, world)
    assert found["ok"]
    assert found["steps"] == []
    if "missing" in row["line"]:
        assert [guard["code"] for guard in found["guards"]] == ["unknown-schedule"]
