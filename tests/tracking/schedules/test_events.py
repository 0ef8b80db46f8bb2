"""What is said of schedules: warnings on when they run, the list, the description, the week."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from commands.batch import facts_from_objects
from commands.grammar.parser import parse
from commands.planning.context import Application, ClusterView, PlanContext
from commands.planning.facts import Facts
from commands.registry import verb_of
from domain.actor import Origin, Way
from domain.answer import Answer, Fields, Table, Text
from domain.errors import NotFound, Unreachable
from domain.json_types import Json
from domain.plan import Level, Plan
from operations.confirmation import confirmation

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HERE = PlanContext(now=NOW, new_id=lambda: "x", cluster=ClusterView("prod"))


def schedule(name: str, cron: str = "0 1 * * *", **more: Any) -> Json:
    spec = {"schedule": cron, "template": {"includedNamespaces": ["shop"]}, **more.pop("spec", {})}
    meta = {"name": name, "uid": f"uid-{name}", "creationTimestamp": "2026-11-01T00:00:00Z"}
    return {"kind": "Schedule", "metadata": meta, "spec": spec, "status": {"phase": "Enabled", **more}}


def backup(name: str, phase: str, day: int) -> Json:
    status = {
        "phase": phase,
        "startTimestamp": f"2026-11-{day}T01:00:00Z",
        "completionTimestamp": f"2026-11-{day}T01:04:00Z",
        "progress": {"totalItems": 40 + day},
    }
    meta = {"name": name, "labels": {"velero.io/schedule-name": "nightly"}}
    return {"kind": "Backup", "metadata": meta, "spec": {}, "status": status}


def known(*items: Json) -> Facts:
    facts = facts_from_objects(items)
    facts.cluster = "prod"
    return facts


def planned(line: str, *items: Json, situation: PlanContext = HERE) -> Plan:
    command = parse(line)
    verb = verb_of(command.key)
    assert verb is not None
    assert verb.plan is not None
    return verb.plan(command, known(*items), situation)


def answered(line: str, *items: Json, situation: PlanContext = HERE) -> Answer:
    command = parse(line)
    verb = verb_of(command.key)
    assert verb is not None
    assert verb.answer is not None
    return verb.answer(command, {"prod": known(*items)}, situation)


def codes(plan: Plan, level: Level) -> set[str]:
    return {guard.code for guard in plan.guards if guard.level is level}


@pytest.mark.parametrize(
    ("cron", "code", "nearest"),
    [
        ("0 0 30 2 *", "never-runs", ()),
        ("0 0 1 * * *", "bad-cron", ("0 1 * * *",)),
        ("0 1 * * 7", "bad-cron", ()),
        ("@every 5", "bad-cron", ()),
        ("@every 30s", "too-often", ()),
        ("CRON_TZ=Nowhere/City 0 1 * * *", "bad-cron", ()),
        ("CRON_TZ=Europe/Berlim 0 1 * * *", "bad-cron", ("Europe/Berlin",)),
        ("@never", "bad-cron", ()),
        ("61 * * * *", "bad-cron", ()),
    ],
)
def test_what_velero_would_regret_is_refused(cron: str, code: str, nearest: tuple[str, ...]) -> None:
    for line in (f"schedule create s2 --schedule '{cron}'", f"schedule edit nightly --schedule '{cron}'"):
        (guard,) = planned(line, schedule("nightly")).refusals()
        assert (guard.code, guard.nearest[:1]) == (code, nearest)


def test_weekday_seven_is_sunday_from_1_19_on() -> None:
    new = replace(HERE, cluster=ClusterView("prod", server_version="v1.19.0"))
    assert planned("schedule create s2 --schedule '0 1 * * 7'", situation=new).refusals() == ()


def test_a_name_over_63_never_runs_and_is_refused() -> None:
    assert codes(planned(f"schedule create {'n' * 64} --schedule daily"), Level.REFUSE) == {"name-too-long"}


def test_the_same_minute_is_told_with_a_free_one() -> None:
    others = [
        schedule("nightly"),
        schedule("second", "5 1 * * *"),
        schedule("off", "10 1 * * *", spec={"paused": True}),
    ]
    plan = planned("schedule create s2 --schedule '0 1 * * *'", *others)
    (guard,) = [guard for guard in plan.guards if guard.code == "same-minute"]
    assert guard.nearest == ("10 1 * * *",)
    assert "nightly" in guard.text


@pytest.mark.parametrize(("ttl", "told"), [("24h", True), ("47h", True), ("48h", False), ("30d", False)])
def test_a_ttl_short_of_two_periods_is_told(ttl: str, *, told: bool) -> None:
    plan = planned(f"schedule create s2 --schedule daily --ttl {ttl}")
    assert ("ttl-short-of-two-periods" in codes(plan, Level.WARN)) is told


def test_without_a_ttl_velero_s_own_counts() -> None:
    assert "ttl-short-of-two-periods" in codes(planned("schedule create s2 --schedule monthly"), Level.WARN)


def test_runs_closer_than_they_usually_last_are_told() -> None:
    slow = replace(HERE, usual={"shop": 4000.0})
    plan = planned("schedule create s2 --schedule hourly --include-namespaces shop", situation=slow)
    assert "closer-than-usual" in codes(plan, Level.WARN)


@pytest.mark.parametrize(
    ("word", "cron"),
    [("hourly", "0 * * * *"), ("daily", "0 0 * * *"), ("weekly", "0 0 * * MON"), ("monthly", "0 0 1 * *")],
)
def test_presets_are_spelled_out(word: str, cron: str) -> None:
    (step,) = planned(f"schedule create s2 --schedule {word}").steps
    assert step.manifest["spec"]["schedule"] == cron


def test_description_and_delete_backups_stand_in_annotations() -> None:
    (step,) = planned("schedule create s2 --schedule daily --description 'for the audit' --delete-backups").steps
    assert step.manifest["metadata"]["annotations"] == {
        "velero-chatops.io/description": "for the audit",
        "velero-chatops.io/delete-backups": "true",
    }


def test_a_partial_schedule_takes_its_application() -> None:
    shop = Application("shop", ("shop", "shop-db"), "app=shop", {"ttl": "336h0m0s"})
    with_shop = replace(HERE, applications=(shop,))
    (step,) = planned("schedule create s2 --schedule daily --type partial --app shop", situation=with_shop).steps
    template = step.manifest["spec"]["template"]
    assert template["includedNamespaces"] == ["shop", "shop-db"]
    assert template["ttl"] == "336h0m0s"
    assert template["labelSelector"] == {"matchLabels": {"app": "shop"}}


def test_a_policy_written_inline_becomes_a_configmap_before_the_schedule() -> None:
    policy = "{version: v1, volumePolicies: [{conditions: {nfs: {}}, action: {type: skip}}]}"
    first, second = planned(f"schedule create s2 --schedule daily --resource-policy '{policy}'").steps
    assert (first.kind, second.kind) == ("ConfigMap", "Schedule")
    assert second.manifest["spec"]["template"]["resourcePolicy"]["name"] == first.name


def test_backups_that_go_with_a_schedule_are_named_and_a_word_is_asked_for() -> None:
    spoken = replace(HERE, origin=Origin(Way.SLASH))
    line = "schedule delete nightly --with-backups"
    plan = planned(line, schedule("nightly"), backup("n-1", "Completed", 19))
    asked = confirmation(plan, parse(line), spoken)
    assert asked is not None
    assert _table(asked) == (("nightly",), ("n-1",))
    (button,) = asked.buttons
    assert button.line.startswith("schedule delete nightly --with-backups=true")
    assert button.typed == "nightly"
    alone = "schedule delete nightly"
    assert confirmation(planned(alone, schedule("nightly")), parse(alone), spoken) is None


def test_every_reply_shows_the_next_three_runs_in_both_zones() -> None:
    berlin = replace(HERE, timezone="Europe/Berlin")
    notes = "\n".join(planned("schedule skip nightly", schedule("nightly"), situation=berlin).notes)
    assert "nightly runs every day at 01:00 (0 1 * * *)." in notes
    assert "Next runs: Mon 2026-11-23 02:00, Tue 2026-11-24 02:00, Wed 2026-11-25 02:00 (Europe/Berlin)." in notes
    assert "In the server's time zone: Mon 2026-11-23 01:00" in notes


def test_an_edit_shows_its_difference_and_patches_only_that() -> None:
    live = schedule("nightly", spec={"template": {"ttl": "48h0m0s", "labelSelector": {"matchLabels": {"app": "a"}}}})
    plan = planned("schedule edit nightly --ttl 30d -l app=b,tier=web", live)
    (step,) = plan.steps
    assert step.uid == "uid-nightly"
    assert step.manifest == {
        "spec": {"template": {"ttl": "720h0m0s", "labelSelector": {"matchLabels": {"app": "b", "tier": "web"}}}},
        "status": {"lastSkipped": "2026-11-21T12:00:00Z"},
    }
    assert "spec.template.ttl: 48h0m0s → 720h0m0s" in plan.notes


def test_an_edit_that_changes_nothing_writes_nothing() -> None:
    live = schedule("nightly", spec={"template": {"ttl": "48h0m0s"}})
    assert planned("schedule edit nightly --ttl 2d --paused=false", live).steps == ()


def test_an_edit_of_labels_alone_moves_no_horizon() -> None:
    (step,) = planned("schedule edit nightly --labels team=shop", schedule("nightly")).steps
    assert step.manifest == {"metadata": {"labels": {"team": "shop"}}}


def test_the_reach_of_an_edit_is_what_it_was_and_what_it_becomes() -> None:
    assert planned("schedule edit nightly --include-namespaces billing", schedule("nightly")).reach.reads == {
        "shop",
        "billing",
    }


def test_delete_keeps_dependents_and_tells_what_stays() -> None:
    plan = planned("schedule delete nightly", schedule("nightly"), backup("n-1", "Completed", 19))
    (step,) = plan.steps
    assert step.manifest == {"propagationPolicy": "Orphan"}
    assert plan.notes == (
        "1 backup of nightly stays until it expires: n-1, 59 items. Add --with-backups to delete it.",
    )


def test_delete_with_backups_removes_the_schedule_first() -> None:
    runs = (backup("n-1", "Completed", 19), backup("n-2", "Failed", 20))
    plan = planned("schedule delete nightly --with-backups", schedule("nightly"), *runs)
    assert [step.kind for step in plan.steps] == ["Schedule", "DeleteBackupRequest", "DeleteBackupRequest"]
    assert "backup/n-1" in plan.reach.own_objects


def test_a_running_backup_stands_in_the_way_of_that() -> None:
    plan = planned("schedule delete nightly --with-backups", schedule("nightly"), backup("n-1", "InProgress", 19))
    assert [guard.code for guard in plan.refusals()] == ["backup-running"]


def test_the_list_says_status_in_words_and_the_next_run() -> None:
    rows = _table(
        answered(
            "schedule get",
            schedule("nightly", lastBackup="2026-11-21T01:00:19Z"),
            schedule("new"),
            schedule("off", spec={"paused": True}),
            schedule("held", lastSkipped="2026-11-23T01:00:00Z"),
            schedule("bad", "61 * * * *", phase="FailedValidation"),
        )
    )
    shown = {row[0]: (row[1], row[4]) for row in rows}
    assert shown == {
        "nightly": ("Enabled (active)", "Sun 2026-11-22 01:00"),
        "new": ("Enabled (no runs yet)", "Sun 2026-11-22 01:00"),
        "off": ("Paused", "-"),
        "held": ("Enabled (skipping)", "Tue 2026-11-24 01:00"),
        "bad": ("FailedValidation (doesn't run)", "-"),
    }


def test_the_description_tells_how_it_fared() -> None:
    runs = (backup("n-1", "Completed", 19), backup("n-2", "Failed", 20), backup("n-3", "Completed", 21))
    found = answered("schedule describe nightly", schedule("nightly", lastBackup="2026-11-21T01:00:19Z"), *runs)
    rows = dict(next(part for part in found.parts if isinstance(part, Fields)).rows)
    assert rows["Completed runs"] == "2 of 3"
    assert rows["Last Completed backup"].startswith("n-3")
    assert [row[0] for row in _table(found)] == ["n-3", "n-2", "n-1"]


def test_a_name_that_is_not_there_is_told() -> None:
    for line in ("schedule get nighty", "schedule describe nighty"):
        with pytest.raises(NotFound) as fault:
            answered(line, schedule("nightly"))
        assert fault.value.nearest == ("nightly",)


def test_the_week_shows_runs_skips_and_what_runs_too_often_in_words() -> None:
    items = (
        schedule("nightly", lastSkipped="2026-11-22T01:00:00Z"),
        schedule("often", "*/10 * * * *"),
        schedule("off", spec={"paused": True}),
    )
    found = answered("schedule calendar --days 2", *items)
    assert _table(found) == (
        ("Sun 2026-11-22", "01:00", "nightly", "skipped"),
        ("Mon 2026-11-23", "01:00", "nightly", ""),
    )
    said = [part.body for part in found.parts if isinstance(part, Text)]
    assert said == ["off: paused (every day at 01:00)", "often: every 10 minutes"]


def test_a_cluster_that_cannot_be_asked_is_told_beside_the_others() -> None:
    command = parse("schedule get -A")
    verb = verb_of(command.key)
    assert verb is not None
    assert verb.answer is not None
    world = {"prod": known(schedule("nightly")), "edge": Unreachable("edge", "Cluster edge doesn't respond.")}
    found = verb.answer(command, world, HERE)
    assert "edge couldn't be read" in found.parts[0].body
    assert [row[:2] for row in _table(found)] == [("prod", "nightly")]


def _table(answer: Answer) -> tuple[tuple[str, ...], ...]:
    return next(part for part in answer.parts if isinstance(part, Table)).rows
