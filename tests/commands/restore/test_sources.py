"""Which backup a restore reads, which namespaces its patterns mean, and what is said of them."""

import json
from typing import Any

import pytest

from commands.planning.facts import FileNeed, RecordTable
from commands.restore.safety_backup import SafetyBackup
from domain.errors import NotFound
from domain.json_types import Json
from domain.plan import Level
from tests.commands.shelf import Shelf, backup, location, namespace, resource


def made(name: str, began: str, ended: str, *included: str, **spec: Any) -> Json:
    body = backup(name, includedNamespaces=list(included) or ["shop"], **spec)
    body["status"] |= {"startTimestamp": f"2026-11-21T{began}:00Z", "completionTimestamp": f"2026-11-21T{ended}:00Z"}
    return body


def shelf(*backups: Json) -> Shelf:
    return (
        Shelf()
        .put("backups", *backups)
        .put("backupstoragelocations", location("default", default=True))
        .put("namespaces", namespace("shop"), namespace("billing"))
    )


def chosen(held: Shelf, line: str) -> str:
    return str(held.plans(f"restore create r1 {line}").steps[-1].manifest["spec"]["backupName"])


MORNING, NOON = made("morning", "06:00", "06:05"), made("noon", "10:55", "11:05")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("--latest --include-namespaces shop", "noon"),
        ("--before 11:05 --include-namespaces shop", "noon"),
        ("--before 11:04 --include-namespaces shop", "morning"),
        ("--latest --include-namespaces sh*", "noon"),
        ("--latest --include-namespaces ^sh.+$", "noon"),
    ],
)
def test_before_chooses_the_last_backup_that_had_ended(line: str, name: str) -> None:
    assert chosen(shelf(MORNING, NOON), line) == name


@pytest.mark.parametrize("included", [("*",), ("sh*",), ("shop", "billing")])
def test_a_backup_of_more_namespaces_is_chosen(included: tuple[str, ...]) -> None:
    assert (
        chosen(shelf(MORNING, made("wide", "10:00", "10:05", *included)), "--latest --include-namespaces shop")
        == "wide"
    )


NET = made("r0-safety", "10:00", "10:05")
NET["metadata"]["labels"] = {"velero-chatops.io/operation": "op-1"}


@pytest.mark.parametrize(
    "other",
    [
        made("others", "10:00", "10:05", "billing"),
        made("odd", "10:00", "10:05", "sh[op"),
        made("settings-only", "10:00", "10:05", includedResources=["configmaps"]),
        made("labelled", "10:00", "10:05", labelSelector={"matchLabels": {"a": "b"}}),
        made("but-shop", "10:00", "10:05", "*", excludedNamespaces=["sh*"]),
        NET,
    ],
)
def test_a_backup_without_all_objects_is_not_chosen(other: Json) -> None:
    assert chosen(shelf(MORNING, other), "--latest --include-namespaces shop") == "morning"


def test_without_a_match_the_error_names_namespace_and_time() -> None:
    with pytest.raises(NotFound, match=r"Namespace `shop` has no Completed backup before 2026-11-21 05:00:00 UTC"):
        chosen(shelf(MORNING), "--before 05:00 --include-namespaces shop")


def listed(held: Shelf, *places: str) -> Shelf:
    contents = {"v1/ConfigMap": [f"{place}/a" for place in places]}
    held.files[FileNeed("BackupResourceList", "noon")] = json.dumps(contents).encode()
    return held


NOTES = [
    ("--include-namespaces sh*", "Namespaces: shop, shop-db."),
    ("--exclude-namespaces shop", "Namespaces: billing, shop-db."),
    ("", "Namespaces: billing, shop, shop-db."),
]


@pytest.mark.parametrize(("line", "said"), NOTES)
def test_patterns_are_shown_as_the_namespaces_they_match(line: str, said: str) -> None:
    held = listed(shelf(made("noon", "10:55", "11:05", "*")), "shop", "shop-db", "billing")
    assert said in held.plans(f"restore create r1 --from-backup noon {line}").notes


def test_plain_names_need_no_list() -> None:
    held = listed(shelf(made("noon", "10:55", "11:05", "*")), "shop", "shop-db")
    notes = held.plans("restore create r1 --from-backup noon --include-namespaces shop").notes
    assert not any(note.startswith("Namespaces:") for note in notes)


def guards(line: str) -> dict[str, Level]:
    held = listed(shelf(made("noon", "10:55", "11:05", "*")), "shop", "shop-db")
    return {guard.code: guard.level for guard in held.plans(f"restore create r1 --from-backup noon {line}").guards}


@pytest.mark.parametrize("line", ["--include-namespaces sh[op", "--include-namespaces shop --exclude-namespaces x]y"])
def test_patterns_that_velero_does_not_support_are_refused(line: str) -> None:
    assert guards(line)["bad-list"] is Level.REFUSE


def test_excluding_an_unknown_namespace_is_a_warning() -> None:
    assert guards("--exclude-namespaces shpo-db")["nothing-left-out"] is Level.WARN
    assert "nothing-left-out" not in guards("--exclude-namespaces shop-*")


def test_a_broken_schedule_blocks_no_restore() -> None:
    template = {"includedNamespaces": ["sh[op"]}
    odd = resource("Schedule", "odd", {"schedule": "0 3 * * *", "template": template}, {"phase": "FailedValidation"})
    assert chosen(shelf(NOON).put("schedules", odd), "--from-backup noon --include-namespaces shop") == "noon"


LOCAL = "kubectl delete widget.example.org a -n shop"


def kept(held: Shelf, *, restore: str = "", uid: str = NET["metadata"]["uid"], name: str = "r0-safety") -> Shelf:
    """The shelf with the safety backup that the operation of r0 recorded."""
    held.records[RecordTable.SAFETY_BACKUPS] = [SafetyBackup(restore, name, uid)]
    return held


def undo(held: Shelf) -> Any:
    return held.plans("restore create --undo r0")


def test_a_backup_with_the_expected_name_is_not_a_safety_backup() -> None:
    with pytest.raises(NotFound, match="it has no safety backup"):
        undo(shelf(NOON, NET))


def test_a_backup_that_replaced_the_safety_backup_is_refused() -> None:
    with pytest.raises(NotFound, match="backup `r0-safety` isn't its safety backup"):
        undo(kept(shelf(NOON, NET), uid="uid-of-the-real-one"))


def test_the_safety_backup_of_an_earlier_restore_is_not_used() -> None:
    held = kept(shelf(NOON, NET), restore="uid-of-the-earlier-r0")
    assert undo(held).steps[-1].manifest["spec"]["backupName"] == "r0-safety"
    with pytest.raises(NotFound, match="it has no safety backup"):
        undo(held.put("restores", resource("Restore", "r0", {"backupName": "noon"}, {"phase": "Completed"})))


def test_the_safety_backup_may_have_another_name() -> None:
    other = made("r0-safety-abc", "10:00", "10:05")
    held = kept(shelf(NOON, NET, other), name="r0-safety-abc", uid=other["metadata"]["uid"])
    assert undo(held).steps[-1].manifest["spec"]["backupName"] == "r0-safety-abc"


def test_a_taken_name_does_not_block_the_restore() -> None:
    plan = shelf(NOON, NET).plans("restore create r0 --from-backup noon --safety-backup")
    (first, last) = (step.name for step in plan.steps)
    assert (first.startswith("r0-safety-"), last) == (True, "r0")
    assert "name-exists" not in {guard.code for guard in plan.guards}


def test_undo_needs_the_safety_backup() -> None:
    with pytest.raises(NotFound, match="Restore `r0` can't be undone: it has no safety backup"):
        undo(shelf(NOON))


def test_undo_lists_created_objects_with_delete_commands() -> None:
    held = kept(shelf(NOON, NET))
    made = {
        "example.org/v1/Widget": ["shop/a(created)", "shop/b(skipped)"],
        "v1/ConfigMap": ["shop/settings(created)", "shop/other(updated)"],
        "apps/v1/Deployment": ["shop/web(created)"],
        "v1/Namespace": ["shop-copy(created)"],
    }
    held.files[FileNeed("RestoreResourceList", "r0")] = json.dumps(made).encode()
    (said,) = [note for note in undo(held).notes if "stay unless you delete them" in note]
    for command in (
        LOCAL,
        "kubectl delete configmap settings -n shop",
        "kubectl delete deployment web -n shop",
        "kubectl delete namespace shop-copy",
    ):
        assert command in said
    assert "other" not in said
    assert " b " not in said
