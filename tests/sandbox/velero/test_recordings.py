"""The same story told to the emulator gives the watch lines that a real server gave, server's own numbers aside."""

import json
from pathlib import Path

import pytest

RECORDINGS = Path(__file__).parents[2] / "data" / "recordings"
NUMBERS = {"resourceVersion", "uid", "creationTimestamp", "managedFields", "deletionTimestamp", "generateName"}
PLAIN = {"phase", "queuePosition", "errors", "warnings"}
GOLDEN = ("ok-1", "partial-1", "invalid-2")


def recorded(resource, name):
    lines = (json.loads(line) for line in (RECORDINGS / f"{resource}.jsonl").read_text().splitlines())
    return [x for x in lines if x["type"] != "LIST" and x["object"]["metadata"].get("name") == name]


def told_as(key, value):
    if isinstance(value, dict):
        return sorted(value)
    return value if isinstance(value, list) or key in PLAIN else True


def shape(line):
    """Type, generation, and every key below spec and status with plain values; times and item counts by presence."""
    body = line["object"]
    metadata = {key: value for key, value in body["metadata"].items() if key not in NUMBERS}
    metadata.pop("annotations", None)
    status = {key: told_as(key, value) for key, value in (body.get("status") or {}).items()}
    spec = {key: value for key, value in (body.get("spec") or {}).items() if value not in ({}, "0s")}
    return {"type": line["type"], "metadata": metadata, "spec": spec, "status": status}


def told(world, resource, name):
    return [shape({"type": x.type, "object": x.object}) for x in world.seen(resource, name)]


def first(lines, count):
    return [shape(line) for line in lines[:count]]


@pytest.mark.parametrize("name", GOLDEN)
async def test_backups(world, name):
    real = recorded("backups", name)
    born = real[0]["object"]
    own = {key: value for key, value in born["metadata"].items() if key == "labels"}
    await world.create("backups", name, born["spec"], metadata=own)
    await world.ended("backups", name)
    mine = told(world, "backups", name)
    assert mine == first(real, len(mine))


@pytest.mark.parametrize("name", ["restore-ok", "restore-again", "restore-mapped", "restore-invalid"])
async def test_restores(world, name):
    await world.backup("ok-1")
    real = recorded("restores", name)
    await world.create("restores", name, real[0]["object"]["spec"])
    await world.ended("restores", name)
    mine = told(world, "restores", name)
    assert mine == first(real, len(mine))


async def test_deletion(world):
    backup = await world.backup("ok-1")
    real = recorded("deletebackuprequests", "ok-1-cj24g")
    labels = {"velero.io/backup-name": "ok-1", "velero.io/backup-uid": backup["metadata"]["uid"]}
    await world.create("deletebackuprequests", "ok-1-cj24g", {"backupName": "ok-1"}, metadata={"labels": labels})
    await world.gone("deletebackuprequests", "ok-1-cj24g")
    mine = told(world, "deletebackuprequests", "ok-1-cj24g")
    theirs = first(real, len(mine))
    for line in theirs:
        line["metadata"]["labels"] = labels
    assert mine == theirs


async def test_schedule(world):
    real = recorded("schedules", "every-minute")
    await world.create("schedules", "every-minute", real[0]["object"]["spec"])
    await world.pause(1)
    await world.patch("schedules", "every-minute", {"spec": {"paused": True}})
    await world.pause(61)
    await world.patch("schedules", "every-minute", {"spec": {"paused": False}})
    await world.pause(1)
    mine = told(world, "schedules", "every-minute")
    assert [x["status"] for x in mine] == [x["status"] for x in first(real, 2)] + [
        {"phase": "Enabled"},
        {"phase": "Enabled"},
        {"phase": "Enabled", "lastBackup": True},
    ]


async def test_server_status_request(world):
    real = recorded("serverstatusrequests", "velero-cli-gwm8v")
    await world.create("serverstatusrequests", "velero-cli-gwm8v", {})
    request = await world.ended("serverstatusrequests", "velero-cli-gwm8v")
    there = real[1]["object"]["status"]
    assert request["status"].keys() - {"serverVersion"} == there.keys()
    assert {p["kind"] for p in request["status"]["plugins"]} <= {p["kind"] for p in there["plugins"]} | {
        "BackupItemActionV2",
        "RestoreItemActionV2",
        "ItemBlockAction",
        "DeleteItemAction",
        "ObjectStore",
        "VolumeSnapshotter",
        "BackupItemAction",
    }
