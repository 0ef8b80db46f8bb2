"""When schedules fire, when they do not, and what nobody is told."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

TEMPLATE = {"includedNamespaces": ["shop"], "ttl": "2h0m0s"}
NEVER = "0 1 1 1 *"
LONG_AGO = "2020-01-01T00:00:00Z"


async def schedule(world, name, cron, **spec):
    more = {"metadata": spec.pop("metadata", {})} | ({"status": spec.pop("status")} if "status" in spec else {})
    return await world.create("schedules", name, {"schedule": cron, "template": TEMPLATE} | spec, **more)


async def dormant(world, name, **spec):
    """One that is not due for a long while."""
    await schedule(world, name, NEVER, **spec)
    await world.reaches("schedules", name, "Enabled")


def last_run_an_hour_ago(world):
    return {"lastBackup": zulu(world.now() - timedelta(hours=1))}


def half_an_hour_ago(world):
    """Once a day."""
    passed = world.now() - timedelta(minutes=30)
    return f"{passed.minute} {passed.hour} * * *"


def made_at(run):
    return datetime.strptime(run[-14:], "%Y%m%d%H%M%S").replace(tzinfo=UTC)


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
    metadata = {"labels": {"team": "web"}, "annotations": {"note": "x"}}
    await dormant(world, "s1", template=template, metadata=metadata)
    backup = await world.ended("backups", await world.runs_now("s1"))
    assert backup["metadata"]["labels"] == {
        "only": "template",
        "velero.io/schedule-name": "s1",
        "velero.io/storage-location": "default",
    }
    assert backup["spec"]["metadata"]["labels"] == {"only": "template", "velero.io/schedule-name": "s1"}
    assert backup["metadata"]["annotations"]["note"] == "x"
    assert "ownerReferences" not in backup["metadata"]


async def test_labels_of_the_schedule_where_the_template_has_none(world):
    await dormant(world, "s1", metadata={"labels": {"team": "web"}})
    backup = await world.ended("backups", await world.runs_now("s1"))
    assert backup["metadata"]["labels"]["team"] == "web"


async def test_a_new_one_does_not_fire_at_once(world):
    await schedule(world, "daily", "0 1 * * *")
    await world.pause(600)
    assert runs(world, "daily") == []


async def test_an_edit_that_makes_it_overdue_fires_in_the_same_second(world):
    await dormant(world, "ed1", status=last_run_an_hour_ago(world))
    before = world.now() - timedelta(seconds=1)
    await world.patch("schedules", "ed1", {"spec": {"schedule": "* * * * *"}})
    run = await world.next_run("ed1", after=0, deadline=0.5)
    assert before <= made_at(run) <= world.now()


async def test_skip_immediately_in_the_same_patch_does_not(world):
    await dormant(world, "ed2", status=last_run_an_hour_ago(world))
    before = world.now() - timedelta(seconds=1)
    await world.patch("schedules", "ed2", {"spec": {"schedule": half_an_hour_ago(world), "skipImmediately": True}})
    await world.pause(120)
    found = await world.get("schedules", "ed2")
    assert world.runs("ed2") == []
    assert found["spec"]["skipImmediately"] is False
    assert before <= datetime.fromisoformat(found["status"]["lastSkipped"]) <= before + timedelta(seconds=9)


async def test_edit_with_a_horizon_in_one_patch_fires_nothing_overdue(world):
    await dormant(world, "s1", status=last_run_an_hour_ago(world))
    edit = {"spec": {"schedule": half_an_hour_ago(world)}, "status": {"lastSkipped": zulu(world.now())}}
    await world.patch("schedules", "s1", edit)
    await world.pause(300)
    assert world.runs("s1") == []


async def test_a_change_of_the_template_alone_wakes_it_and_one_of_status_does_not(world, outside):
    await dormant(world, "s1")
    await outside.kill()
    await outside.restart()  # the next look is a minute away
    await dormant(world, "behind")
    await world.overdue("s1")
    await world.pause(5)
    assert world.runs("s1") == []
    await world.patch("schedules", "s1", {"spec": {"template": {"ttl": "3h0m0s"}}})
    run = await world.next_run("s1", after=0, deadline=0.5)
    assert (await world.ended("backups", run))["spec"]["ttl"] == "3h0m0s"


async def test_wrong_expression_and_its_correction(world):
    await schedule(world, "inv", "0 2 * * *")
    await world.pause(1)
    await world.patch("schedules", "inv", {"spec": {"schedule": "61 * * * *"}})
    wrong = await world.reaches("schedules", "inv", "FailedValidation", 1.5)
    assert wrong["status"]["validationErrors"] == ["invalid schedule: end of range (61) above maximum (59): 61"]
    await world.patch("schedules", "inv", {"spec": {"schedule": "0 3 * * *"}})
    right = await world.reaches("schedules", "inv", "Enabled", 1.5)
    assert "validationErrors" not in right["status"]


@pytest.mark.parametrize(
    ("expression", "found"),
    [("bad cron", "found 2: [bad cron]"), ("0 0 * * * *", "found 6: [0 0 * * * *]")],
)
async def test_wrong_from_the_beginning(world, expression, found):
    await schedule(world, "bad", expression)
    told = await world.reaches("schedules", "bad", "FailedValidation", 1.5)
    assert told["status"]["validationErrors"] == [f"invalid schedule: expected exactly 5 fields, {found}"]


async def test_zone_of_its_own(world):
    """A time of day that has just passed in Tokyo, and is hours away from where it would be without the zone."""
    there = world.now().astimezone(ZoneInfo("Asia/Tokyo")) - timedelta(minutes=1)
    passed = f"{there.minute} {there.hour} * * *"
    lately = {"lastBackup": zulu(world.now() - timedelta(minutes=3))}
    await schedule(world, "utc", passed, status=lately)
    await schedule(world, "tz", f"CRON_TZ=Asia/Tokyo {passed}", status=lately)
    await world.next_run("tz", after=0)
    await world.pause(1)
    assert world.runs("utc") == []


async def test_three_at_once(world):
    for name in ("a", "b", "c"):
        await schedule(world, name, "14 * * * *")
    await world.pause(70)
    assert runs(world, "a") == runs(world, "b") == runs(world, "c") == ["11:14:19"]


async def test_own_running_backup_defers_and_nothing_tells(world, outside):
    outside.hold("s1-*")
    await dormant(world, "s1")
    first = await world.runs_now("s1")
    await world.reaches("backups", first, "InProgress")
    await world.overdue("s1")
    await world.patch("schedules", "s1", {"spec": {"template": {"ttl": "5h0m0s"}}})
    before = (await world.get("schedules", "s1"))["status"]
    await world.pause(190)
    assert world.runs("s1") == [first]
    assert (await world.get("schedules", "s1"))["status"] == before
    assert not any("s1" in line and "level=error" in line for line in outside.log())
    outside.release("s1-*")
    await world.ended("backups", first)
    await world.patch("schedules", "s1", {"spec": {"template": {"ttl": "6h0m0s"}}})
    second = await world.next_run("s1", after=1)
    await world.ended("backups", second)
    assert world.runs("s1") == [first, second]


async def test_a_queued_run_of_its_own_does_not_defer(world, outside):
    outside.hold("blocker")
    await world.create("backups", "blocker", {"includedNamespaces": ["shop"], "storageLocation": "default"})
    await world.reaches("backups", "blocker", "InProgress")
    await dormant(world, "s1")
    for _ in range(2):
        await world.reaches("backups", await world.runs_now("s1"), "Queued")


async def test_name_too_long_for_a_label_never_runs_and_only_the_log_knows(world, outside):
    name = "n" * 64
    await schedule(world, name, NEVER, status={"lastBackup": LONG_AGO})
    [first, *_] = await world.wait_for(lambda: [line for line in outside.log() if "Reconciler error" in line])
    assert "error submit backup for schedule velero/nnn" in first
    assert "must be no more than 63 bytes" in first
    assert world.runs(name) == []
    assert (await world.get("schedules", name))["status"] == {"phase": "Enabled", "lastBackup": LONG_AGO}


async def test_owner_reference_and_background_deletion(world, outside):
    await dormant(world, "own", useOwnerReferencesInBackup=True)
    name = await world.runs_now("own")
    backup = await world.ended("backups", name)
    assert backup["metadata"]["ownerReferences"][0]["controller"] is True
    await world.delete("schedules", "own", propagation="Background")
    await world.gone("backups", name, 1)
    assert world.seen("backups", name)[-1].phase == "Completed"
    assert f"backups/{name}/velero-backup.json" in outside.bucket
    await outside.sync(world)
    await world.wait_for(lambda: world.seen("backups", name)[-1].type == "ADDED")
    again = await world.get("backups", name)
    assert "ownerReferences" not in again["metadata"]
    assert again["metadata"]["labels"]["velero.io/schedule-name"] == "own"
    assert (again["metadata"]["generation"], again["status"]["phase"]) == (1, "Completed")


@pytest.mark.parametrize("paused", [False, True])
async def test_manual_runs_change_nothing(world, paused):
    await dormant(world, "s1")
    await world.patch("schedules", "s1", {"spec": {"paused": paused}})
    labels = {"labels": {"velero.io/schedule-name": "s1"}}
    await world.create("backups", "s1-20261121111324", {**TEMPLATE, "storageLocation": "default"}, metadata=labels)
    await world.ended("backups", "s1-20261121111324")
    assert "lastBackup" not in (await world.get("schedules", "s1"))["status"]
    if not paused:
        run = await world.runs_now("s1")
        assert world.runs("s1") == ["s1-20261121111324", run]


async def test_names_that_are_taken_are_tried_again_with_a_later_one(world, outside):
    start = world.now()
    taken = [f"coll-{start + timedelta(seconds=second):%Y%m%d%H%M%S}" for second in range(3)]
    for name in taken:
        await world.create("backups", name, {"includedNamespaces": ["shop"], "storageLocation": "default"})
    await schedule(world, "coll", NEVER, status={"lastBackup": LONG_AGO})
    run = await world.next_run("coll", after=3, deadline=20)
    assert run > taken[-1]
    found = await world.wait_for(
        lambda: [
            x.object for x in world.seen("schedules", "coll") if x.object["status"].get("lastBackup", "") > LONG_AGO
        ]
    )
    assert made_at(run) == datetime.fromisoformat(found[0]["status"]["lastBackup"])
    assert any(f'\\"{taken[0]}\\" already exists' in line for line in outside.log())


async def test_due_while_the_location_is_away_is_lost(world):
    await dormant(world, "s1")
    await world.break_location()
    run = await world.runs_now("s1")
    assert (await world.ended("backups", run))["status"]["phase"] == "FailedValidation"
    last = datetime.fromisoformat((await world.get("schedules", "s1"))["status"]["lastBackup"])
    assert last == made_at(run)
    await world.mend_location()
    await world.patch("schedules", "s1", {"spec": {"template": {"ttl": "9h0m0s"}}})
    await world.pause(600)
    assert world.runs("s1") == [run]


async def test_paused_is_not_looked_at_and_unpausing_fires_what_fell_due(world):
    await schedule(world, "s1", NEVER, paused=True, status={"lastBackup": LONG_AGO})
    await world.patch("schedules", "s1", {"spec": {"template": {"ttl": "4h0m0s"}}})
    await world.pause(300)
    assert world.phases("schedules", "s1") == [""]
    assert world.runs("s1") == []
    await world.patch("schedules", "s1", {"spec": {"paused": False}})
    run = await world.next_run("s1", after=0, deadline=3)
    assert made_at(run) <= world.now()


async def test_unpaused_with_skip_immediately_in_one_patch_fires_nothing(world):
    await schedule(world, "s1", NEVER, paused=True, status={"lastBackup": LONG_AGO})
    before = world.now() - timedelta(seconds=1)
    await world.patch("schedules", "s1", {"spec": {"paused": False, "skipImmediately": True}})
    await world.pause(120)
    found = await world.get("schedules", "s1")
    assert world.runs("s1") == []
    assert found["spec"]["skipImmediately"] is False
    assert before <= datetime.fromisoformat(found["status"]["lastSkipped"]) <= before + timedelta(seconds=9)


async def test_unpaused_with_a_horizon_in_one_patch_fires_nothing(world):
    await schedule(world, "s1", NEVER, paused=True, status={"lastBackup": LONG_AGO})
    horizon = {"lastSkipped": zulu(world.now())}
    await world.patch("schedules", "s1", {"spec": {"paused": False}, "status": horizon})
    await world.pause(1)
    assert world.runs("s1") == []


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


async def test_impossible_date_is_always_due(world):
    await schedule(world, "never", "0 0 30 2 *")
    first = await world.next_run("never", after=0)
    await world.ended("backups", first)
    await world.patch("schedules", "never", {"spec": {"template": {"ttl": "9h0m0s"}}})
    await world.next_run("never", after=1)


async def test_after_a_long_absence_one_late_run_and_no_more(world, outside):
    await dormant(world, "s1")
    await outside.kill()
    await world.overdue("s1")
    await outside.restart()
    run = await world.next_run("s1", after=0)
    await world.ended("backups", run)
    await world.patch("schedules", "s1", {"spec": {"template": {"ttl": "9h0m0s"}}})
    await world.pause(50)
    assert world.runs("s1") == [run]
    last = (await world.get("schedules", "s1"))["status"]["lastBackup"]
    assert datetime.fromisoformat(last) == made_at(run)


async def test_every_drifts_with_the_ticks(world):
    await schedule(world, "e", "@every 90s")
    await world.pause(400)
    assert runs(world, "e") == ["11:15:19", "11:17:19", "11:19:19"]
