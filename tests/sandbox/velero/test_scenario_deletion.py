"""DeleteBackupRequests: what they refuse, what they take along, what they leave behind."""


async def test_backup_files_restores_and_request_go_in_this_order(world, outside):
    await world.backup("b")
    await world.restore("r", "b")
    before = len(world.lines)
    await world.delete_backup("b")
    await world.gone("deletebackuprequests", "dbr")
    told = [(x.type, x.resource, x.phase) for x in world.lines[before:] if x.name in ("b", "dbr")]
    assert told == [
        ("ADDED", "deletebackuprequests", ""),
        ("MODIFIED", "deletebackuprequests", "InProgress"),
        ("MODIFIED", "backups", "Deleting"),
        ("DELETED", "backups", "Deleting"),
        ("MODIFIED", "deletebackuprequests", "Processed"),
        ("DELETED", "deletebackuprequests", "Processed"),
    ]
    assert await world.get("restores", "r") is None
    assert outside.bucket.keys() == []


async def test_request_without_labels_gets_both(world):
    backup = await world.backup("b")
    await world.delete_backup("b")
    await world.gone("deletebackuprequests", "dbr")
    assert world.seen("deletebackuprequests", "dbr")[1].object["metadata"]["labels"] == {
        "velero.io/backup-name": "b",
        "velero.io/backup-uid": backup["metadata"]["uid"],
    }


async def test_wrong_uid_deletes_all_the_same_and_leaves_the_request(world):
    await world.backup("b")
    await world.delete_backup("b", **{"velero.io/backup-name": "b", "velero.io/backup-uid": "another"})
    await world.gone("backups", "b")
    await world.pause(5)
    left = await world.get("deletebackuprequests", "dbr")
    assert left["status"] == {"phase": "Processed"}


async def test_of_three_requests_two_vanish_without_a_phase(world, outside):
    """Made while the server is down, they are all there when it looks at the first."""
    await world.backup("b")
    await outside.kill()
    names = [f"dbr-{number}" for number in range(3)]
    for name in names:
        await world.delete_backup("b", name, **{"velero.io/backup-name": "b"})
    await outside.restart()
    for name in names:
        await world.gone("deletebackuprequests", name)
    phases = [world.phases("deletebackuprequests", name) for name in names]
    assert sorted(phases) == [[""], [""], ["", "InProgress", "Processed"]]
    order = [x.name for x in world.lines if x.resource == "deletebackuprequests" and x.type == "DELETED"]
    assert order[-1] == names[phases.index(["", "InProgress", "Processed"])]
    assert await world.get("backups", "b") is None


async def held(world, outside, name="slow"):
    """A backup that stays in progress."""
    outside.hold(name)
    await world.create("backups", name, {"includedNamespaces": ["shop"], "storageLocation": "default"})
    await world.reaches("backups", name, "InProgress")


async def refused(world, backup):
    await world.delete_backup(backup)
    request = await world.ended("deletebackuprequests", "dbr")
    return request["status"]["errors"]


async def test_no_such_backup(world):
    assert await refused(world, "gone") == ["backup not found"]


async def test_in_progress(world, outside):
    await held(world, outside)
    assert await refused(world, "slow") == ["backup is still in progress"]
    assert world.phases("backups", "slow")[-1] == "InProgress"
    outside.release("slow")
    assert (await world.ended("backups", "slow"))["status"]["phase"] == "Completed"


async def test_queued_without_location_is_refused_with_two_blanks(world, outside):
    await held(world, outside)
    await world.create("backups", "next", {"includedNamespaces": ["shop"]})
    await world.reaches("backups", "next", "Queued")
    assert await refused(world, "next") == ["backup storage location  not found"]
    assert world.phases("backups", "next") == ["", "Queued"]


async def test_queued_with_location_is_withdrawn(world, outside):
    await held(world, outside)
    await world.create("backups", "next", {"includedNamespaces": ["shop"], "storageLocation": "default"})
    await world.reaches("backups", "next", "Queued")
    await world.delete_backup("next")
    await world.gone("backups", "next")
    await world.gone("deletebackuprequests", "dbr")


async def test_read_only_location(world):
    await world.backup("b")
    await world.patch("backupstoragelocations", "default", {"spec": {"accessMode": "ReadOnly"}})
    assert await refused(world, "b") == [
        "cannot delete backup because backup storage location default is currently in read-only mode"
    ]
    assert (await world.get("backups", "b"))["status"]["phase"] == "Completed"


async def test_unavailable_location_and_no_second_try_by_itself(world):
    await world.backup("b")
    await world.break_location()
    assert await refused(world, "b") == [
        "cannot delete backup because backup storage location default is currently in Unavailable state"
    ]
    await world.mend_location()
    await world.pause(300)
    assert await world.get("backups", "b") is not None
    await world.delete_backup("b", "again")
    await world.gone("backups", "b")


async def test_location_gone(world):
    await world.backup("b")
    await world.delete("backupstoragelocations", "default")
    assert await refused(world, "b") == ["backup storage location default not found"]
    assert await world.get("backups", "b") is not None


async def test_failed_validation_is_deleted_like_any_other(world):
    await world.create("backups", "bad", {"includedNamespaces": ["a"], "excludedNamespaces": ["a"]})
    await world.ended("backups", "bad")
    await world.delete_backup("bad")
    await world.gone("backups", "bad")
    await world.gone("deletebackuprequests", "dbr")


async def test_backup_into_a_read_only_location(world):
    await world.patch("backupstoragelocations", "default", {"spec": {"accessMode": "ReadOnly"}})
    assert (await world.backup("b"))["status"]["validationErrors"] == [
        "backup can't be created because backup storage location default is currently in read-only mode"
    ]


async def test_requests_with_errors_stay_until_they_are_a_day_old(world):
    await refused(world, "gone")
    await world.pause(12 * 3600)
    assert await world.get("deletebackuprequests", "dbr") is not None
    await world.pause(14 * 3600)
    assert await world.get("deletebackuprequests", "dbr") is None
