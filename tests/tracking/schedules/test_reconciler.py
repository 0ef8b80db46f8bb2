"""What others do to a schedule is told; what was promised is put right."""

from __future__ import annotations

from datetime import timedelta

from domain.event import Severity
from tests.tracking.schedules.schedule_world import Yard
from tests.tracking.schedules.test_skips import at
from tracking.desired_schedule import desired_patch


async def known(yard: Yard, cron: str = "0 * * * *") -> None:
    """A schedule that we have seen before."""
    yard.schedule("nightly", cron)
    await yard.pass_(seconds=1)
    await yard.rounds()


async def test_what_stands_there_at_first_is_no_news(yard: Yard) -> None:
    yard.schedule("nightly", paused=True)
    await yard.rounds()
    assert await yard.kinds() == []


async def test_our_own_changes_are_no_news(yard: Yard) -> None:
    await yard.does("schedule create nightly --schedule hourly --include-namespaces shop")
    for line in (
        "schedule edit nightly --ttl 3d",
        "schedule skip nightly",
        "schedule unskip nightly",
        "schedule pause nightly",
        "schedule resume nightly",
        "schedule delete nightly",
    ):
        await yard.rounds()
        await yard.does(line)
        await yard.pass_(seconds=61)
    await yard.rounds()
    assert await yard.kinds() == []


async def test_a_lost_skip_is_set_again_and_told(yard: Yard) -> None:
    await known(yard)
    await yard.does("schedule skip nightly --runs 2")
    yard.patched("nightly", {"spec": {"paused": False, "skipImmediately": True}})  # unpause --skip-immediately
    await yard.pass_(seconds=2)
    assert yard.seen("nightly")["status"]["lastSkipped"] != "2026-11-21T13:00:00Z"
    await yard.rounds()
    assert yard.seen("nightly")["status"]["lastSkipped"] == "2026-11-21T13:00:00Z"
    await yard.rounds()
    assert await yard.kinds() == ["schedule.skip-lost"]
    await yard.pass_until(at(14, 30))
    assert yard.ran("nightly") == ["14:00"]


async def test_a_schedule_made_anew_by_gitops_still_skips(yard: Yard) -> None:
    await known(yard)
    await yard.does("schedule skip nightly --runs 2")
    yard.objects.delete("schedules", "velero", "nightly")
    yard.schedule("nightly")
    await yard.rounds()
    await yard.pass_until(at(14, 30))
    assert yard.ran("nightly") == ["14:00"]
    assert await yard.kinds() == ["schedule.replaced-outside", "schedule.skip-lost"]


async def test_a_change_is_told_field_by_field(yard: Yard) -> None:
    await known(yard)
    yard.patched("nightly", {"spec": {"schedule": "5 * * * *", "template": {"ttl": "48h0m0s"}}})
    await yard.rounds()
    await yard.rounds()
    (event,) = await yard.told()
    assert event.kind == "schedule.changed-outside"
    assert event.facts["changes"] == ["schedule: 0 * * * * → 5 * * * *", "template.ttl: 24h0m0s → 48h0m0s"]


async def test_zero_values_that_the_cli_adds_are_no_change(yard: Yard) -> None:
    await known(yard)
    empty = {"hooks": {}, "metadata": {}, "csiSnapshotTimeout": "0s", "itemOperationTimeout": "0s"}
    yard.patched("nightly", {"spec": {"paused": True, "template": empty}})
    await yard.rounds()
    assert await yard.kinds() == ["schedule.paused-outside"]


async def test_a_pause_of_ours_that_somebody_ends_is_told(yard: Yard) -> None:
    await known(yard)
    await yard.does("schedule pause nightly --reason audit")
    yard.patched("nightly", {"spec": {"paused": False}})
    await yard.rounds()
    (event,) = await yard.told()
    assert event.kind == "schedule.resumed-outside"
    assert event.facts["message"].startswith("The pause that U1 requested")
    assert "by" not in event.facts


async def test_a_pause_by_other_hands_over_a_skip_of_ours_is_theirs_and_the_skip_ours(yard: Yard) -> None:
    await known(yard)
    await yard.does("schedule skip nightly --runs 3 --reason migration")
    yard.patched("nightly", {"spec": {"paused": True}})
    await yard.rounds()
    yard.patched("nightly", {"spec": {"paused": False}})
    await yard.rounds()
    await yard.watched(at(14, 30), every=timedelta(minutes=30))
    told = [event for event in await yard.told() if event.kind != "schedule.skipped-as-asked"]
    assert [event.kind for event in told] == ["schedule.paused-outside", "schedule.resumed-outside"]
    skip = "The skip until 2026-11-21 14:00 UTC that U1 requested"
    assert [event.facts["message"].startswith(skip) for event in told] == [True, True]
    assert all(event.facts["message"].endswith("still holds.") for event in told)
    assert not any("by" in event.facts for event in told)


async def test_a_pause_by_other_hands_that_they_end_is_no_word_of_ours(yard: Yard) -> None:
    await known(yard)
    yard.patched("nightly", {"spec": {"paused": True}})
    await yard.rounds()
    yard.patched("nightly", {"spec": {"paused": False}})
    await yard.rounds()
    assert [event.facts["message"] for event in await yard.told()] == ["", ""]


async def test_a_deleted_schedule_says_that_its_skip_is_void(yard: Yard) -> None:
    await known(yard)
    await yard.does("schedule skip nightly")
    plan = await yard.planned("schedule delete nightly")
    assert plan.notes[0] == "The skip until 2026-11-21 12:00 UTC that U1 requested no longer applies."
    yard.objects.delete("schedules", "velero", "nightly")
    await yard.rounds()
    (event,) = await yard.told()
    assert event.facts["message"] == plan.notes[0]


async def test_a_change_of_ours_says_what_changed(yard: Yard) -> None:
    await known(yard)
    await yard.does("schedule edit nightly --ttl 3d")
    events = await yard.store.read(lambda tx: tx.outbox.unrouted())
    (changed,) = [event for event in events if event.kind == "schedule.changed"]
    assert "24h0m0s → 72h0m0s" in changed.facts["changes"][0]


async def test_a_deletion_outside_is_told_once(yard: Yard) -> None:
    await known(yard)
    yard.objects.delete("schedules", "velero", "nightly")
    await yard.rounds()
    await yard.rounds()
    assert await yard.kinds() == ["schedule.deleted-outside"]


async def test_skips_that_others_set_are_told_and_not_defended(yard: Yard) -> None:
    await known(yard)
    yard.patched("nightly", {"status": {"lastSkipped": "2026-11-21T13:00:00Z"}})
    await yard.rounds()
    yard.patched("nightly", {"status": {"lastSkipped": "2026-11-21T11:00:00Z"}})
    await yard.rounds()
    assert await yard.kinds() == ["schedule.skipped-outside"]
    assert yard.seen("nightly")["status"]["lastSkipped"] == "2026-11-21T11:00:00Z"


async def test_a_change_of_ours_under_way_is_left_alone(yard: Yard) -> None:
    """Killed between the write and its record: until it is taken up again nobody calls it foreign."""
    await known(yard)
    ident = await yard.granted("schedule pause nightly")
    operation = await yard.store.read(lambda tx: tx.operations.get(ident))
    assert operation is not None
    begun = operation.advance(operation.state.__class__.SUBMITTING, yard.clock.now())
    await yard.store.write(lambda tx: tx.operations.advance(begun, operation.revision))
    yard.patched("nightly", {"spec": {"paused": True}})
    await yard.rounds()
    assert await yard.kinds() == []
    await yard.restarts()
    await yard.rounds()
    assert await yard.kinds() == []
    assert (await yard.intent("nightly")).paused


async def test_a_timed_pause_that_ended_is_told(yard: Yard) -> None:
    await known(yard)
    await yard.does("schedule pause nightly --for 2h")
    await yard.watched(at(14, 30))
    assert await yard.kinds() == ["schedule.pause-ended"]


async def test_each_skipped_run_is_told_as_skipped(yard: Yard) -> None:
    await known(yard)
    await yard.does("schedule skip nightly --runs 2 --reason migration")
    await yard.watched(at(14, 30))
    told = await yard.told()
    assert [(event.kind, event.facts["expected"]) for event in told] == [
        ("schedule.skipped-as-asked", at(12).isoformat()),
        ("schedule.skipped-as-asked", at(13).isoformat()),
    ]


async def test_a_skip_that_did_not_hold_is_told(yard: Yard) -> None:
    await known(yard)
    await yard.does("schedule skip nightly")
    yard.patched("nightly", {"status": {"lastSkipped": None}})
    await yard.pass_until(at(12, 5))
    await yard.rounds()
    told = [event for event in await yard.told() if event.kind == "schedule.not-skipped"]
    assert [event.facts["expected"] for event in told] == [at(12).isoformat()]


async def test_desired_is_nothing_once_the_horizon_has_passed(yard: Yard) -> None:
    await known(yard)
    await yard.does("schedule skip nightly")
    intent = await yard.intent("nightly")
    yard.patched("nightly", {"status": {"lastSkipped": None}})
    (seen,) = await yard.cluster.schedules.list()
    assert desired_patch(intent, seen, at(11, 59)).body == {"status": {"lastSkipped": "2026-11-21T12:00:00Z"}}
    assert desired_patch(intent, seen, at(12)) is None


async def test_an_hour_of_trouble_is_told_by_its_cause_and_once(yard: Yard) -> None:
    await known(yard)
    await yard.watched(at(12, 30))
    await yard.velero.stop()
    await yard.watched(at(14, 30))
    await yard.velero.start()
    await yard.watched(at(15, 30))
    told = await yard.told()
    assert [(event.kind, event.facts.get("expected")) for event in told] == [
        ("schedule.missed", at(13).isoformat()),
        ("schedule.missed", at(14).isoformat()),
        ("schedule.recovered", at(13).isoformat()),
    ]
    assert told[2].severity is Severity.RECOVERY


async def test_a_run_lost_to_its_storage_location_is_a_miss(yard: Yard) -> None:
    await known(yard)
    yard.objects.patch("backupstoragelocations", "velero", "default", {"status": {"phase": "Unavailable"}})
    await yard.watched(at(12, 30))
    (event,) = await yard.told("schedule.missed")
    assert event.facts["cause"] == "location-unavailable"


async def test_a_schedule_paused_outside_is_named_as_the_cause_once(yard: Yard) -> None:
    await known(yard)
    yard.patched("nightly", {"spec": {"paused": True}})
    await yard.watched(at(15, 30))
    told = await yard.told()
    assert [event.kind for event in told] == ["schedule.paused-outside", "schedule.missed"]
    assert told[1].facts["cause"] == "paused-outside"


async def test_a_name_that_velero_cannot_label_is_named_as_the_cause(yard: Yard) -> None:
    yard.schedule("n" * 64)
    await yard.rounds()
    await yard.watched(at(12, 30))
    assert [event.facts["cause"] for event in await yard.told("schedule.missed")] == ["name-too-long"]


async def test_a_run_that_hangs_blocks_the_next(yard: Yard) -> None:
    await known(yard)
    yard.velero.script("nightly-*", outcome="hangs")
    await yard.watched(at(13, 30), every=timedelta(minutes=5))
    missed = await yard.told("schedule.missed")
    assert [event.facts["cause"] for event in missed] == ["blocked-by-own-run"]


async def test_a_cluster_that_does_not_answer_is_told_as_not_known(yard: Yard) -> None:
    await known(yard)
    await yard.watched(at(12, 30))
    await yard.api.down()
    await yard.watched(at(13, 30), every=timedelta(minutes=10), blind=True)
    await yard.api.up()
    await yard.watched(at(14, 30))
    unseen, seen = await yard.told()
    assert (unseen.kind, unseen.facts["expected"]) == ("schedule.unseen", at(13).isoformat())
    assert (seen.kind, seen.facts["expected"]) == ("schedule.seen", at(13).isoformat())
    assert seen.facts["backup"].startswith("nightly-")


async def test_a_run_that_was_seen_before_the_cluster_went_silent_is_not_called_unknown(yard: Yard) -> None:
    await known(yard)
    await yard.pass_until(at(12, 2))
    yard.follow()
    await yard.api.down()
    await yard.watched(at(12, 40), every=timedelta(minutes=10), blind=True)
    assert await yard.kinds() == []


async def test_a_cluster_that_refuses_the_bot_is_not_said_not_to_answer(yard: Yard) -> None:
    await known(yard)
    await yard.watched(at(12, 30))
    yard.api.tokens.clear()
    await yard.watched(at(13, 30), every=timedelta(minutes=10), blind=True)
    (event,) = await yard.told()
    assert event.facts["message"] == "The cluster rejects the bot's credentials."


async def test_what_was_missed_while_we_were_down_is_found_at_the_start(yard: Yard) -> None:
    await known(yard)
    await yard.watched(at(12, 30))
    await yard.velero.stop()
    await yard.pass_until(at(14, 30))
    await yard.velero.start()
    await yard.pass_until(at(16, 30))
    await yard.restarts()
    await yard.rounds()
    told = await yard.told()
    assert [(event.kind, event.facts["expected"]) for event in told] == [
        ("schedule.missed", at(13).isoformat()),
        ("schedule.ran-late", at(14).isoformat()),
        ("schedule.recovered", at(13).isoformat()),
    ]


async def test_a_schedule_of_kots_is_missed_by_its_rhythm(yard: Yard) -> None:
    await yard.rounds()
    for day in range(5):
        yard.objects.create(
            "backups",
            "velero",
            {
                "metadata": {"name": f"instance-{day}", "annotations": {"kots.io/snapshot-trigger": "schedule"}},
                "spec": {"includedNamespaces": ["shop"], "storageLocation": "default"},
            },
        )
        await yard.pass_(days=1)
        yard.follow()
        await yard.watchdog.round()
    assert await yard.kinds() == []
    await yard.pass_(days=1)
    await yard.rounds()
    (event,) = await yard.told()
    assert (event.kind, event.object_name) == ("schedule.missed", "KOTS instance")


async def test_what_chat_ends_of_other_hands_explains_nothing_later(yard: Yard) -> None:
    await known(yard)
    for line in ("schedule resume nightly", "schedule delete nightly"):
        yard.patched("nightly", {"spec": {"paused": True}})
        await yard.rounds()
        assert len(await yard.store.read(lambda tx: tx.conditions.all_current("prod"))) == 1
        await yard.does(line)
        assert await yard.store.read(lambda tx: tx.conditions.all_current("prod")) == ()
        await yard.pass_(seconds=5)
