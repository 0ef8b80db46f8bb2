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
def test_the_last_one_that_had_ended_by_then(line: str, name: str) -> None:
    assert chosen(shelf(MORNING, NOON), line) == name


@pytest.mark.parametrize("included", [("*",), ("sh*",), ("shop", "billing")])
def test_a_wider_one_counts(included: tuple[str, ...]) -> None:
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
def test_one_that_does_not_hold_all_of_it_does_not(other: Json) -> None:
    assert chosen(shelf(MORNING, other), "--latest --include-namespaces shop") == "morning"


def test_where_there_is_none_the_moment_is_told_as_people_say_it() -> None:
    with pytest.raises(NotFound, match=r"There is no Completed backup of that from before 2026-11-21 05:00:00 UTC"):
        chosen(shelf(MORNING), "--before 05:00 --include-namespaces shop")


def listed(held: Shelf, *places: str) -> Shelf:
    contents = {"v1/ConfigMap": [f"{place}/a" for place in places]}
    held.files[FileNeed("BackupResourceList", "noon")] = json.dumps(contents).encode()
    return held


NOTES = [
    ("--include-namespaces sh*", "That is For example shop, shop-db."),
    ("--exclude-namespaces shop", "Namespaces: billing, shop-db."),
    ("", "That is billing, For example shop, shop-db."),
]


@pytest.mark.parametrize(("line", "said"), NOTES)
def test_patterns_are_shown_as_the_names_they_mean(line: str, said: str) -> None:
    held = listed(shelf(made("noon", "10:55", "11:05", "*")), "shop", "shop-db", "billing")
    assert said in held.plans(f"restore create r1 --from-backup noon {line}").notes


def test_names_alone_need_no_list() -> None:
    held = listed(shelf(made("noon", "10:55", "11:05", "*")), "shop", "shop-db")
    notes = held.plans("restore create r1 --from-backup noon --include-namespaces shop").notes
    assert not any(note.startswith("That is") for note in notes)


def guards(line: str) -> dict[str, Level]:
    held = listed(shelf(made("noon", "10:55", "11:05", "*")), "shop", "shop-db")
    return {guard.code: guard.level for guard in held.plans(f"restore create r1 --from-backup noon {line}").guards}


@pytest.mark.parametrize("line", ["--include-namespaces sh[op", "--include-namespaces shop --exclude-namespaces x]y"])
def test_brackets_that_velero_does_not_take_are_refused(line: str) -> None:
    assert guards(line)["bad-list"] is Level.REFUSE


def test_leaving_out_what_is_not_there_is_told() -> None:
    assert guards("--exclude-namespaces shpo-db")["nothing-left-out"] is Level.WARN
    assert "nothing-left-out" not in guards("--exclude-namespaces shop-*")


def test_somebody_elses_broken_schedule_is_in_nobodys_way() -> None:
    template = {"includedNamespaces": ["sh[op"]}
    odd = resource("Schedule", "odd", {"schedule": "0 3 * * *", "template": template}, {"phase": "FailedValidation"})
    assert chosen(shelf(NOON).put("schedules", odd), "--from-backup noon --include-namespaces shop") == "noon"


LOCAL = "kubectl delete widget.example.org a -n shop"


def kept(held: Shelf, *, restore: str = "", uid: str = NET["metadata"]["uid"], name: str = "r0-safety") -> Shelf:
    """With what the operation that made r0 keeps of its safety backup."""
    held.records[RecordTable.SAFETY_BACKUPS] = [SafetyBackup(restore, name, uid)]
    return held


def undo(held: Shelf) -> Any:
    return held.plans("restore create --undo r0")


def test_a_backup_under_the_name_of_a_safety_backup_is_none() -> None:
    with pytest.raises(NotFound, match="there is no safety backup of it"):
        undo(shelf(NOON, NET))


def test_one_that_was_put_in_its_place_is_none() -> None:
    with pytest.raises(NotFound, match="is not the safety backup that it made"):
        undo(kept(shelf(NOON, NET), uid="uid-of-the-real-one"))


def test_nor_is_that_of_an_earlier_restore_of_the_same_name() -> None:
    held = kept(shelf(NOON, NET), restore="uid-of-the-earlier-r0")
    assert undo(held).steps[-1].manifest["spec"]["backupName"] == "r0-safety"
    with pytest.raises(NotFound, match="there is no safety backup of it"):
        undo(held.put("restores", resource("Restore", "r0", {"backupName": "noon"}, {"phase": "Completed"})))


def test_whatever_its_name_is() -> None:
    other = made("r0-safety-abc", "10:00", "10:05")
    held = kept(shelf(NOON, NET, other), name="r0-safety-abc", uid=other["metadata"]["uid"])
    assert undo(held).steps[-1].manifest["spec"]["backupName"] == "r0-safety-abc"


def test_a_name_that_was_taken_first_keeps_nobody_from_restoring() -> None:
    plan = shelf(NOON, NET).plans("restore create r0 --from-backup noon --safety-backup")
    (first, last) = (step.name for step in plan.steps)
    assert (first.startswith("r0-safety-"), last) == (True, "r0")
    assert "name-exists" not in {guard.code for guard in plan.guards}


def test_taking_back_needs_the_safety_backup() -> None:
    with pytest.raises(NotFound, match="Restore 'r0' cannot be taken back: there is no safety backup of it"):
        undo(shelf(NOON))


def test_what_a_restore_made_is_listed_with_the_command_that_removes_it() -> None:
    held = kept(shelf(NOON, NET))
    made = {
        "example.org/v1/Widget": ["shop/a(created)", "shop/b(skipped)"],
        "v1/ConfigMap": ["shop/settings(created)", "shop/other(updated)"],
        "apps/v1/Deployment": ["shop/web(created)"],
        "v1/Namespace": ["shop-copy(created)"],
    }
    held.files[FileNeed("RestoreResourceList", "r0")] = json.dumps(made).encode()
    (said,) = [note for note in undo(held).notes if "stay unless removed" in note]
    for command in (
        LOCAL,
        "kubectl delete configmap settings -n shop",
        "kubectl delete deployment web -n shop",
        "kubectl delete namespace shop-copy",
    ):
        assert command in said
    assert "other" not in said
    assert " b " not in said
