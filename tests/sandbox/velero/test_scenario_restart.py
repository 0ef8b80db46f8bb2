"""The server is killed, things happen, it starts again."""

from datetime import datetime, timedelta


async def running(world, outside, name="slow"):
    """A backup that stays in progress."""
    outside.hold(name)
    await world.create("backups", name, {"includedNamespaces": ["shop"], "storageLocation": "default"})
    await world.wait_for(
        lambda: any("progress" in x.object.get("status", {}) for x in world.seen("backups", name)),
    )


def ended_at(thing):
    return datetime.fromisoformat(thing["status"]["completionTimestamp"])


async def test_a_running_backup_has_failed(world, outside):
    await running(world, outside)
    await outside.kill()
    before = (await world.get("backups", "slow"))["status"]
    await world.pause(120)
    assert (await world.get("backups", "slow"))["status"] == before
    killed = world.now() - timedelta(seconds=1)
    await outside.restart()
    after = await world.ended("backups", "slow")
    reason = 'found a backup with status "InProgress" during the server starting, mark it as "Failed"'
    assert killed <= ended_at(after) <= world.now()
    ended = {"phase": "Failed", "failureReason": reason, "completionTimestamp": after["status"]["completionTimestamp"]}
    assert after["status"] == before | ended
    assert outside.bucket.keys() == []


async def test_a_running_restore_has_failed_and_what_it_made_stays(world, outside):
    await world.backup("b")
    outside.hold("r", "restore")
    await world.create("restores", "r", {"backupName": "b", "namespaceMapping": {"shop": "copy"}})
    await world.reaches("restores", "r", "InProgress")
    await world.pause(3)
    await outside.kill()
    await outside.restart()
    restore = await world.ended("restores", "r")
    reason = 'found a restore with status "InProgress" during the server starting, mark it as "Failed"'
    assert (restore["status"]["phase"], restore["status"]["failureReason"]) == ("Failed", reason)
    assert len(await world.all("configmaps", "copy")) == 4
    assert outside.bucket.keys("restores/") == []


async def test_queued_ones_go_on_before_new_ones(world, outside):
    await running(world, outside)
    for name in ("q1", "q2"):
        await world.create("backups", name, {"includedNamespaces": ["shop"], "storageLocation": "default"})
        await world.reaches("backups", name, "Queued")
    await outside.kill()
    await world.create("backups", "new", {"includedNamespaces": ["shop"], "storageLocation": "default"})
    await outside.restart()
    for name in ("q1", "q2", "new"):
        await world.ended("backups", name)
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
    for resource, name in (("downloadrequests", "d"), ("serverstatusrequests", "s")):
        assert (await world.ended(resource, name, 1))["status"]["phase"] == "Processed"
    await world.reaches("schedules", "n", "Enabled", 1)
    assert (await world.ended("restores", "r", 1))["status"]["phase"] == "Completed"


async def test_deleting_what_was_running_cleans_up(world, outside):
    await running(world, outside)
    await outside.kill()
    await world.delete_backup("slow")
    await outside.restart()
    await world.gone("backups", "slow", 2)
    assert world.phases("backups", "slow")[-2:] == ["Failed", "Deleting"]


async def test_a_due_schedule_fires_with_the_restart(world, outside):
    """Its last run was in progress when the server was killed, and is what kept it from running."""
    outside.hold("tick-*")
    await world.create("schedules", "tick", {"schedule": "0 1 1 1 *", "template": {"includedNamespaces": ["shop"]}})
    await world.reaches("schedules", "tick", "Enabled")
    first = await world.runs_now("tick")
    await world.reaches("backups", first, "InProgress")
    await world.overdue("tick")
    await outside.kill()
    outside.release("tick-*")
    before = world.now() - timedelta(seconds=1)
    await outside.restart()
    second = await world.next_run("tick", after=1)
    assert (await world.ended("backups", first))["status"]["phase"] == "Failed"
    assert (await world.ended("backups", second))["status"]["phase"] == "Completed"
    assert f"tick-{before:%Y%m%d%H%M%S}" <= second <= f"tick-{world.now():%Y%m%d%H%M%S}"


async def test_ready_to_start_waits_for_somebody_to_touch_it(world, outside):
    await outside.kill()
    status = {"phase": "ReadyToStart"}
    await world.create("backups", "odd", {"includedNamespaces": ["shop"], "storageLocation": "default"}, status=status)
    await outside.restart()
    await world.pause(300)
    assert world.phases("backups", "odd") == ["ReadyToStart"]
    await world.patch("backups", "odd", {"metadata": {"annotations": {"touched": "yes"}}})
    assert (await world.ended("backups", "odd"))["status"]["phase"] == "Completed"


async def test_finalizing_goes_on_where_it_was(world, outside):
    await running(world, outside)
    await world.break_location()
    outside.release("slow")
    await world.reaches("backups", "slow", "Finalizing")
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
    for name in names[:2]:
        await running(world, outside, name)
        await outside.kill()
        await outside.restart()
    await world.create("backups", names[2], {"includedNamespaces": ["shop"], "storageLocation": "default"})
    ends = [(await world.ended("backups", name))["status"]["phase"] for name in names]
    assert ends == ["Failed", "Failed", "Completed"]
