"""Expiry: what extends it, what does not, and how a hold is lost."""

from datetime import datetime, timedelta

import pytest


def later(world, **delta):
    return (world.now() + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def hold(world, name):
    return await world.patch("backups", name, {"status": {"expiration": later(world, hours=1)}})


async def test_expired_backups_go_with_the_next_collection_unless_their_expiration_was_moved(world):
    held, left, mistaken = [await world.backup(name, ttl="5s") for name in ("h1", "h2", "h3")]
    await world.backup("h4")
    await world.patch("backups", "h4", {"status": {"expiration": later(world, hours=-1)}})
    await hold(world, "h1")
    patched = await world.patch("backups", "h3", {"spec": {"ttl": "2h0m0s"}})
    assert patched["status"]["expiration"] == mistaken["status"]["expiration"]
    for backup in (left, mistaken):
        name = backup["metadata"]["name"]
        await world.gone("backups", name, 20)
        assert world.seen("backups", name)[-1].at >= datetime.fromisoformat(backup["status"]["expiration"])
    await world.gone("backups", "h4", 10)
    await world.pause(600)
    kept = await world.get("backups", "h1")
    assert kept["metadata"]["uid"] == held["metadata"]["uid"]
    assert kept["status"]["phase"] == "Completed"


async def collected(world, outside, name):
    """Expired, and looked at: by a server that starts."""
    await outside.kill()
    await world.patch("backups", name, {"status": {"expiration": later(world, hours=-1)}})
    await outside.restart()


async def test_the_copy_in_the_bucket_knows_nothing_of_it(world, outside):
    backup = await world.backup("h1", ttl="1m0s")
    await hold(world, "h1")
    await world.patch("backups", "h1", {"spec": {"ttl": "2h0m0s"}})
    copy = outside.file("backups/h1/velero-backup.json")
    assert copy["status"]["expiration"] == backup["status"]["expiration"]
    assert copy["status"]["phase"] == "Completed"
    assert copy["spec"]["ttl"] == "1m0s"


async def test_a_hold_is_lost_with_the_object_and_the_data_goes_with_it(world, outside):
    await world.backup("h1", ttl="2s")
    await hold(world, "h1")
    await world.pause(3)
    await world.delete("backups", "h1")
    await world.gone("backups", "h1")
    before = len(world.lines)
    await outside.sync(world)
    await world.wait_for(lambda: "DELETED" in [x.type for x in world.lines[before:] if x.name == "h1"])
    again = [(x.type, x.phase) for x in world.lines[before:] if x.name == "h1"]
    assert again == [("ADDED", "Completed"), ("MODIFIED", "Deleting"), ("DELETED", "Deleting")]
    assert outside.bucket.keys() == []


async def test_collection_in_the_watch(world, outside):
    await world.backup("h2")
    before = len(world.lines)
    await collected(world, outside, "h2")
    await world.gone("backups", "h2")
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
async def test_kept_where_it_may_not_be_deleted(world, outside, broken):
    await world.backup("h2")
    if broken == "gone":
        await world.delete("backupstoragelocations", "default")
    else:
        await world.patch("backupstoragelocations", "default", {"spec": {"accessMode": "ReadOnly"}})
    await collected(world, outside, "h2")
    reason = {"ReadOnly": "BSLReadOnly", "gone": "BSLNotFound"}[broken]

    def labelled():
        metadata = world.seen("backups", "h2")[-1].object["metadata"]
        return metadata.get("labels", {}).get("velero.io/gc-failure") == reason

    await world.wait_for(labelled)
    await world.pause(120)
    assert (await world.get("backups", "h2"))["status"]["phase"] == "Completed"
    assert await world.all("deletebackuprequests") == []
