"""Expiry: what extends it, what does not, and how a hold is lost."""

from datetime import timedelta

import pytest


def later(world, **delta):
    return (world.now() + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_expired_backups_go_with_the_next_collection(world):
    await world.backup("h2", ttl="25s")
    await world.gone("backups", "h2", 40)
    assert world.now().strftime("%H:%M:%S") >= "11:13:44"


async def test_later_expiration_keeps_it(world):
    await world.backup("h1", ttl="25s")
    await world.patch("backups", "h1", {"status": {"expiration": later(world, hours=1)}})
    await world.pause(600)
    assert (await world.get("backups", "h1"))["status"]["phase"] == "Completed"


async def test_later_ttl_does_nothing_after_the_start(world):
    await world.backup("h3", ttl="25s")
    patched = await world.patch("backups", "h3", {"spec": {"ttl": "2h0m0s"}})
    assert patched["status"]["expiration"] == "2026-11-21T11:13:44Z"
    await world.gone("backups", "h3", 40)


async def test_expiration_moved_into_the_past_is_acted_on_at_once(world):
    await world.backup("h4")
    await world.patch("backups", "h4", {"status": {"expiration": later(world, hours=-1)}})
    await world.gone("backups", "h4", 1.5)


async def test_the_copy_in_the_bucket_knows_nothing_of_it(world, outside):
    await world.backup("h1", ttl="25s")
    await world.patch("backups", "h1", {"status": {"expiration": later(world, hours=1)}})
    copy = outside.file("backups/h1/velero-backup.json")
    assert copy["status"]["expiration"] == "2026-11-21T11:13:44Z"
    assert copy["status"]["phase"] == "Completed"


async def test_a_hold_is_lost_with_the_object_and_the_data_goes_with_it(world, outside):
    await world.backup("h1", ttl="25s")
    await world.patch("backups", "h1", {"status": {"expiration": later(world, hours=1)}})
    await world.pause(30)
    await world.delete("backups", "h1")
    before = len(world.lines)
    await world.wait_for(lambda: [x for x in world.lines[before:] if x.name == "h1" and x.type == "ADDED"], 61)
    await world.pause(2)
    again = [(x.type, x.phase) for x in world.lines[before:] if x.name == "h1"]
    assert again == [("ADDED", "Completed"), ("MODIFIED", "Deleting"), ("DELETED", "Deleting")]
    assert outside.bucket.keys() == []


async def test_collection_in_the_watch(world):
    await world.backup("h2", ttl="25s")
    before = len(world.lines)
    await world.gone("backups", "h2", 40)
    await world.pause(1)
    mine = ("backups", "deletebackuprequests")
    told = [(x.type, x.phase) for x in world.lines[before:] if x.resource in mine]
    assert told[told.index(("ADDED", "")) :] == [  # before it the collector may write the defaults of the spec
        ("ADDED", ""),
        ("MODIFIED", "InProgress"),
        ("MODIFIED", "Deleting"),
        ("DELETED", "Deleting"),
        ("MODIFIED", "Processed"),
        ("DELETED", "Processed"),
    ]
    request = next(x for x in world.lines[before:] if x.resource == "deletebackuprequests")
    assert request.object["metadata"]["labels"]["velero.io/backup-name"] == "h2"


@pytest.mark.parametrize("broken", ["ReadOnly", "gone"])
async def test_kept_where_it_may_not_be_deleted(world, broken):
    await world.backup("h2", ttl="25s")
    if broken == "gone":
        await world.delete("backupstoragelocations", "default")
    else:
        await world.patch("backupstoragelocations", "default", {"spec": {"accessMode": "ReadOnly"}})
    await world.pause(120)
    kept = await world.get("backups", "h2")
    reason = {"ReadOnly": "BSLReadOnly", "gone": "BSLNotFound"}[broken]
    assert kept["metadata"]["labels"]["velero.io/gc-failure"] == reason
    assert kept["status"]["phase"] == "Completed"
    assert await world.all("deletebackuprequests") == []


async def test_negative_ttl_is_collected(world):
    await world.backup("past", ttl="-1h")
    await world.gone("backups", "past", 12)
