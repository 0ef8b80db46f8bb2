"""Schedules that touch what is restored: found, offered to be held, and held by the restore itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands.planning.context import ClusterView
from commands.planning.facts import RecordTable
from commands.restore import conflicts, schedule_hold
from domain.errors import UsageError
from domain.json_types import Json
from domain.operation import State
from domain.plan import Plan, StepMode, StepVerb
from domain.reach import Reach
from tests.commands.shelf import NOW, Shelf, backup, location, namespace, resource, situation

LINE = "restore create r1 --from-backup b1 --include-namespaces shop"
HELD = f"{LINE} --hold-schedules"


def schedule(name: str, *included: str, excluded: tuple[str, ...] = (), skipped: str = "", **spec: Any) -> Json:
    template = {"includedNamespaces": list(included) or ["*"], "excludedNamespaces": list(excluded)}
    status = {"phase": "Enabled"} | ({"lastSkipped": skipped} if skipped else {})
    return resource("Schedule", name, {"schedule": "0 * * * *", "template": template, **spec}, status)


def shelf(*schedules: Json) -> Shelf:
    return (
        Shelf(situation=situation(operation="op-r1"))
        .put("backups", backup("b1", includedNamespaces=["shop"]))
        .put("backupstoragelocations", location("default", default=True))
        .put("namespaces", namespace("shop"), namespace("billing"))
        .put("schedules", *schedules)
    )


def said(held: Shelf, line: str = LINE) -> str:
    return "\n".join(held.plans(line).notes)


# which


@pytest.mark.parametrize(
    ("included", "excluded", "touches"),
    [
        ((), (), True),
        (("shop",), (), True),
        (("billing", "shop"), (), True),
        (("sh*",), (), True),
        (("billing",), (), False),
        ((), ("shop",), False),
        ((), ("sh*",), False),
        ((), ("billing",), True),
    ],
)
def test_schedules_that_back_up_the_namespace_are_found(
    included: tuple[str, ...], excluded: tuple[str, ...], touches: bool
) -> None:
    plan = shelf(schedule("nightly", *included, excluded=excluded)).plans(LINE)
    assert ("nightly" in "\n".join(plan.notes)) is touches
    assert bool(plan.offers) is touches


def test_the_target_namespace_of_a_mapping_counts() -> None:
    line = f"{LINE} --namespace-mappings shop:billing"
    held = shelf(schedule("of-shop", "shop"), schedule("of-billing", "billing"))
    assert "of-billing" in said(held, line)
    assert "of-shop" not in said(held, line)


def test_a_paused_schedule_is_not_listed() -> None:
    assert shelf(schedule("nightly", "shop", paused=True)).plans(LINE).offers == {}


# the offer


def test_one_button_runs_schedule_pause() -> None:
    plan = shelf(schedule("nightly", "shop"), schedule("hourly")).plans(LINE)
    assert plan.offers == {
        "Pause schedules": "schedule pause hourly nightly --while op-r1 --reason 'restore r1' --cluster prod"
    }


def clicked(held: Shelf, state: State | None = State.AWAITING) -> Plan:
    """The plan of the button when the restore has this state; None: the restore has finished."""
    (line,) = held.plans(LINE).offers.values()
    if state is not None:
        held.records[RecordTable.OPEN_RESTORES] = [
            conflicts.PendingRestore("op-r1", "r1", state, NOW, Reach(writes=frozenset({"shop"})))
        ]
    held.situation = situation(operation="op-click")
    return held.plans(line.removesuffix(" --cluster prod"))


@pytest.mark.parametrize("state", [State.AWAITING, State.SUBMITTED, State.RUNNING])
def test_the_button_pauses_the_schedules_for_the_restore(state: State) -> None:
    plan = clicked(shelf(schedule("nightly", "shop")), state)
    (step,) = plan.steps
    assert step.manifest == {"status": {"lastSkipped": "2026-11-21T12:20:00Z"}}
    assert step.mode is StepMode.SCHEDULE_HOLD
    assert step.held_for == "op-r1"
    assert plan.summary == "Pause nightly while restore r1 waits or runs"
    assert "shop" in plan.reach.reads


def test_after_the_restore_the_button_pauses_nothing_and_says_so() -> None:
    plan = clicked(shelf(schedule("nightly", "shop")), None)
    assert plan.steps == ()
    assert "has already finished, so the schedules weren't paused" in plan.summary


def test_a_schedule_that_is_paused_already_is_left_unchanged() -> None:
    held = shelf(schedule("nightly", "shop"), schedule("hourly", "shop"))
    held.objects["schedules"][1]["spec"]["paused"] = True
    held.objects["schedules"][0]["spec"]["paused"] = False
    line = "schedule pause nightly hourly --while op-r1"
    held.records[RecordTable.OPEN_RESTORES] = [conflicts.PendingRestore("op-r1", "r1", State.AWAITING, NOW, Reach())]
    assert [step.name for step in held.plans(line).steps] == ["nightly"]


@pytest.mark.parametrize("more", ["--for 1h", "--until 'tomorrow 09:00'"])
def test_while_excludes_until_and_for(more: str) -> None:
    with pytest.raises(UsageError, match="--while can't be combined with --until or --for"):
        shelf(schedule("nightly", "shop")).plans(f"schedule pause nightly --while op-r1 {more}")


@pytest.mark.parametrize("line", [f"{LINE} --dry-run", LINE.replace("create", "plan")])
def test_dry_runs_and_previews_offer_no_button(line: str) -> None:
    plan = shelf(schedule("nightly", "shop")).plans(line)
    assert plan.offers == {}
    assert "Schedule `nightly` may run during the restore. Add --hold-schedules to pause it." in "\n".join(plan.notes)


def test_a_schedule_that_is_skipped_for_longer_needs_no_button() -> None:
    assert shelf(schedule("nightly", "shop", skipped="2026-11-22T00:00:00Z")).plans(LINE).offers == {}


def test_too_many_schedules_for_a_button_are_only_listed() -> None:
    many = shelf(*(schedule(f"s{number:02}", "shop") for number in range(21)))
    assert many.plans(LINE).offers == {}
    assert "Schedules `s00`, `s01`, `s02`, `s03`, `s04` and 16 more may run" in said(many)


def test_the_button_is_not_part_of_the_fingerprint() -> None:
    without, with_offer = shelf().plans(LINE), shelf(schedule("nightly", "shop")).plans(LINE)
    assert without.fingerprint == with_offer.fingerprint


# paused by the restore


def test_the_schedules_are_paused_before_the_restore() -> None:
    plan = shelf(schedule("nightly", "shop"), schedule("hourly")).plans(f"{HELD} --safety-backup")
    assert [(step.verb, step.kind, step.name) for step in plan.steps] == [
        (StepVerb.PATCH, "Schedule", "hourly"),
        (StepVerb.PATCH, "Schedule", "nightly"),
        (StepVerb.CREATE, "Backup", "r1-safety"),
        (StepVerb.CREATE, "Restore", "r1"),
    ]
    assert plan.steps[0].manifest == {"status": {"lastSkipped": "2026-11-21T12:20:00Z"}}
    assert plan.offers == {}


def test_without_the_flag_no_schedule_is_paused() -> None:
    assert [step.kind for step in shelf(schedule("nightly", "shop")).plans(LINE).steps] == ["Restore"]


def test_the_reach_includes_all_namespaces_of_a_paused_schedule() -> None:
    assert "billing" in shelf(schedule("both", "shop", "billing")).plans(HELD).reach.reads
    assert "billing" not in shelf(schedule("both", "shop", "billing")).plans(LINE).reach.reads


def test_runs_and_skips_do_not_change_the_fingerprint() -> None:
    before = shelf(schedule("nightly", "shop"))
    after = shelf(schedule("nightly", "shop", skipped="2026-11-21T15:00:00Z"))
    after.objects["schedules"][0]["status"]["lastBackup"] = "2026-11-21T12:00:00Z"
    assert before.plans(HELD).fingerprint == after.plans(HELD).fingerprint


def test_schedules_of_hidden_namespaces_are_listed_and_not_paused() -> None:
    held = shelf(schedule("everything"), schedule("mine", "shop")).sees_only("shop")
    plan = held.plans(HELD)
    assert [step.name for step in plan.steps if step.kind == "Schedule"] == ["mine"]
    assert "Schedule `everything` also backs up namespaces you can't access" in "\n".join(plan.notes)


def test_an_old_velero_without_skips_is_refused() -> None:
    old = shelf(schedule("nightly", "shop"))
    old.situation = situation(cluster=ClusterView("prod", server_version="v1.12.4"))
    assert "velero-too-old" in [guard.code for guard in old.plans(HELD).refusals()]
    assert "velero-too-old" not in [guard.code for guard in old.plans(LINE).refusals()]


# renewal


def at(minute: int) -> datetime:
    return datetime(2026, 11, 21, 12, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("there", "after"),
    [
        (at(20), at(25)),
        (at(40), at(40)),
        (at(10), None),
        (None, None),
    ],
)
def test_a_hold_is_renewed_unless_the_schedule_was_resumed(there: datetime | None, after: datetime | None) -> None:
    assert schedule_hold.next_hold(there, at(20), at(5)) == after


def test_a_hold_starts_when_the_step_runs() -> None:
    (step, _) = shelf(schedule("nightly", "shop")).plans(HELD).steps
    late = schedule_hold.refresh_hold(step, NOW + timedelta(hours=3, microseconds=7))
    assert schedule_hold.until_of(late) == NOW + timedelta(hours=3) + schedule_hold.HOLD_LENGTH
