"""When schedules fire, when they do not, and what nobody is told."""

from datetime import timedelta

TEMPLATE = {"includedNamespaces": ["shop"], "ttl": "2h0m0s"}


async def schedule(world, name, cron, **spec):
    metadata = spec.pop("metadata", {})
    return await world.create("schedules", name, {"schedule": cron, "template": TEMPLATE} | spec, metadata=metadata)


def runs(world, name):
    """Clock times at which the schedule's backups were created."""
    mine = (x for x in world.lines if x.type == "ADDED" and x.resource == "backups" and x.name.startswith(f"{name}-2"))
    return [line.at.strftime("%H:%M:%S") for line in mine]


def zulu(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_looks_once_a_minute_counted_from_the_start(world):
    await schedule(world, "s1", "* * * * *")
    await world.pause(190)
    assert runs(world, "s1") == ["11:14:19", "11:15:19", "11:16:19"]
    found = await world.get("schedules", "s1")
    assert found["status"] == {"phase": "Enabled", "lastBackup": "2026-11-21T11:16:19Z"}
    assert found["spec"]["skipImmediately"] is False


async def test_run_is_made_from_the_template(world):
    template = {**TEMPLATE, "metadata": {"labels": {"only": "template"}}}
    await schedule(
        world, "s1", "* * * * *", template=template, metadata={"labels": {"team": "web"}, "annotations": {"note": "x"}}
    )
    await world.pause(70)
    backup = await world.get("backups", "s1-20261121111419")
    assert backup["metadata"]["labels"] == {
        "only": "template",
        "velero.io/schedule-name": "s1",
        "velero.io/storage-location": "default",
    }
    assert backup["spec"]["metadata"]["labels"] == {"only": "template", "velero.io/schedule-name": "s1"}
    assert backup["metadata"]["annotations"]["note"] == "x"
    assert "ownerReferences" not in backup["metadata"]


async def test_labels_of_the_schedule_where_the_template_has_none(world):
    await schedule(world, "s1", "* * * * *", metadata={"labels": {"team": "web"}})
    await world.pause(70)
    assert (await world.get("backups", "s1-20261121111419"))["metadata"]["labels"]["team"] == "web"


async def test_a_new_one_does_not_fire_at_once(world):
    await schedule(world, "daily", "0 1 * * *")
    await world.pause(600)
    assert runs(world, "daily") == []


async def test_an_edit_that_makes_it_overdue_fires_in_the_same_second(world):
    await schedule(world, "ed1", "0 1 * * *")
    await world.pause(90)
    await world.patch("schedules", "ed1", {"spec": {"schedule": "14 * * * *"}})
    await world.pause(0.5)
    assert runs(world, "ed1") == ["11:14:49"]


async def test_skip_immediately_in_the_same_patch_does_not(world):
    await schedule(world, "ed2", "0 1 * * *")
    await world.pause(90)
    await world.patch("schedules", "ed2", {"spec": {"schedule": "14 * * * *", "skipImmediately": True}})
    await world.pause(120)
    found = await world.get("schedules", "ed2")
    assert runs(world, "ed2") == []
    assert found["spec"]["skipImmediately"] is False
    assert found["status"]["lastSkipped"] == "2026-11-21T11:14:49Z"


async def test_a_change_of_the_template_alone_wakes_it(world):
    await schedule(world, "s1", "* * * * *")
    await world.pause(45)
    await world.patch("schedules", "s1", {"spec": {"template": {"ttl": "3h0m0s"}}})
    await world.pause(0.5)
    assert runs(world, "s1") == ["11:14:04"]


async def test_a_status_patch_wakes_nobody(world):
    await schedule(world, "s1", "* * * * *")
    await world.pause(45)
    await world.patch("schedules", "s1", {"status": {"lastSkipped": None}})
    await world.pause(5)
    assert runs(world, "s1") == []


async def test_wrong_expression_and_its_correction(world):
    await schedule(world, "inv", "0 2 * * *")
    await world.pause(1)
    await world.patch("schedules", "inv", {"spec": {"schedule": "61 * * * *"}})
    wrong = await world.reaches("schedules", "inv", "FailedValidation", 1.5)
    assert wrong["status"]["validationErrors"] == ["invalid schedule: end of range (61) above maximum (59): 61"]
    await world.patch("schedules", "inv", {"spec": {"schedule": "0 3 * * *"}})
    right = await world.reaches("schedules", "inv", "Enabled", 1.5)
    assert "validationErrors" not in right["status"]


async def test_wrong_from_the_beginning(world):
    await schedule(world, "bad", "bad cron")
    found = await world.reaches("schedules", "bad", "FailedValidation", 1.5)
    assert found["status"]["validationErrors"] == ["invalid schedule: expected exactly 5 fields, found 2: [bad cron]"]


async def test_zone_of_its_own(world):
    await schedule(world, "tz", "CRON_TZ=Asia/Tokyo 15 20 * * *")
    await world.pause(130)
    assert runs(world, "tz") == ["11:15:19"]


async def test_three_at_once(world):
    for name in ("a", "b", "c"):
        await schedule(world, name, "14 * * * *")
    await world.pause(70)
    assert runs(world, "a") == runs(world, "b") == runs(world, "c") == ["11:14:19"]


async def test_own_running_backup_defers_and_nothing_tells(world, velero):
    velero.script("s1-*", seconds=200, times=1)
    await schedule(world, "s1", "* * * * *")
    await world.pause(190)
    assert runs(world, "s1") == ["11:14:19"]
    assert (await world.get("schedules", "s1"))["status"]["lastBackup"] == "2026-11-21T11:14:19Z"
    await world.pause(120)
    assert runs(world, "s1") == ["11:14:19", "11:18:19"]


async def test_a_queued_run_of_its_own_does_not_defer(world, velero):
    velero.script("blocker", seconds=600)
    await world.create("backups", "blocker", {"includedNamespaces": ["shop"], "storageLocation": "default"})
    await schedule(world, "s1", "* * * * *")
    await world.pause(200)
    assert len(runs(world, "s1")) == 3


async def test_name_too_long_for_a_label_never_runs_and_only_the_log_knows(world, velero):
    name = "n" * 64
    await schedule(world, name, "* * * * *")
    await world.pause(200)
    assert runs(world, name) == []
    assert (await world.get("schedules", name))["status"] == {"phase": "Enabled"}
    [first, *_] = [line for line in velero.log if "Reconciler error" in line]
    assert "error submit backup for schedule velero/nnn" in first
    assert "must be no more than 63 bytes" in first


async def test_owner_reference_and_background_deletion(world, outside):
    await schedule(world, "own", "14 * * * *", useOwnerReferencesInBackup=True)
    await world.pause(70)
    name = "own-20261121111419"
    assert (await world.get("backups", name))["metadata"]["ownerReferences"][0]["controller"] is True
    await world.delete("schedules", "own", propagation="Background")
    await world.gone("backups", name, 1)
    assert world.seen("backups", name)[-1].phase == "Completed"
    assert f"backups/{name}/velero-backup.json" in outside.bucket
    await world.pause(60)
    again = await world.get("backups", name)
    assert "ownerReferences" not in again["metadata"]
    assert again["metadata"]["labels"]["velero.io/schedule-name"] == "own"
    assert (again["metadata"]["generation"], again["status"]["phase"]) == (1, "Completed")


async def test_manual_runs_change_nothing(world):
    await schedule(world, "s1", "* * * * *")
    await world.pause(5)
    labels = {"labels": {"velero.io/schedule-name": "s1"}}
    await world.create("backups", "s1-20261121111324", {**TEMPLATE, "storageLocation": "default"}, metadata=labels)
    await world.ended("backups", "s1-20261121111324")
    assert "lastBackup" not in (await world.get("schedules", "s1"))["status"]
    await world.pause(60)
    assert runs(world, "s1")[1:] == ["11:14:19"]


async def test_names_that_are_taken_are_tried_again_with_a_later_one(world, velero):
    for second in range(19, 23):
        await world.create("backups", f"coll-202611211114{second}", {"storageLocation": "default"})
    await schedule(world, "coll", "* * * * *")
    await world.pause(75)
    found = await world.get("schedules", "coll")
    assert found["status"]["lastBackup"] == "2026-11-21T11:14:24Z"
    assert await world.get("backups", "coll-20261121111424") is not None
    assert any('"coll-20261121111419\\" already exists' in line for line in velero.log)


async def test_due_while_the_location_is_away_is_lost(world):
    await schedule(world, "s1", "14 * * * *")
    await world.break_location()
    await world.pause(60)
    backup = await world.get("backups", "s1-20261121111419")
    assert backup["status"]["phase"] == "FailedValidation"
    assert (await world.get("schedules", "s1"))["status"]["lastBackup"] == "2026-11-21T11:14:19Z"
    await world.mend_location()
    await world.pause(600)
    assert runs(world, "s1") == ["11:14:19"]


async def test_paused_is_not_looked_at_and_unpausing_fires_what_fell_due(world):
    await schedule(world, "s1", "*/2 * * * *", paused=True)
    await world.pause(300)
    assert world.phases("schedules", "s1") == [""]
    await world.patch("schedules", "s1", {"spec": {"paused": False}})
    await world.pause(0.5)
    assert runs(world, "s1") == ["11:18:19"]


async def test_horizon_skips_exactly_the_runs_up_to_it(world):
    await schedule(world, "s1", "*/2 * * * *")
    await world.pause(10)
    await world.patch("schedules", "s1", {"status": {"lastSkipped": "2026-11-21T11:16:00Z"}})
    await world.pause(420)
    assert runs(world, "s1") == ["11:18:19", "11:20:19"]


async def test_horizon_at_any_instant(world):
    await schedule(world, "s1", "* * * * *")
    await world.pause(10)
    await world.patch("schedules", "s1", {"status": {"lastSkipped": zulu(world.now() + timedelta(seconds=150))}})
    await world.pause(240)
    assert runs(world, "s1") == ["11:16:19", "11:17:19"]


async def test_resume_with_a_horizon_in_one_patch_fires_nothing_overdue(world):
    await schedule(world, "s1", "*/2 * * * *", paused=True)
    await world.pause(300)
    horizon = {"lastSkipped": zulu(world.now())}
    await world.patch("schedules", "s1", {"spec": {"paused": False}, "status": horizon})
    await world.pause(1)
    assert runs(world, "s1") == []
    await world.pause(125)
    assert runs(world, "s1") == ["11:20:19"]


async def test_edit_with_a_horizon_in_one_patch_fires_nothing_overdue(world):
    await schedule(world, "s1", "0 1 * * *")
    await world.pause(90)
    edit = {"spec": {"schedule": "14 * * * *"}, "status": {"lastSkipped": zulu(world.now())}}
    await world.patch("schedules", "s1", edit)
    await world.pause(300)
    assert runs(world, "s1") == []


async def test_taking_a_skip_back_fires_at_the_next_tick(world):
    await schedule(world, "s1", "* * * * *")
    await world.pause(10)
    await world.patch("schedules", "s1", {"status": {"lastSkipped": zulu(world.now() + timedelta(minutes=5))}})
    await world.pause(70)
    await world.patch("schedules", "s1", {"status": {"lastSkipped": "2026-11-21T11:14:00Z"}})
    await world.pause(1)
    assert runs(world, "s1") == []
    await world.pause(60)
    assert runs(world, "s1") == ["11:15:19"]


async def test_impossible_date_fires_every_minute(world):
    await schedule(world, "never", "0 0 30 2 *")
    await world.pause(130)
    assert len(runs(world, "never")) >= 3


async def test_after_a_long_pause_one_late_run_and_no_more(world, outside):
    await schedule(world, "s1", "* * * * *")
    await world.pause(5)
    await outside.kill()
    await world.pause(3600)
    await outside.restart()
    await world.pause(1)
    assert len(runs(world, "s1")) == 1


async def test_every_drifts_with_the_ticks(world):
    await schedule(world, "e", "@every 90s")
    await world.pause(400)
    assert runs(world, "e") == ["11:15:19", "11:17:19", "11:19:19"]
