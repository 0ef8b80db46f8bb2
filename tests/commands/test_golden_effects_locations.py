"""Steps of backup and location verbs have the same effect on a cluster as the recorded velero CLI."""

from __future__ import annotations

import copy

import pytest

from domain.json_types import Json
from policy.reach import apply_merge_patch
from tests.commands.test_golden_effects import ROWS, asks_first, plain, said, worlds

NOUNS = ("backup", "backup-location", "snapshot-location")
PLURALS = {
    "Backup": "backups",
    "BackupStorageLocation": "backupstoragelocations",
    "VolumeSnapshotLocation": "volumesnapshotlocations",
    "DeleteBackupRequest": "deletebackuprequests",
}
CASES = [
    pytest.param(row, world, id=f"{number} {row['line']}")
    for number, (row, world) in enumerate(zip(ROWS, worlds(), strict=True))
    if row["line"].split()[0] in NOUNS
]


def key_of(step: Json, changed: dict[str, Json]) -> str:
    """Return the key of the changed object; the server names a request, so the recorded name stands for it."""
    start = step["name"] or step["manifest"]["metadata"]["generateName"]
    exact = f"{PLURALS[step['kind']]}/{step['name']}"
    return exact if step["name"] else next(key for key in changed if key.startswith(f"{PLURALS[step['kind']]}/{start}"))


def apply_steps(world: dict[str, Json], steps: list[Json], changed: dict[str, Json]) -> dict[str, Json]:
    after = copy.deepcopy(world)
    for step in steps:
        key = key_of(step, changed)
        match step["verb"]:
            case "patch":
                after[key] = apply_merge_patch(after[key], step["manifest"])
            case "delete":
                del after[key]
            case "create":
                name = key.partition("/")[2]
                after[key] = {**step["manifest"], "metadata": {**step["manifest"]["metadata"], "name": name}}
    return after


def complete_world(row: Json, world: dict[str, Json]) -> dict[str, Json]:
    """Add the backups that requests name: the recording has only what changed."""
    complete = dict(world)
    for key, change in row["changed"].items():
        if key.startswith("deletebackuprequests/"):
            labels = change["after"]["metadata"]["labels"]
            name = change["after"]["spec"]["backupName"]
            meta = {"name": name, "namespace": "velero", "uid": labels["velero.io/backup-uid"], "labels": {}}
            if "grp=e" in row["line"]:
                meta["labels"] = {"grp": "e"}
            complete[f"backups/{name}"] = {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": meta, "spec": {}}
    return complete


@pytest.mark.parametrize(("row", "world"), [case for case in CASES if case.values[0]["rc"] == 0])
def test_steps_have_the_effect_of_the_cli(row: Json, world: dict[str, Json]) -> None:
    if asks_first(row):
        pytest.skip("the CLI was not answered")
    found = said(row, complete_world(row, world))
    assert found["ok"], found["error"]
    changed: dict[str, Json] = row["changed"]
    assert {key_of(step, changed) for step in found["steps"]} == set(changed)
    after = apply_steps(complete_world(row, world), found["steps"], changed)
    for key, change in changed.items():
        assert plain(after.get(key), row["line"]) == plain(change["after"], row["line"])


@pytest.mark.parametrize(("row", "world"), [case for case in CASES if case.values[0]["rc"] != 0])
def test_commands_that_the_cli_refuses_are_refused(row: Json, world: dict[str, Json]) -> None:
    found = said(row, world)
    assert not found["ok"] or any(guard["level"] == "refuse" for guard in found["guards"])


def test_a_location_inside_another_is_translated_and_refused() -> None:
    row, world = next(case.values for case in CASES if case.values[0]["line"].endswith("--prefix p"))
    found = said(row, world)
    assert found["steps"]
    assert "location-overlap" in [guard["code"] for guard in found["guards"] if guard["level"] == "refuse"]
