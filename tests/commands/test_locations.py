"""Storage and snapshot locations: create, change, delete with checks, and list."""

from __future__ import annotations

from typing import Any

import pytest

from commands.grammar.parser import parse
from commands.planning.context import ClusterView
from domain.actor import Origin, Way
from domain.answer import Tone
from domain.errors import NotFound, UsageError
from domain.plan import Level, StepVerb
from domain.reach import EVERYTHING
from operations.confirmation import confirmation
from tests.commands.shelf import Shelf, backup, dumped, location, resource, shown, situation

CREATE = "backup-location create new --provider aws --bucket fresh --config region=eu"


def shelf(*items: Any) -> Shelf:
    return Shelf().put("backupstoragelocations", *(items or (location("default", default=True),)))


def codes(plan: Any, level: Level = Level.REFUSE) -> list[str]:
    return [guard.code for guard in plan.guards if guard.level is level]


def test_a_valid_location_passes_every_check_and_reaches_everything() -> None:
    plan = shelf().plans(CREATE)
    assert plan.guards == ()
    assert plan.reach.reads == plan.reach.writes == EVERYTHING
    assert plan.reach.own_objects == frozenset({"backup-location/new"})


@pytest.mark.parametrize(
    ("existing", "new", "refused"),
    [
        ("", "", True),
        ("", "ro", True),
        ("ro", "", True),
        ("shop", "shop", True),
        ("shop", "shop/old", True),
        ("/shop/", "shop/old", True),
        ("shop", "shops", False),
        ("shop", "bank", False),
    ],
)
def test_a_location_inside_another_is_refused(existing: str, new: str, refused: bool) -> None:
    shelf_ = shelf(location("default", "velero", prefix=existing))
    prefix = f" --prefix {new}" if new else ""
    plan = shelf_.plans(f"backup-location create new --provider aws --bucket velero{prefix} --config region=eu")
    assert ("location-overlap" in codes(plan)) is refused


def test_the_same_bucket_at_another_address_is_another_store() -> None:
    shelf_ = shelf(location("default", config={"region": "eu", "s3Url": "https://one.example.org"}))
    line = "backup-location create new --provider aws --bucket velero --config region=eu,s3Url=https://two.example.org"
    assert codes(shelf_.plans(line)) == []


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ("--provider azure --bucket b", "missing-config"),
        ("--provider replicated.com/nfs --bucket b --config path=/x", "missing-config"),
        ("--provider replicated.com/hostpath --bucket b", "missing-config"),
        ("--provider aws --bucket a/b --config region=eu", "bad-bucket"),
        ("--provider aws --bucket b --config region=eu,secretKey=abcd", "secret-in-chat"),
        ("--provider aws --bucket b --config region=AKIAABCDEFGHIJKLMNOP", "secret-in-chat"),
        ("--provider aws --bucket b --config region=eu --default", "second-default"),
        ("--provider aws --bucket b --config region=eu --labels velero.io/x=y", "reserved-labels"),
    ],
)
def test_settings_that_velero_accepts_and_then_fails_with_are_refused(flags: str, code: str) -> None:
    assert code in codes(shelf().plans(f"backup-location create new {flags}"))


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ("--provider aws --bucket b", "missing-config"),
        ("--provider awz --bucket b", "unknown-provider"),
        ("--provider aws --bucket b --config region=eu,forcePathStyle=true", "unknown-config"),
        ("--provider aws --bucket b --config region=eu,s3Url=http://minio.minio.svc:9000", "store-inside"),
    ],
)
def test_unusual_settings_are_warnings(flags: str, code: str) -> None:
    assert code in codes(
        shelf().plans(f"backup-location create new {flags}"),
        Level.WARN,
    )


@pytest.mark.parametrize(("version", "refused"), [("v1.16.2", False), ("v1.17.0", True), ("", False)])
def test_a_local_volume_ends_with_velero_1_17(version: str, refused: bool) -> None:
    shelf_ = shelf()
    shelf_.situation = situation(cluster=ClusterView("prod", server_version=version))
    plan = shelf_.plans(
        "backup-location create new --provider replicated.com/nfs --bucket b --config path=/x,server=nfs"
    )
    assert ("provider-too-old" in codes(plan)) is refused


def test_a_name_in_use_is_refused_with_a_free_one() -> None:
    plan = shelf().plans(CREATE.replace(" new ", " default "))
    assert plan.refusals()[0].nearest == ("default-2",)


def test_a_patch_names_only_what_changes() -> None:
    plan = shelf().plans("backup-location set default --access-mode ReadOnly")
    step = plan.steps[0]
    assert (step.verb, step.uid, step.manifest) == (StepVerb.PATCH, "uid-default", {"spec": {"accessMode": "ReadOnly"}})


def test_an_unchanged_setting_is_no_step() -> None:
    assert shelf().plans("backup-location set default --default").steps == ()
    assert shelf().plans("backup-location set default --config region=eu").steps == ()


def test_an_empty_value_removes_a_setting() -> None:
    assert shelf().plans("backup-location set default --config region=").steps[0].manifest == {
        "spec": {"config": {"region": None}}
    }


def test_a_second_default_is_refused_with_the_right_command() -> None:
    shelf_ = shelf(location("default", default=True), location("other", "b"))
    plan = shelf_.plans("backup-location set other --default")
    assert plan.refusals()[0].nearest == ("backup-location default other",)


def test_default_unsets_the_old_default_first() -> None:
    shelf_ = shelf(location("default", default=True), location("other", "b"))
    steps = shelf_.plans("backup-location default other").steps
    assert [(step.name, step.manifest) for step in steps] == [
        ("default", {"spec": {"default": None}}),
        ("other", {"spec": {"default": True}}),
    ]


@pytest.mark.parametrize("line", ["backup-location set othr --default", "backup-location default othr"])
def test_a_wrong_name_gets_the_nearest_names(line: str) -> None:
    with pytest.raises(NotFound) as error:
        shelf(location("other")).plans(line)
    assert error.value.nearest == ("other",)


def backup_in_default(name: str, phase: str = "Completed") -> Any:
    item = backup(name, phase)
    item["metadata"]["labels"] = {"velero.io/storage-location": "default"}
    return item


def test_delete_removes_the_backup_objects_and_keeps_the_data() -> None:
    shelf_ = shelf().put("backups", backup_in_default("a"), backup_in_default("b"))
    shelf_.put(
        "backuprepositories", resource("BackupRepository", "r", labels={"velero.io/storage-location": "default"})
    )
    plan = shelf_.plans("backup-location delete default")
    assert [(step.kind, step.name) for step in plan.steps] == [
        ("BackupStorageLocation", "default"),
        ("Backup", "a"),
        ("Backup", "b"),
        ("BackupRepository", "r"),
    ]
    assert plan.notes == ("2 backups in default are removed from this cluster. The data stays in the bucket.",)


def test_a_location_in_use_is_not_deleted() -> None:
    shelf_ = shelf().put("backups", backup_in_default("a", "InProgress"))
    shelf_.put("schedules", resource("Schedule", "nightly", {"template": {"storageLocation": "default"}}))
    assert codes(shelf_.plans("backup-location delete default")) == ["location-in-use", "location-in-use"]


def test_delete_asks_for_the_name() -> None:
    shelf_ = shelf()
    answer = confirmation(
        shelf_.plans("backup-location delete default"), parse("backup-location delete default"), shelf_.situation
    )
    assert answer is not None
    assert answer.buttons[0].typed == "default"


def test_a_form_needs_no_second_confirmation() -> None:
    shelf_ = shelf()
    shelf_.situation = situation(origin=Origin(Way.FORM))
    line = "backup-location delete default"
    assert confirmation(shelf_.plans(line), parse(line), shelf_.situation) is None


def test_objects_of_a_selector_are_named_before_they_are_deleted() -> None:
    items = [backup(name) for name in ("a", "b")]
    for item in items:
        item["metadata"]["labels"] = {"team": "shop"}
    shelf_ = shelf().put("backups", *items)
    answer = confirmation(
        shelf_.plans("backup delete -l team=shop"), parse("backup delete -l team=shop"), shelf_.situation
    )
    assert answer is not None
    assert answer.buttons[0].line == "backup delete a b --cluster prod"
    assert answer.buttons[0].typed == "delete 2"


def test_one_named_backup_is_deleted_at_once() -> None:
    shelf_ = shelf().put("backups", backup("a"))
    assert confirmation(shelf_.plans("backup delete a"), parse("backup delete a"), shelf_.situation) is None


@pytest.mark.parametrize(
    "line",
    [
        "backup-location create x --bucket b",
        "backup-location create x --provider aws",
        "backup-location create x --provider aws --bucket b --credential a=b,c=d",
        "backup-location create x --provider aws --bucket b --cacert /etc/ca.pem",
        "backup-location create x --provider aws --bucket b --access-mode Both",
        "backup-location set default --validation-frequency -1m",
        "snapshot-location create x",
    ],
)
def test_invalid_commands_are_refused(line: str) -> None:
    with pytest.raises(UsageError):
        shelf().plans(line)


def test_the_list_says_what_is_unavailable_and_why() -> None:
    unavailable = location("far")
    unavailable["status"] = {"phase": "Unavailable", "message": "NoSuchBucket: token=abcdefgh?X-Amz-Signature=123456"}
    answer = shelf(location("default", default=True), unavailable).says("backup-location get")
    assert answer.tone is Tone.WARNING
    assert answer.headline == "1 of 2 backup storage locations is Unavailable"
    assert "bucket doesn't exist" in shown(answer)
    assert "123456" not in shown(answer)


def test_a_location_without_validation_is_reported() -> None:
    fresh = location("new")
    fresh["status"] = {}
    assert "new hasn't been validated yet." in shown(shelf(fresh).says("backup-location get"))


def test_wide_output_shows_the_secret_name_and_the_settings() -> None:
    shelf_ = shelf(location("default", credential={"name": "cloud", "key": "keys"}))
    assert "cloud=keys  region=eu" in shown(shelf_.says("backup-location get -o wide"))


def test_default_lists_only_the_default_location() -> None:
    shelf_ = shelf(location("default", default=True), location("other"))
    assert dumped(shelf_.says("backup-location get --default -o json"))["metadata"]["name"] == "default"


def test_snapshot_locations_are_created_changed_and_listed() -> None:
    shelf_ = Shelf().put("volumesnapshotlocations", resource("VolumeSnapshotLocation", "east", {"provider": "aws"}))
    assert shelf_.plans("snapshot-location create west --provider aws").reach.reads == EVERYTHING
    assert shelf_.plans("snapshot-location set east --credential s=k").steps[0].manifest == {
        "spec": {"credential": {"name": "s", "key": "k"}}
    }
    assert shelf_.plans("snapshot-location set east").steps == ()
    assert "east  aws" in shown(shelf_.says("snapshot-location get"))
    with pytest.raises(NotFound):
        shelf_.plans("snapshot-location set north --credential s=k")


def test_a_secret_in_a_snapshot_location_is_refused() -> None:
    assert "secret-in-chat" in codes(
        Shelf().plans("snapshot-location create x --provider aws --config password=hunter2")
    )
