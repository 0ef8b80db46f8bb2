"""`backup get`, `cancel`, `delete`, and our own words of `backup create`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from commands.backup.kots import logical_backups
from commands.planning.context import Application
from domain.answer import Table
from domain.errors import NotFound, Refused, Unreachable, UsageError
from tests.commands.shelf import Shelf, backup, dumped, location, namespace, resource, shown, situation

DR = "replicated.com/backup-name"


def shelf(*items: Any) -> Shelf:
    return Shelf().put("backups", *items).put("backupstoragelocations", location("default", default=True))


def rows(answer: Any) -> list[str]:
    return [row[0] for part in answer.parts if isinstance(part, Table) for row in part.rows]


def codes(plan: Any) -> list[str]:
    return [guard.code for guard in plan.refusals()]


# get


def test_the_newest_stands_first() -> None:
    held = shelf(backup("old", started="2026-11-01T00:00:00Z"), backup("new", started="2026-11-20T00:00:00Z"))
    assert rows(held.says("backup get")) == ["new", "old"]


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("--status Failed", ["bad"]),
        ("--status 'part*,failed'", ["bad"]),
        ("--status expired", ["gone"]),
        ("--schedule nightly", ["good"]),
        ("--created-by @ada", ["bad"]),
        ("--since 36h", ["good"]),
        ("--search oo", ["good"]),
        ("-l team=shop", ["good"]),
    ],
)
def test_filters(flags: str, found: list[str]) -> None:
    good = backup("good", started="2026-11-21T00:00:00Z")
    good["metadata"]["labels"] = {"velero.io/schedule-name": "nightly", "team": "shop"}
    bad = backup("bad", "Failed", started="2026-11-01T00:00:00Z")
    bad["metadata"]["annotations"] = {"velero-chatops.io/requested-by": "ada"}
    gone = backup("gone", started="2026-10-01T00:00:00Z")
    gone["status"]["expiration"] = "2026-11-01T00:00:00Z"
    assert rows(shelf(good, bad, gone).says(f"backup get {flags}")) == found


def test_a_long_list_has_pages_and_the_whole_as_a_file() -> None:
    held = shelf(*(backup(f"b{number:02}", started=f"2026-11-{number + 1:02}T00:00:00Z") for number in range(25)))
    first = held.says("backup get --search b")
    assert first.headline == "25 backups, showing 1–20 (page 1)"
    assert [button.line for button in first.buttons] == ["backup get --search b --page 2 --cluster prod"]
    second = held.says(first.buttons[0].line)
    assert rows(second) == ["b04", "b03", "b02", "b01", "b00"]
    assert [button.line for button in second.buttons] == ["backup get --search b --page 1 --cluster prod"]


def test_several_clusters_stand_side_by_side_and_a_silent_one_is_said() -> None:
    silent = Unreachable("far", "Cluster far doesn't respond.")
    answer = shelf(backup("a")).says_over("backup get -A", {"far": silent, "near": shelf(backup("b"))})
    assert sorted(row[0] for part in answer.parts if isinstance(part, Table) for row in part.rows) == ["near", "prod"]
    assert "far couldn't be read" in shown(answer)


def test_yaml_is_the_object_itself() -> None:
    assert dumped(shelf(backup("a")).says("backup get a -o yaml"))["metadata"]["name"] == "a"


def test_wide_adds_sizes_from_what_moved() -> None:
    moved = resource(
        "PodVolumeBackup", "a-1", {}, {"progress": {"totalBytes": 2048}}, labels={"velero.io/backup-name": "a"}
    )
    assert "2.0 KiB" in shown(shelf(backup("a")).put("podvolumebackups", moved).says("backup get -o wide"))


def test_labels_as_columns() -> None:
    item = backup("a")
    item["metadata"]["labels"] = {"team": "shop"}
    said = shown(shelf(item).says("backup get -L team --show-labels"))
    assert "team  LABELS" in said
    assert "shop  team=shop" in said


def pair(phase: str = "Completed", parts: str = "2") -> list[Any]:
    found = []
    for kind in ("infra", "app"):
        item = backup(f"instance-{kind}", phase)
        item["metadata"]["labels"] = {DR: "instance-abcd"}
        item["metadata"]["annotations"] = {
            "replicated.com/backup-type": kind,
            "replicated.com/backup-count": parts,
            "replicated.com/disaster-recovery-version": "1",
            "kots.io/snapshot-trigger": "schedule",
        }
        found.append(item)
    return found


def test_a_pair_of_kots_is_shown_as_one() -> None:
    answer = shelf(*pair()).says("backup get -o wide")
    assert rows(answer) == ["instance-abcd (2 parts)"]
    assert "KOTS schedule" in shown(answer)
    assert "full (KOTS)" in shown(answer)


def test_half_a_pair_is_a_failure() -> None:
    assert logical_backups(pair()[:1])[0].phase == "Failed"


def test_a_pair_is_as_bad_as_its_worse_half() -> None:
    good, bad = pair()
    bad["status"]["phase"] = "PartiallyFailed"
    assert logical_backups([good, bad])[0].phase == "PartiallyFailed"


def test_waiting_for_plugins_after_a_fault_is_still_running() -> None:
    assert (
        logical_backups(pair("WaitingForPluginOperationsPartiallyFailed"))[0].phase
        == "WaitingForPluginOperationsPartiallyFailed"
    )


def test_a_pair_is_deleted_together_by_either_name() -> None:
    for name in ("instance-abcd", "instance-infra"):
        plan = shelf(*pair()).plans(f"backup delete {name}")
        assert [step.manifest["spec"]["backupName"] for step in plan.steps] == ["instance-app", "instance-infra"]


# cancel


def test_a_queued_one_that_names_its_location_goes_by_request() -> None:
    step = shelf(backup("a", "Queued")).plans("backup cancel a").steps[0]
    assert (step.verb, step.kind, step.uid) == ("create", "DeleteBackupRequest", "uid-a")


def test_one_without_a_location_is_taken_back_itself() -> None:
    item = backup("a", "Queued")
    del item["spec"]["storageLocation"]
    step = shelf(item).plans("backup cancel a").steps[0]
    assert (step.verb, step.kind, step.name) == ("delete", "Backup", "a")


def test_a_running_one_cannot_be_stopped() -> None:
    assert codes(shelf(backup("a", "InProgress")).plans("backup cancel a")) == ["backup-running"]


def test_one_that_is_done_is_deleted_not_cancelled() -> None:
    plan = shelf(backup("a")).plans("backup cancel a")
    assert "delete it" in plan.refusals()[0].text
    assert plan.refusals()[0].nearest == ()


# create in our own words


def create(line: str, held: Shelf | None = None) -> Any:
    return (held or spaces()).plans(f"backup create b1 {line}")


def spaces() -> Shelf:
    held = shelf().put(
        "namespaces", namespace("shop", env="prod"), namespace("bank", env="prod"), namespace("lab", env="test")
    )
    presets = {"production": "env=prod", "non-production": "env notin (prod)", "unset": ""}
    apps = (Application("web", ("shop",), "app=web", {"ttl": "48h0m0s"}), Application("core", ("bank", "shop")))
    held.situation = situation(presets=presets, applications=apps, platform_namespaces=("console",), operation="op-1")
    return held


def manifest(plan: Any) -> Any:
    return plan.steps[-1].manifest


@pytest.mark.parametrize(
    ("preset", "names"), [("all", ["*"]), ("production", ["bank", "shop"]), ("non-production", ["lab"])]
)
def test_a_preset_is_resolved_to_names_that_are_shown(preset: str, names: list[str]) -> None:
    plan = create(f"--namespaces {preset}")
    assert manifest(plan)["spec"]["includedNamespaces"] == names
    assert preset in plan.notes[0]
    assert "--include-namespaces" in plan.cli
    assert "--namespaces " not in plan.cli.replace("--include-namespaces ", "")


def test_a_preset_takes_nothing_that_the_asker_does_not_see() -> None:
    held = spaces().sees_only("shop")
    assert manifest(create("--namespaces production", held))["spec"]["includedNamespaces"] == ["shop"]


@pytest.mark.parametrize("line", ["--namespaces prod", "--namespaces unset", "--namespaces all --include-namespaces x"])
def test_presets_that_cannot_be(line: str) -> None:
    with pytest.raises(UsageError):
        create(line)


def test_a_preset_that_matches_nothing_is_no_backup_of_everything() -> None:
    held = shelf()
    held.situation = replace(spaces().situation)
    with pytest.raises(NotFound):
        create("--namespaces production", held)


def test_full_takes_every_application_and_the_platform() -> None:
    plan = create("--type full")
    spec = manifest(plan)["spec"]
    assert spec["includedNamespaces"] == ["bank", "console", "shop"]
    assert spec["includeClusterResources"] is True
    assert "labelSelector" not in spec
    assert manifest(plan)["metadata"]["annotations"]["velero-chatops.io/type"] == "full"


def test_partial_takes_one_application_with_its_template_and_says_what_it_is_not() -> None:
    plan = create("Add --type partial.")
    spec = manifest(plan)["spec"]
    assert spec["includedNamespaces"] == ["shop"]
    assert spec["labelSelector"] == {"matchLabels": {"app": "web"}}
    assert spec["ttl"] == "48h0m0s"
    assert any("not suitable for disaster recovery" in note for note in plan.notes)


def test_what_the_command_says_stands_before_the_template() -> None:
    assert manifest(create("Add --type partial."))["spec"]["ttl"] == "1h0m0s"


def test_an_application_that_kots_left_is_found() -> None:
    item = backup("x-1", includedNamespaces=["wiki"], labelSelector={"matchLabels": {"kots.io/app-slug": "wiki"}})
    item["metadata"]["annotations"] = {"kots.io/app-id": "7"}
    held = shelf(item)
    plan = create("Add --type partial.", held)
    assert manifest(plan)["spec"]["labelSelector"] == {"matchLabels": {"kots.io/app-slug": "wiki"}}


@pytest.mark.parametrize(
    "line",
    ["--type partial", "--app web", "--type full --app web", "--type full --from-schedule s", "--type half"],
)
def test_types_that_cannot_be(line: str) -> None:
    with pytest.raises(UsageError):
        create(line)


def test_an_unknown_application_gets_the_known_ones() -> None:
    with pytest.raises(NotFound) as fault:
        create("Add --type partial.")
    assert fault.value.nearest == ("web",)


def test_a_description_keeps_its_signs() -> None:
    plan = create("--description 'Before “the” upgrade — at last…'")
    assert (
        manifest(plan)["metadata"]["annotations"]["velero-chatops.io/description"] == "Before “the” upgrade — at last…"
    )


def test_a_description_is_short() -> None:
    with pytest.raises(UsageError, match="301 signs"):
        create(f"--description {'x' * 301}")


POLICY = "{version: v1, volumePolicies: [{conditions: {nfs: {}}, action: {type: skip}}]}"


def test_an_inline_policy_is_made_first_and_cannot_change() -> None:
    plan = create(f"--include-namespaces shop --resource-policy '{POLICY}'")
    made, written = plan.steps
    assert (made.kind, made.manifest["immutable"], made.manifest["data"]) == (
        "ConfigMap",
        True,
        {"policies.yaml": POLICY},
    )
    assert written.manifest["spec"]["resourcePolicy"]["name"] == made.name == "policy-op-1"
    assert plan.reach.reads == frozenset({"shop"})
    assert plan.reach.configmaps == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "version: [",
        "just words",
        "{version: v2, volumePolicies: []}",
        "{version: v1}",
        "{version: v1, volumePolicies: [{action: {type: skip}}]}",
        "{version: v1, volumePolicies: [{conditions: {}, action: {type: burn}}]}",
        "{version: v1, other: 1}",
    ],
)
def test_a_policy_that_velero_would_refuse_later_is_refused_now(text: str) -> None:
    with pytest.raises(UsageError):
        create(f"--resource-policy '{text}'")


def test_a_policy_of_the_cluster_is_part_of_what_is_approved() -> None:
    def plan_of(text: str) -> Any:
        found = {"kind": "ConfigMap", "metadata": {"name": "p"}, "data": {"x": text}}
        return create("--include-namespaces shop --resource-policies-configmap p", spaces().put("configmaps", found))

    assert plan_of(POLICY).fingerprint != plan_of(POLICY.replace("skip", "snapshot")).fingerprint
    assert plan_of(POLICY).reach.reads == frozenset({"shop"})


def test_a_policy_that_is_not_there_is_refused() -> None:
    assert "unknown-policy" in codes(create("--resource-policies-configmap nope"))


def test_an_application_over_others_namespaces_is_not_told_of() -> None:
    with pytest.raises(NotFound) as fault:
        create("Add --type partial.", spaces().sees_only("shop"))
    assert fault.value.nearest == ("web",)


def test_a_full_backup_is_not_for_who_sees_a_part() -> None:
    with pytest.raises(Refused) as fault:
        create("--type full", spaces().sees_only("shop"))
    assert "bank" not in f"{fault.value.text} {fault.value.why} {fault.value.fix}"
