"""Events in the cluster: each is reported once, for any author, across restarts of the bot."""

import dataclasses
from datetime import UTC, datetime, timedelta

from sandbox.bucket import Faults
from sandbox.kubernetes.faults import Trouble
from sandbox.velero.history import Past
from sandbox.velero.settings import VeleroSettings
from sandbox.world import QUICK
from tests.scenarios.product import BRISK

NIGHTLY = {"schedule": "0 1 * * *", "template": {"includedNamespaces": ["shop"], "storageLocation": "default"}}


async def test_a_failure_outside_chat_is_reported(house):
    house.prod.velero.script("b1", outcome="fails", reason="boom")
    house.backup("b1")
    await house.sees("#incidents", "Backup b1 Failed", "boom", "<!here>")


async def test_a_success_outside_chat_is_silent_on_the_incident_route(house):
    await house.backed_up("b1")
    await house.quiet()
    assert house.told("#incidents") == []


async def test_each_is_reported_once(house):
    house.prod.velero.script("b*", outcome="fails")
    for number in range(4):
        await house.backed_up(f"b{number}")
    await house.quiet()
    assert [len(house.told("#incidents", f"Backup b{number} Failed")) for number in range(4)] == [1, 1, 1, 1]


async def test_the_first_start_says_nothing_of_what_was(build):
    house = await build()
    past = Past(10_000, datetime.now(UTC) - timedelta(hours=1), outcome=lambda n: "Failed" if n % 3 else "Completed")
    house.prod.velero.seed_history(past)
    await house.start()
    await house.quiet(deadline=60)
    assert await house.notices() == ()
    house.prod.velero.script("b1", outcome="fails")
    house.backup("b1")
    await house.sees("#incidents", "Backup b1 Failed")
    assert len(house.told("#incidents")) == 1


async def test_what_comes_by_sync_is_no_news(house):
    """Another cluster's failures appear in ours, since they share a bucket."""
    house.staging.velero.script("s*", outcome="partial")
    shared = house.world.buckets.find("prod-backups")
    for number in range(3):
        await house.backed_up(f"s{number}", place=house.staging)
    await house.quiet()
    before = len(house.told("#incidents"))
    theirs = house.world.buckets.find("staging-backups")
    for key in theirs.keys():  # noqa: SIM118 - a bucket is no mapping
        shared.put(key, theirs.get(key))
    await house.eventually(lambda: len(house.prod.all("backups")) == 3)
    await house.quiet()
    assert len(house.told("#incidents")) == before


async def test_a_run_that_ended_while_the_bot_was_down_is_reported_once(house):
    house.prod.velero.script("b1", outcome="fails", reason="boom")
    await house.stop()
    await house.backed_up("b1")
    await house.start()
    await house.sees("#incidents", "Backup b1 Failed", "boom")
    await house.restart()
    await house.quiet()
    assert len(house.told("#incidents", "Backup b1 Failed")) == 1


async def test_a_requested_run_that_ended_while_the_bot_was_down_finishes_its_card(house):
    house.prod.velero.script("b1", seconds=1.5)
    await house.grace.says("/velero backup create b1 --include-namespaces shop")
    await house.in_phase("backups", "b1", "InProgress")
    await house.sees("#ops", "backup create b1")
    await house.stop()
    await house.ended("backups", "b1")
    await house.start()
    await house.sees("#ops", "backup create b1", "Completed")
    await house.sees("#ops", "Backup b1 Completed", f"<@{house.grace.id}>")
    await house.quiet()
    assert len(house.told("#ops", "Backup b1 Completed")) == 1


async def test_after_a_410_everything_is_listed_again_and_nothing_reported_twice(house):
    house.prod.velero.script("b*", outcome="fails")
    await house.backed_up("b1")
    await house.sees("#incidents", "Backup b1 Failed")
    await house.stop()
    await house.backed_up("b2")
    house.prod.api.faults.on(Trouble.EXPIRED_WATCH, times=4)
    await house.start()
    await house.sees("#incidents", "Backup b2 Failed")
    house.backup("b3")
    await house.sees("#incidents", "Backup b3 Failed", deadline=20)
    await house.quiet()
    assert [len(house.told("#incidents", f"Backup b{number} Failed")) for number in (1, 2, 3)] == [1, 1, 1]


async def test_a_watch_that_breaks_in_a_line_loses_nothing(house):
    house.prod.velero.script("b*", outcome="fails")
    house.prod.api.faults.on(Trouble.TRUNCATED_WATCH, times=3)
    for number in range(3):
        await house.backed_up(f"b{number}")
    for number in range(3):
        await house.sees("#incidents", f"Backup b{number} Failed", deadline=20)


async def test_storage_goes_and_comes_back(house):
    house.world.buckets.find("prod-backups").fail(Faults(unavailable=True))
    await house.sees("#incidents", "Storage location default is Unavailable", "prod", deadline=20)
    house.world.buckets.find("prod-backups").fail()
    await house.sees("#incidents", "Storage location default is Available again", deadline=20)
    await house.quiet()
    assert len(house.told("#incidents", "default is Unavailable")) == 1


async def test_velero_goes_silent_and_answers_again(house):
    await house.prod.velero.stop()
    await house.sees("#incidents", "Velero doesn't respond", "prod", deadline=20)
    await house.prod.velero.start()
    await house.sees("#incidents", "Velero responds again", "prod", deadline=20)
    assert len(house.told("#incidents", "doesn't respond")) == 1


async def test_a_run_stuck_in_the_queue_is_reported_once(build):
    house = await build(extra=BRISK.replace("[watching]", "queued_too_long = 0.5\n[watching]"))
    await house.start()
    house.prod.velero.script("first", outcome="hangs")
    house.backup("first")
    await house.in_phase("backups", "first", "InProgress")
    house.backup("second")
    await house.sees("#incidents", "Backup second is stuck in the queue")
    await house.until(lambda: len(house.told("#incidents")) == 1)
    await house.restart()
    await house.quiet()
    assert len(house.told("#incidents", "second is stuck")) == 1
    await house.stop()
    house.prod.velero.script("second", seconds=0.0)
    await house.prod.velero.stop()
    await house.prod.velero.start()
    await house.ended("backups", "second")
    await house.start()
    await house.sees("#incidents", "Backup second Completed", "It was reported as stuck")


async def test_a_run_stuck_in_finalizing_is_reported_with_the_likely_cause(build):
    house = await build(extra=BRISK.replace("[watching]", "finalizing_too_long = 0.5\n[watching]"))
    await house.start()
    await house.prod.velero.stop()
    status = {"phase": "Finalizing", "startTimestamp": "2026-11-21T10:00:00Z"}
    house.backup("b1")
    house.prod.objects.patch("backups", "velero", "b1", {"status": status})
    await house.sees("#incidents", "Backup b1 is stuck in Finalizing", "storage location")


async def test_routine_successes_of_schedules_are_silent_and_failures_are_not(build):
    every = '\n[[routes]]\nname = "all"\nchannels = ["#staging"]\n'
    house = await build()
    house.settings.write_text(
        house.settings.read_text().replace(
            "[delivery]", every.replace("#staging", house.world.channel("staging")) + "[delivery]"
        )
    )
    await house.start()
    labels = {"velero.io/schedule-name": "nightly"}
    for name, outcome in (("n1", "succeeds"), ("n2", "fails")):
        house.prod.velero.script(name, outcome=outcome)
        body = {"metadata": {"name": name, "labels": labels}, "spec": NIGHTLY["template"]}
        house.prod.objects.create("backups", "velero", body)
        await house.ended("backups", name)
    await house.backed_up("by-hand", includedNamespaces=["billing"])
    await house.sees("#staging", "Backup by-hand Completed")
    await house.sees("#staging", "Backup n2 Failed")
    await house.quiet()
    assert house.told("#staging", "Backup n1 Completed") == []


async def test_a_deletion_is_reported_only_after_a_request(house):
    await house.backed_up("asked")
    await house.backed_up("vanished")
    await house.quiet()
    request = {
        "metadata": {"name": "d1", "labels": {"velero.io/backup-name": "asked"}},
        "spec": {"backupName": "asked"},
    }
    house.prod.objects.create("deletebackuprequests", "velero", request)
    await house.eventually(lambda: house.prod.get("backups", "asked") is None)
    await house.prod.velero.stop()
    house.prod.objects.delete("backups", "velero", "vanished")
    gone = await house.sees("#incidents", "Backup vanished disappeared", "next sync restores the record")
    await house.quiet()
    assert gone
    assert house.told("#incidents", "vanished was deleted") == []
    assert house.told("#incidents", "asked disappeared") == []
    assert house.told("#incidents", "Backup asked disappeared") == []


async def test_one_that_goes_in_one_breath_is_still_called_deleted(build):
    house = await build(velero=dataclasses.replace(QUICK, deletion_seconds=0.0))
    await house.start()
    for number in range(5):
        await house.backed_up(f"b{number}")
    await house.quiet()
    for number in range(5):
        request = {"metadata": {"name": f"d{number}"}, "spec": {"backupName": f"b{number}"}}
        house.prod.objects.create("deletebackuprequests", "velero", request)
    await house.eventually(lambda: house.prod.all("backups") == [])
    for number in range(5):
        await house.sees("#incidents", f"Backup b{number} was deleted")
    assert house.told("#incidents", "disappeared") == []


async def test_a_name_that_was_deleted_once_and_vanishes_later_is_gone_not_deleted(house):
    await house.backed_up("b1")
    request = {"metadata": {"name": "d1"}, "spec": {"backupName": "b1"}}
    uid = house.prod.get("backups", "b1")["metadata"]["uid"]
    request["metadata"]["labels"] = {"velero.io/backup-name": "b1", "velero.io/backup-uid": uid}
    house.prod.objects.create("deletebackuprequests", "velero", request)
    await house.eventually(lambda: house.prod.get("backups", "b1") is None)
    await house.quiet()
    await house.backed_up("b1")
    await house.quiet()
    await house.prod.velero.stop()
    house.prod.objects.delete("backups", "velero", "b1")
    await house.sees("#incidents", "Backup b1 disappeared")


async def test_a_refused_request_and_a_record_that_vanishes_are_no_deletion(house):
    """Velero refuses while the location is read-only; the record that somebody removes then comes back by sync."""
    await house.backed_up("b1")
    await house.quiet()
    house.prod.objects.patch("backupstoragelocations", "velero", "default", {"spec": {"accessMode": "ReadOnly"}})
    house.prod.objects.create(
        "deletebackuprequests", "velero", {"metadata": {"name": "d1"}, "spec": {"backupName": "b1"}}
    )
    await house.sees("#incidents", "Backup b1 couldn't be deleted", "read-only")
    house.prod.objects.delete("backups", "velero", "b1")
    await house.eventually(lambda: house.prod.get("backups", "b1") is not None)
    await house.sees("#incidents", "Backup b1 disappeared")
    await house.sees("#incidents", "Backup b1 is back", "reported as gone", "sync restored the record")
    assert house.told("#incidents", "b1 was deleted") == []


async def test_a_deletion_by_other_hands_is_outside_approval_while_one_waits_for_it(house):
    await house.backed_up("b1")
    await house.quiet()
    await house.bob.says("/velero backup delete b1 --reason cleanup")
    house.prod.objects.create(
        "deletebackuprequests", "velero", {"metadata": {"name": "d1"}, "spec": {"backupName": "b1"}}
    )
    await house.sees("#incidents", "Backup b1 was deleted without approval")


async def test_a_restore_by_hand_is_reported_as_outside(house):
    await house.backed_up("b1")
    await house.quiet()
    house.prod.objects.create(
        "restores",
        "velero",
        {"metadata": {"name": "r1"}, "spec": {"backupName": "b1", "namespaceMapping": {"shop": "copy"}}},
    )
    await house.sees("#incidents", "Restore r1 of backup b1 was created without approval")


async def test_one_created_while_the_bot_was_down_is_reported_too(house):
    await house.backed_up("b1")
    await house.quiet()
    await house.stop()
    spec = {"backupName": "b1", "namespaceMapping": {"shop": "copy"}}
    house.prod.objects.create("restores", "velero", {"metadata": {"name": "r1"}, "spec": spec})
    await house.ended("restores", "r1")
    await house.start()
    await house.sees("#incidents", "Restore r1 of backup b1 was created without approval")


async def test_a_backup_that_velero_dropped_at_its_restart_is_reported_with_the_cause(house):
    house.prod.velero.script("b1", outcome="hangs")
    house.backup("b1")
    await house.in_phase("backups", "b1", "InProgress")
    await house.prod.velero.stop()
    await house.prod.velero.start()
    await house.sees("#incidents", "Backup b1 Failed", "Velero restarted during the run")


async def test_a_velero_of_an_older_kind_of_clock_changes_nothing(build):
    house = await build(
        velero=VeleroSettings(
            **{**{f: getattr(QUICK, f) for f in ("sync_tick", "sync_period", "validation_tick")}, "version": "v1.15.0"}
        )
    )
    await house.start()
    await house.backed_up("b1")
    await house.quiet()


async def test_an_unresponsive_velero_is_reported_once_across_restarts_and_so_is_its_end(house):
    await house.prod.velero.stop()
    await house.sees("#incidents", "Velero doesn't respond", "prod", deadline=20)
    await house.restart()
    await house.until(lambda: house.bot.clusters["prod"].board.get("server").condition.value == "unreachable", 20)
    await house.quiet()
    assert len(house.told("#incidents", "Velero doesn't respond")) == 1
    await house.stop()
    await house.prod.velero.start()
    await house.start()
    await house.sees("#incidents", "Velero responds again", deadline=20)


async def test_a_revoked_token_is_reported_and_so_is_its_end(house):
    tokens = house.prod.api.tokens
    kept = dict(tokens)
    tokens.clear()
    await house.sees("#incidents", "Cluster prod refuses the bot's credentials", deadline=20)
    answer = await house.grace.says("/velero status")
    reply = await answer.reply("staging", deadline=20)
    line = next(line for line in reply.full_text.splitlines() if line.startswith("prod"))
    assert "rejects the bot's credentials" in line
    tokens.update(kept)
    await house.sees("#incidents", "Cluster prod accepts the bot's credentials again", deadline=20)
    assert house.told("#incidents", "doesn't respond") == []


async def test_an_emptied_bucket_is_reported_as_data_loss(build):
    house = await build(velero=dataclasses.replace(QUICK, heartbeats=True, sync_tick=0.3, sync_period=0.3))
    await house.start()
    await house.backed_up("b1")
    await house.quiet()
    house.world.buckets.find("prod-backups").delete_under("backups/b1/")
    await house.sees("#incidents", "Backup b1 disappeared", deadline=20)
    await house.sees("#incidents", "The data of backup b1 is gone too", "didn't find the backup", deadline=20)


async def test_a_schedule_verb_is_one_message_in_its_channel(build):
    house = await build()
    everything = f'\n[[routes]]\nname = "all"\nchannels = ["{house.world.channel("ops")}"]\n'
    house.settings.write_text(house.settings.read_text().replace("[delivery]", everything + "[delivery]"))
    house.prod.objects.create("schedules", "velero", {"metadata": {"name": "nightly"}, "spec": NIGHTLY})
    await house.start()
    await house.grace.says("/velero schedule skip nightly")
    card = await house.sees("#ops", "Skip of schedule *nightly* is *done*")
    await house.quiet()
    assert house.told("#ops", "nightly") == [card]
    assert house.thread(card) == []
