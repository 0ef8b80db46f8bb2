"""`backup get`, `cancel`, `delete`, and the flags of `backup create` that only the bot has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from commands.backup import get
from commands.backup.get import MAX_UNASKED_ROWS
from commands.backup.kots import logical_backups
from commands.planning.context import Application
from domain.answer import Attachment, Table
from domain.errors import NotFound, Refused, Unreachable, UsageError
from tests.commands.shelf import Shelf, backup, dumped, location, namespace, resource, shown, situation

PAIR_LABEL = "replicated.com/backup-name"


def shelf(*items: Any) -> Shelf:
    return Shelf().put("backups", *items).put("backupstoragelocations", location("default", default=True))


def rows(answer: Any) -> list[str]:
    return [row[0] for part in answer.parts if isinstance(part, Table) for row in part.rows]


def codes(plan: Any) -> list[str]:
    return [guard.code for guard in plan.refusals()]


# get


def test_the_newest_backup_comes_first() -> None:
    shelf_ = shelf(backup("old", started="2026-11-01T00:00:00Z"), backup("new", started="2026-11-20T00:00:00Z"))
    assert rows(shelf_.says("backup get")) == ["new", "old"]


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


def test_a_long_list_has_pages() -> None:
    shelf_ = shelf(*(backup(f"b{number:02}", started=f"2026-11-{number + 1:02}T00:00:00Z") for number in range(25)))
    first = shelf_.says("backup get --search b")
    assert first.headline == "25 backups, showing 1–20 (page 1)"
    assert [button.line for button in first.buttons] == ["backup get --search b --page 2 --cluster prod"]
    second = shelf_.says(first.buttons[0].line)
    assert rows(second) == ["b04", "b03", "b02", "b01", "b00"]
    assert [button.line for button in second.buttons] == ["backup get --search b --page 1 --cluster prod"]


def attached(answer) -> list[str]:
    return [part.body for part in answer.parts if isinstance(part, Attachment)]


@pytest.mark.parametrize("count", [MAX_UNASKED_ROWS, MAX_UNASKED_ROWS + 1, 3_000])
def test_a_page_renders_only_its_rows_and_a_long_list_is_a_file_only_where_it_is_asked_for(count, monkeypatch) -> None:
    rendered: list[str] = []
    cells = get._cells

    def counting(cmd, row, context, *, several):
        rendered.append(row.backup.name)
        return cells(cmd, row, context, several=several)

    monkeypatch.setattr(get, "_cells", counting)
    many = shelf(*(backup(f"b{number}", started="2026-11-01T00:00:00Z") for number in range(count)))
    answer = many.says("backup get")
    assert (len(attached(answer)), "--file" in shown(answer)) == (
        (1, False) if count == MAX_UNASKED_ROWS else (0, True)
    )
    assert len(rendered) == 20 + (count if attached(answer) else 0)
    del rendered[:]
    assert not attached(many.says("backup get --page 2"))
    assert len(rendered) == 20
    (text,) = attached(many.says("backup get --file"))
    assert len(text.splitlines()) == count + 1


def test_a_short_list_is_a_file_where_it_is_asked_for() -> None:
    assert attached(shelf(backup("a")).says("backup get")) == []
    assert len(attached(shelf(backup("a")).says("backup get --file"))) == 1


def test_several_clusters_share_a_table_and_an_unreachable_one_is_reported() -> None:
    unreachable = Unreachable("far", "Cluster far doesn't respond.")
    answer = shelf(backup("a")).says_over("backup get -A", {"far": unreachable, "near": shelf(backup("b"))})
    assert sorted(row[0] for part in answer.parts if isinstance(part, Table) for row in part.rows) == ["near", "prod"]
    assert "Cluster far doesn't respond." in shown(answer)


def test_yaml_output_is_the_object() -> None:
    assert dumped(shelf(backup("a")).says("backup get a -o yaml"))["metadata"]["name"] == "a"


def test_wide_output_adds_the_size_of_volume_data() -> None:
    volume = resource(
        "PodVolumeBackup", "a-1", {}, {"progress": {"totalBytes": 2048}}, labels={"velero.io/backup-name": "a"}
    )
    assert "2.0 KiB" in shown(shelf(backup("a")).put("podvolumebackups", volume).says("backup get -o wide"))


def test_labels_are_columns() -> None:
    item = backup("a")
    item["metadata"]["labels"] = {"team": "shop"}
    text = shown(shelf(item).says("backup get -L team --show-labels"))
    assert "team  LABELS" in text
    assert "shop  team=shop" in text


def pair(phase: str = "Completed", parts: str = "2") -> list[Any]:
    found = []
    for kind in ("infra", "app"):
        item = backup(f"instance-{kind}", phase)
        item["metadata"]["labels"] = {PAIR_LABEL: "instance-abcd"}
        item["metadata"]["annotations"] = {
            "replicated.com/backup-type": kind,
            "replicated.com/backup-count": parts,
            "replicated.com/disaster-recovery-version": "1",
            "kots.io/snapshot-trigger": "schedule",
        }
        found.append(item)
    return found


def test_a_kots_pair_is_shown_as_one_backup() -> None:
    answer = shelf(*pair()).says("backup get -o wide")
    assert rows(answer) == ["instance-abcd (2 parts)"]
    assert "KOTS schedule" in shown(answer)
    assert "full (KOTS)" in shown(answer)


def test_a_pair_with_a_missing_member_is_failed() -> None:
    assert logical_backups(pair()[:1])[0].phase == "Failed"


def test_a_pair_has_the_worse_phase_of_its_members() -> None:
    good, bad = pair()
    bad["status"]["phase"] = "PartiallyFailed"
    assert logical_backups([good, bad])[0].phase == "PartiallyFailed"


def test_a_pair_waiting_for_plugins_is_still_running() -> None:
    assert (
        logical_backups(pair("WaitingForPluginOperationsPartiallyFailed"))[0].phase
        == "WaitingForPluginOperationsPartiallyFailed"
    )


def test_either_name_deletes_the_whole_pair() -> None:
    for name in ("instance-abcd", "instance-infra"):
        plan = shelf(*pair()).plans(f"backup delete {name}")
        assert [step.manifest["spec"]["backupName"] for step in plan.steps] == ["instance-app", "instance-infra"]


# cancel


def test_a_queued_backup_with_a_location_is_removed_by_a_deletion_request() -> None:
    step = shelf(backup("a", "Queued")).plans("backup cancel a").steps[0]
    assert (step.verb, step.kind, step.uid) == ("create", "DeleteBackupRequest", "uid-a")


def test_a_queued_backup_without_a_location_is_deleted_itself() -> None:
    item = backup("a", "Queued")
    del item["spec"]["storageLocation"]
    step = shelf(item).plans("backup cancel a").steps[0]
    assert (step.verb, step.kind, step.name) == ("delete", "Backup", "a")


def test_a_running_backup_cannot_be_stopped() -> None:
    assert codes(shelf(backup("a", "InProgress")).plans("backup cancel a")) == ["backup-running"]


def test_a_finished_backup_cannot_be_cancelled() -> None:
    plan = shelf(backup("a")).plans("backup cancel a")
    assert "delete it" in plan.refusals()[0].text
    assert plan.refusals()[0].nearest == ()


# create with the bot's own flags


def create(line: str, shelf_: Shelf | None = None) -> Any:
    return (shelf_ or namespaces_shelf()).plans(f"backup create b1 {line}")


def namespaces_shelf() -> Shelf:
    shelf_ = shelf().put(
        "namespaces", namespace("shop", env="prod"), namespace("bank", env="prod"), namespace("lab", env="test")
    )
    presets = {"production": "env=prod", "non-production": "env notin (prod)", "unset": ""}
    apps = (Application("web", ("shop",), "app=web", {"ttl": "48h0m0s"}), Application("core", ("bank", "shop")))
    shelf_.situation = situation(presets=presets, applications=apps, platform_namespaces=("console",), operation="op-1")
    return shelf_


def manifest(plan: Any) -> Any:
    return plan.steps[-1].manifest


def test_a_missing_name_is_suggested_in_a_command_that_works() -> None:
    with pytest.raises(UsageError) as error:
        namespaces_shelf().plans("backup create --include-namespaces shop --ttl 2d")
    assert namespaces_shelf().plans(error.value.fix).subject.startswith("shop-2026")


@pytest.mark.parametrize(
    ("preset", "names"), [("all", ["*"]), ("production", ["bank", "shop"]), ("non-production", ["lab"])]
)
def test_a_preset_is_resolved_to_namespace_names(preset: str, names: list[str]) -> None:
    plan = create(f"--namespaces {preset}")
    assert manifest(plan)["spec"]["includedNamespaces"] == names
    assert preset in plan.notes[0]
    assert "--include-namespaces" in plan.cli
    assert "--namespaces " not in plan.cli.replace("--include-namespaces ", "")


def test_a_preset_includes_only_namespaces_that_the_requester_can_access() -> None:
    shelf_ = namespaces_shelf().sees_only("shop")
    assert manifest(create("--namespaces production", shelf_))["spec"]["includedNamespaces"] == ["shop"]


@pytest.mark.parametrize("line", ["--namespaces prod", "--namespaces unset", "--namespaces all --include-namespaces x"])
def test_invalid_presets_are_refused(line: str) -> None:
    with pytest.raises(UsageError):
        create(line)


def test_a_preset_without_a_match_is_refused() -> None:
    shelf_ = shelf()
    shelf_.situation = replace(namespaces_shelf().situation)
    with pytest.raises(NotFound):
        create("--namespaces production", shelf_)


def test_full_includes_every_application_and_the_platform() -> None:
    plan = create("--type full")
    spec = manifest(plan)["spec"]
    assert spec["includedNamespaces"] == ["bank", "console", "shop"]
    assert spec["includeClusterResources"] is True
    assert "labelSelector" not in spec
    assert manifest(plan)["metadata"]["annotations"]["velero-chatops.io/type"] == "full"


def test_partial_includes_one_application_with_its_template() -> None:
    plan = create("--type partial --app web")
    spec = manifest(plan)["spec"]
    assert spec["includedNamespaces"] == ["shop"]
    assert spec["labelSelector"] == {"matchLabels": {"app": "web"}}
    assert spec["ttl"] == "48h0m0s"
    assert any("aren't suitable for disaster recovery" in note for note in plan.notes)


def test_a_flag_overrides_the_template() -> None:
    assert manifest(create("--type partial --app web --ttl 1h"))["spec"]["ttl"] == "1h0m0s"


def test_an_application_of_kots_is_discovered() -> None:
    item = backup("x-1", includedNamespaces=["wiki"], labelSelector={"matchLabels": {"kots.io/app-slug": "wiki"}})
    item["metadata"]["annotations"] = {"kots.io/app-id": "7"}
    shelf_ = shelf(item)
    plan = create("--type partial --app wiki", shelf_)
    assert manifest(plan)["spec"]["labelSelector"] == {"matchLabels": {"kots.io/app-slug": "wiki"}}


@pytest.mark.parametrize(
    "line",
    ["--type partial", "--app web", "--type full --app web", "--type full --from-schedule s", "--type half"],
)
def test_invalid_types_are_refused(line: str) -> None:
    with pytest.raises(UsageError):
        create(line)


def test_an_unknown_application_gets_the_nearest_names() -> None:
    with pytest.raises(NotFound) as error:
        create("--type partial --app wbe")
    assert error.value.nearest == ("web",)


def test_a_description_keeps_its_characters() -> None:
    plan = create("--description 'Before “the” upgrade — at last…'")
    assert (
        manifest(plan)["metadata"]["annotations"]["velero-chatops.io/description"] == "Before “the” upgrade — at last…"
    )


def test_a_long_description_is_refused() -> None:
    with pytest.raises(UsageError, match="301 characters"):
        create(f"--description {'x' * 301}")


POLICY = "{version: v1, volumePolicies: [{conditions: {nfs: {}}, action: {type: skip}}]}"


def test_an_inline_policy_becomes_an_immutable_config_map_first() -> None:
    plan = create(f"--include-namespaces shop --resource-policy '{POLICY}'")
    config_map, backup_step = plan.steps
    assert (config_map.kind, config_map.manifest["immutable"], config_map.manifest["data"]) == (
        "ConfigMap",
        True,
        {"policies.yaml": POLICY},
    )
    assert backup_step.manifest["spec"]["resourcePolicy"]["name"] == config_map.name == "policy-op-1"
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
def test_an_invalid_policy_is_refused_at_once(text: str) -> None:
    with pytest.raises(UsageError):
        create(f"--resource-policy '{text}'")


def test_the_content_of_an_existing_policy_is_part_of_the_fingerprint() -> None:
    def plan_of(text: str) -> Any:
        found = {"kind": "ConfigMap", "metadata": {"name": "p"}, "data": {"x": text}}
        return create(
            "--include-namespaces shop --resource-policies-configmap p", namespaces_shelf().put("configmaps", found)
        )

    assert plan_of(POLICY).fingerprint != plan_of(POLICY.replace("skip", "snapshot")).fingerprint
    assert plan_of(POLICY).reach.reads == frozenset({"shop"})


def test_a_missing_policy_is_refused() -> None:
    assert "unknown-policy" in codes(create("--resource-policies-configmap nope"))


def test_an_application_with_other_namespaces_is_hidden() -> None:
    with pytest.raises(NotFound) as error:
        create("--type partial --app core", namespaces_shelf().sees_only("shop"))
    assert error.value.nearest == ("web",)


def test_a_full_backup_is_refused_without_access_to_every_application() -> None:
    with pytest.raises(Refused) as error:
        create("--type full", namespaces_shelf().sees_only("shop"))
    assert "bank" not in f"{error.value.text} {error.value.why} {error.value.fix}"
