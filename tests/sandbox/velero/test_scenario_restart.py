"""The server is killed, things happen, it starts again."""

from typing import Any


async def running(world, velero, name="slow", **spec: Any):
    velero.script(name, seconds=60, items=100, times=1)
    await world.create("backups", name, {"includedNamespaces": ["shop"], "storageLocation": "default", **spec})
    await world.pause(5)


async def test_a_running_backup_has_failed(world, velero, outside):
    await running(world, velero)
    before = (await world.get("backups", "slow"))["status"]
    await outside.kill()
    await world.pause(120)
    assert (await world.get("backups", "slow"))["status"] == before
    await outside.restart()
    after = (await world.get("backups", "slow"))["status"]
    reason = 'found a backup with status "InProgress" during the server starting, mark it as "Failed"'
    assert after == before | {
        "phase": "Failed",
        "failureReason": reason,
        "completionTimestamp": world.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    assert outside.bucket.keys() == []


async def test_a_running_restore_has_failed_and_what_it_made_stays(world, velero, outside):
    await world.backup("b")
    velero.script("r", seconds=60, kind="restore")
    await world.create("restores", "r", {"backupName": "b", "namespaceMapping": {"shop": "copy"}})
    await world.pause(30)
    await outside.kill()
    await outside.restart()
    restore = await world.get("restores", "r")
    reason = 'found a restore with status "InProgress" during the server starting, mark it as "Failed"'
    assert (restore["status"]["phase"], restore["status"]["failureReason"]) == ("Failed", reason)
    assert 0 < len(await world.all("configmaps", "copy")) < 4
    assert outside.bucket.keys("restores/") == []


async def test_queued_ones_go_on_before_new_ones(world, velero, outside):
    await running(world, velero)
    for name in ("q1", "q2"):
        await world.create("backups", name, {"includedNamespaces": ["shop"], "storageLocation": "default"})
    await world.pause(1)
    await outside.kill()
    await world.create("backups", "new", {"includedNamespaces": ["shop"], "storageLocation": "default"})
    await outside.restart()
    await world.ended("backups", "new", 5)
    starts = [x.name for x in world.lines if x.resource == "backups" and x.phase == "ReadyToStart"]
    assert starts == ["slow", "q1", "q2", "new"]


async def test_what_was_asked_while_it_was_down_is_answered_within_a_second(world, outside):
    await world.backup("b")
    await outside.kill()
    await world.create("downloadrequests", "d", {"target": {"kind": "BackupLog", "name": "b"}})
    await world.create("serverstatusrequests", "s", {})
    await world.create("schedules", "n", {"schedule": "0 1 * * *", "template": {}})
    await world.create("restores", "r", {"backupName": "b"})
    await world.pause(600)
    assert world.phases("schedules", "n") == world.phases("serverstatusrequests", "s") == [""]
    await outside.restart()
    await world.pause(1)
    assert world.phases("downloadrequests", "d")[-1] == world.phases("serverstatusrequests", "s")[-1] == "Processed"
    assert world.phases("schedules", "n")[-1] == "Enabled"
    assert world.phases("restores", "r")[-1] == "Completed"


async def test_deleting_what_was_running_cleans_up(world, velero, outside):
    await running(world, velero)
    await outside.kill()
    await world.delete_backup("slow")
    await outside.restart()
    await world.gone("backups", "slow", 2)
    assert world.phases("backups", "slow")[-2:] == ["Failed", "Deleting"]


async def test_a_due_schedule_fires_with_the_restart(world, velero, outside):
    velero.script("tick-*", seconds=600)
    await world.create("schedules", "tick", {"schedule": "* * * * *", "template": {"includedNamespaces": ["shop"]}})
    await world.pause(70)
    await outside.kill()
    await world.pause(200)
    velero.scripts.clear()
    await outside.restart()
    names = [b["metadata"]["name"] for b in await world.all("backups")]
    assert names == ["tick-20261121111419", f"tick-{world.now():%Y%m%d%H%M%S}"]


async def test_ready_to_start_waits_for_somebody_to_touch_it(world, outside):
    await outside.kill()
    status = {"phase": "ReadyToStart"}
    await world.create("backups", "odd", {"includedNamespaces": ["shop"], "storageLocation": "default"}, status=status)
    await outside.restart()
    await world.pause(300)
    assert world.phases("backups", "odd") == ["ReadyToStart"]
    await world.patch("backups", "odd", {"metadata": {"annotations": {"touched": "yes"}}})
    assert (await world.ended("backups", "odd"))["status"]["phase"] == "Completed"


async def test_finalizing_goes_on_where_it_was(world, velero, outside):
    await running(world, velero)
    await world.break_location()
    await world.reaches("backups", "slow", "Finalizing", 120)
    await outside.kill()
    await outside.restart()
    await world.pause(30)
    assert world.phases("backups", "slow")[-1] == "Finalizing"
    await world.mend_location()
    assert (await world.ended("backups", "slow", 10))["status"]["phase"] == "Completed"


async def test_the_tick_counts_from_the_new_start(world, outside):
    await world.create("schedules", "tick", {"schedule": "*/5 * * * *", "template": {"includedNamespaces": ["shop"]}})
    await world.pause(20)
    await outside.kill()
    await outside.restart()
    [run] = await world.wait_for(
        lambda: [x for x in world.lines if x.type == "ADDED" and x.name.startswith("tick-")], 300
    )
    assert run.at.strftime("%H:%M:%S") == "11:15:39"


async def test_down_means_that_nothing_changes(world, outside):
    await outside.kill()
    before = len(world.lines)
    await world.create("serverstatusrequests", "s", {})
    await world.pause(3600)
    assert [(x.type, x.name) for x in world.lines[before:]] == [("ADDED", "s")]


async def test_restarting_over_and_over_leaves_nothing_unfinished(world, outside):
    names = [f"b{number}" for number in range(3)]
    for name in names:
        await world.create("backups", name, {"includedNamespaces": ["shop"], "storageLocation": "default"})
        await outside.kill()
        await outside.restart()
    ends = [(await world.ended("backups", name))["status"]["phase"] for name in names]
    assert ends == ["Failed", "Failed", "Completed"]
