"""Storage locations: validation, outages and what an outage does to everything else."""


async def test_dead_port_is_noticed_after_three_attempts(world):
    start = world.now()
    await world.break_location()
    assert (world.now() - start).total_seconds() < 15
    status = (await world.get("backupstoragelocations", "default"))["status"]
    assert status["message"] == (
        'BackupStorageLocation "default" is unavailable: rpc error: code = Unknown desc = operation error S3: '
        "ListObjectsV2, exceeded maximum number of attempts, 3, https response error StatusCode: 0, RequestID: , "
        'HostID: , request send failed, Get "http://127.0.0.1:15999/velero?delimiter=%2F&list-type=2&prefix=": '
        "dial tcp 127.0.0.1:15999: connect: connection refused"
    )


async def test_each_validation_is_a_line_without_a_change_of_phase(world):
    before = len(world.lines)

    def validated():
        mine = [x for x in world.lines[before:] if x.resource == "backupstoragelocations"]
        assert {x.phase for x in mine} <= {"Available"}
        return {x.object["status"]["lastValidationTime"] for x in mine}

    await world.wait_for(lambda: len(validated()) >= 2, 21)


async def test_recovery_is_immediate_and_takes_the_message_away(world):
    await world.break_location()
    start = world.now()
    await world.mend_location()
    assert (world.now() - start).total_seconds() < 1
    assert "message" not in (await world.get("backupstoragelocations", "default"))["status"]
    assert (await world.backup("after"))["status"]["phase"] == "Completed"


async def test_missing_secret_is_named(world):
    await world.location("secondary", credential={"name": "s", "key": "k"}, objectStorage={"bucket": "other"})
    found = await world.reaches("backupstoragelocations", "secondary", "Unavailable")
    assert found["status"]["message"] == (
        'BackupStorageLocation "secondary" is unavailable: unable to get credentials: '
        'unable to get key for secret: Secret "s" not found'
    )


async def test_a_real_outage_of_the_store_is_noticed_at_the_next_validation(world, outside):
    await outside.store_down()
    await world.reaches("backupstoragelocations", "default", "Unavailable", 15)
    await outside.store_up()
    await world.reaches("backupstoragelocations", "default", "Available", 15)


async def test_a_backup_now_is_refused(world):
    await world.break_location()
    backup = await world.backup("dead")
    assert world.phases("backups", "dead") == ["", "Queued", "ReadyToStart", "FailedValidation"]
    assert backup["status"]["validationErrors"] == [
        "backup can't be created because BackupStorageLocation default is in Unavailable status."
    ]
    assert "startTimestamp" not in backup["status"]


async def test_a_restore_now_is_refused_and_not_retried(world):
    await world.backup("b")
    await world.break_location()
    restore = await world.restore("r", "b")
    assert restore["status"]["validationErrors"] == ["The BSL default is unavailable, cannot retrieve the backup"]
    await world.mend_location()
    await world.pause(60)
    assert (await world.get("restores", "r"))["status"]["phase"] == "FailedValidation"


async def test_a_download_is_signed_for_the_dead_endpoint(world):
    await world.backup("b")
    await world.break_location()
    await world.create("downloadrequests", "d", {"target": {"kind": "BackupLog", "name": "b"}})
    request = await world.ended("downloadrequests", "d")
    assert request["status"]["downloadURL"].startswith("http://127.0.0.1:15999/velero/backups/b/b-logs.gz?")


async def test_a_restore_cannot_be_deleted_until_it_is_back(world, outside):
    await world.backup("b")
    await world.restore("r", "b")
    await world.break_location()
    await world.delete("restores", "r")
    await world.pause(3)
    waiting = await world.get("restores", "r")
    assert waiting["metadata"]["deletionTimestamp"]
    assert waiting["metadata"]["finalizers"] == ["restores.velero.io/external-resources-finalizer"]
    assert any("bsl default is unavailable, cannot get the backup info" in line for line in outside.log())
    await world.mend_location()
    await world.gone("restores", "r", 95)


async def test_a_running_backup_stays_in_finalizing_until_it_is_back(world, outside):
    outside.hold("slow")
    await world.create("backups", "slow", {"includedNamespaces": ["shop"], "storageLocation": "default"})
    await world.reaches("backups", "slow", "InProgress")
    await world.break_location()
    outside.release("slow")
    await world.reaches("backups", "slow", "Finalizing")
    await world.pause(120)
    assert world.phases("backups", "slow")[-1] == "Finalizing"
    await world.mend_location()
    assert (await world.ended("backups", "slow", 10))["status"]["phase"] == "Completed"


async def test_a_running_restore_stays_in_finalizing_until_it_is_back(world, outside):
    await world.backup("b")
    outside.hold("r", "restore")
    await world.create("restores", "r", {"backupName": "b"})
    await world.reaches("restores", "r", "InProgress")
    await world.break_location()
    outside.release("r")
    await world.reaches("restores", "r", "Finalizing")
    await world.pause(120)
    assert world.phases("restores", "r")[-1] == "Finalizing"
    await world.mend_location()
    assert (await world.ended("restores", "r", 10))["status"]["phase"] == "Completed"


async def test_a_store_that_dies_under_the_upload_fails_the_backup(world, outside):
    outside.hold("slow")
    await world.create("backups", "slow", {"includedNamespaces": ["shop"], "storageLocation": "default"})
    await world.wait_for(lambda: any("progress" in x.object.get("status", {}) for x in world.seen("backups", "slow")))
    await outside.store_down()
    outside.release("slow")
    backup = await world.ended("backups", "slow")
    assert backup["status"]["phase"] == "Failed"
    reason = backup["status"]["failureReason"]
    key = "backups/slow/velero-backup.json"
    assert reason.startswith(
        f"rpc error: code = Unknown desc = error putting object {key}: operation error S3: PutObject"
    )
    assert reason.endswith("connect: connection refused")


async def test_another_location_below_a_prefix_of_the_same_bucket_is_an_intruder(world, outside):
    await world.location("ro", objectStorage={"bucket": "velero", "prefix": "ro"})
    await world.reaches("backupstoragelocations", "ro", "Available")
    await world.backup("b", storageLocation="ro")
    found = await world.reaches("backupstoragelocations", "default", "Unavailable", 15)
    assert found["status"]["message"] == (
        'BackupStorageLocation "default" is unavailable: Backup store contains invalid top-level directories: [ro]'
    )
    outside.bucket.delete_under("ro/")
    await world.reaches("backupstoragelocations", "default", "Available", 15)


async def test_a_bucket_that_does_not_exist(world):
    await world.location("lost", objectStorage={"bucket": "nowhere"})
    found = await world.reaches("backupstoragelocations", "lost", "Unavailable")
    assert "NoSuchBucket" in found["status"]["message"]


async def test_the_newest_default_wins(world):
    await world.pause(5)
    await world.location("second", default=True)
    await world.pause(10)
    assert (await world.get("backupstoragelocations", "default"))["spec"].get("default") in (None, False)
    await world.patch("backupstoragelocations", "default", {"spec": {"default": True}})
    await world.pause(1)
    defaults = {b["metadata"]["name"]: b["spec"].get("default") for b in await world.all("backupstoragelocations")}
    assert defaults == {"default": None, "second": True}


async def test_deleting_the_location_leaves_its_backups(world):
    await world.backup("b")
    await world.delete("backupstoragelocations", "default")
    await world.pause(300)
    assert (await world.get("backups", "b"))["status"]["phase"] == "Completed"
    restore = await world.restore("r", "b")
    assert restore["status"]["validationErrors"] == [
        'Error retrieving backup: BackupStorageLocation.velero.io "default" not found'
    ]


async def test_an_object_deleted_by_hand_comes_back_within_a_minute(world):
    await world.backup("b")
    await world.delete("backups", "b")
    await world.wait_for(lambda: world.seen("backups", "b")[-1].type == "ADDED", 61)


async def test_an_object_deleted_by_hand_comes_back_with_the_sync(world, outside):
    backup = await world.backup("b")
    await world.delete("backups", "b")
    await outside.sync(world)
    await world.wait_for(lambda: world.seen("backups", "b")[-1].type == "ADDED")
    again = await world.get("backups", "b")
    assert again["metadata"]["generation"] == 1
    assert again["metadata"]["uid"] != backup["metadata"]["uid"]
    assert again["status"] == backup["status"]


async def test_an_object_whose_files_are_gone_goes_too(world, outside):
    await world.backup("b")
    outside.bucket.delete_under("backups/b/")
    await outside.sync(world)
    await world.gone("backups", "b")


async def test_a_period_of_zero_turns_the_sync_off(world, outside):
    await world.patch("backupstoragelocations", "default", {"spec": {"backupSyncPeriod": "0s"}})
    await world.backup("b")
    await world.delete("backups", "b")
    await outside.sync(world)
    await world.pause(600)
    assert await world.get("backups", "b") is None
