"""Places for backups and snapshots: made, changed, removed with guards; and how they are."""

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

CREATE = "Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`. new --provider aws --bucket fresh --config region=eu"


def shelf(*items: Any) -> Shelf:
    return Shelf().put("backupstoragelocations", *(items or (location("default", default=True),)))


def codes(plan: Any, level: Level = Level.REFUSE) -> list[str]:
    return [guard.code for guard in plan.guards if guard.level is level]


def test_a_sound_one_has_no_guard_and_reaches_everything() -> None:
    plan = shelf().plans(CREATE)
    assert plan.guards == ()
    assert plan.reach.reads == plan.reach.writes == EVERYTHING
    assert plan.reach.own_objects == frozenset({"backup-location/new"})


@pytest.mark.parametrize(
    ("there", "wanted", "refused"),
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
def test_one_inside_another_is_refused(there: str, wanted: str, refused: bool) -> None:
    held = shelf(location("default", "velero", prefix=there))
    prefix = f" --prefix {wanted}" if wanted else ""
    plan = held.plans(
        f"Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`. new --provider aws --bucket velero{prefix} --config region=eu"
    )
    assert ("location-overlap" in codes(plan)) is refused


def test_the_same_bucket_at_another_address_is_another_store() -> None:
    held = shelf(location("default", config={"region": "eu", "s3Url": "https://one.example.org"}))
    line = "Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`. new --provider aws --bucket velero --config region=eu,s3Url=https://two.example.org"
    assert codes(held.plans(line)) == []


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
def test_what_velero_would_take_and_regret(flags: str, code: str) -> None:
    assert code in codes(
        shelf().plans(f"Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`. new {flags}")
    )


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ("--provider aws --bucket b", "missing-config"),
        ("--provider awz --bucket b", "unknown-provider"),
        ("--provider aws --bucket b --config region=eu,forcePathStyle=true", "unknown-config"),
        ("--provider aws --bucket b --config region=eu,s3Url=http://minio.minio.svc:9000", "store-inside"),
    ],
)
def test_what_is_only_noted(flags: str, code: str) -> None:
    assert code in codes(
        shelf().plans(f"Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`. new {flags}"),
        Level.WARN,
    )


@pytest.mark.parametrize(("version", "refused"), [("v1.16.2", False), ("v1.17.0", True), ("", False)])
def test_a_local_volume_ends_with_velero_1_17(version: str, refused: bool) -> None:
    held = shelf()
    held.situation = situation(cluster=ClusterView("prod", server_version=version))
    plan = held.plans(
        "Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`. new --provider replicated.com/nfs --bucket b --config path=/x,server=nfs"
    )
    assert ("provider-too-old" in codes(plan)) is refused


def test_a_taken_name_is_refused_with_another() -> None:
    plan = shelf().plans(CREATE.replace(" new ", " default "))
    assert plan.refusals()[0].nearest == ("default-2",)


def test_a_patch_names_only_what_changes() -> None:
    plan = shelf().plans("backup-location set default --access-mode ReadOnly")
    step = plan.steps[0]
    assert (step.verb, step.uid, step.manifest) == (StepVerb.PATCH, "uid-default", {"spec": {"accessMode": "ReadOnly"}})


def test_what_is_so_already_is_no_step() -> None:
    assert shelf().plans("backup-location set default --default").steps == ()
    assert shelf().plans("backup-location set default --config region=eu").steps == ()


def test_a_setting_is_taken_out_by_nothing() -> None:
    assert shelf().plans("backup-location set default --config region=").steps[0].manifest == {
        "spec": {"config": {"region": None}}
    }


def test_a_second_default_is_refused_and_the_way_named() -> None:
    held = shelf(location("default", default=True), location("other", "b"))
    plan = held.plans("backup-location set other --default")
    assert plan.refusals()[0].nearest == ("backup-location default other",)


def test_default_takes_it_off_the_old_one_first() -> None:
    held = shelf(location("default", default=True), location("other", "b"))
    steps = held.plans("backup-location default other").steps
    assert [(step.name, step.manifest) for step in steps] == [
        ("default", {"spec": {"default": None}}),
        ("other", {"spec": {"default": True}}),
    ]


@pytest.mark.parametrize("line", ["backup-location set othr --default", "backup-location default othr"])
def test_a_wrong_name_gets_the_nearest(line: str) -> None:
    with pytest.raises(NotFound) as fault:
        shelf(location("other")).plans(line)
    assert fault.value.nearest == ("other",)


def kept(name: str, phase: str = "Completed") -> Any:
    item = backup(name, phase)
    item["metadata"]["labels"] = {"velero.io/storage-location": "default"}
    return item


def test_deleting_one_takes_its_records_along_and_leaves_the_data() -> None:
    held = shelf().put("backups", kept("a"), kept("b"))
    held.put("backuprepositories", resource("BackupRepository", "r", labels={"velero.io/storage-location": "default"}))
    plan = held.plans("backup-location delete default")
    assert [(step.kind, step.name) for step in plan.steps] == [
        ("BackupStorageLocation", "default"),
        ("Backup", "a"),
        ("Backup", "b"),
        ("BackupRepository", "r"),
    ]
    assert "their data stays in the bucket" in plan.notes[0]


def test_one_in_use_stays() -> None:
    held = shelf().put("backups", kept("a", "InProgress"))
    held.put("schedules", resource("Schedule", "nightly", {"template": {"storageLocation": "default"}}))
    assert codes(held.plans("backup-location delete default")) == ["location-in-use", "location-in-use"]


def test_deleting_one_asks_for_its_name() -> None:
    held = shelf()
    answer = confirmation(
        held.plans("backup-location delete default"), parse("backup-location delete default"), held.situation
    )
    assert answer is not None
    assert answer.buttons[0].typed == "default"


def test_a_form_has_asked_already() -> None:
    held = shelf()
    held.situation = situation(origin=Origin(Way.FORM))
    line = "backup-location delete default"
    assert confirmation(held.plans(line), parse(line), held.situation) is None


def test_what_a_selector_chose_is_named_before_it_goes() -> None:
    items = [backup(name) for name in ("a", "b")]
    for item in items:
        item["metadata"]["labels"] = {"team": "shop"}
    held = shelf().put("backups", *items)
    answer = confirmation(held.plans("backup delete -l team=shop"), parse("backup delete -l team=shop"), held.situation)
    assert answer is not None
    assert answer.buttons[0].line == "backup delete a b --cluster prod"
    assert answer.buttons[0].typed == "delete 2"


def test_one_backup_that_was_named_goes_at_once() -> None:
    held = shelf().put("backups", backup("a"))
    assert confirmation(held.plans("backup delete a"), parse("backup delete a"), held.situation) is None


@pytest.mark.parametrize(
    "line",
    [
        "Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`. x --bucket b",
        "Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`. x --provider aws",
        "Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`. x --provider aws --bucket b --credential a=b,c=d",
        "Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`. x --provider aws --bucket b --cacert /etc/ca.pem",
        "Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`. x --provider aws --bucket b --access-mode Both",
        "backup-location set default --validation-frequency -1m",
        "snapshot-location create x",
    ],
)
def test_lines_that_cannot_be(line: str) -> None:
    with pytest.raises(UsageError):
        shelf().plans(line)


def test_the_list_says_what_is_away_and_why() -> None:
    away = location("far")
    away["status"] = {"phase": "Unavailable", "message": "NoSuchBucket: token=abcdefgh?X-Amz-Signature=123456"}
    answer = shelf(location("default", default=True), away).says("backup-location get")
    assert answer.tone is Tone.WARNING
    assert answer.headline == "2 backup storage locations, 1 Unavailable"
    assert "The bucket does not exist" in shown(answer)
    assert "123456" not in shown(answer)


def test_one_that_nobody_looked_at_is_said() -> None:
    fresh = location("new")
    fresh["status"] = {}
    assert "no Velero server has validated it" in shown(shelf(fresh).says("backup-location get"))


def test_wide_shows_the_secret_s_name_and_the_settings() -> None:
    held = shelf(location("default", credential={"name": "cloud", "key": "keys"}))
    assert "cloud=keys  region=eu" in shown(held.says("backup-location get -o wide"))


def test_only_the_default_one() -> None:
    held = shelf(location("default", default=True), location("other"))
    assert dumped(held.says("backup-location get --default -o json"))["metadata"]["name"] == "default"


def test_snapshot_locations_are_made_changed_and_listed() -> None:
    held = Shelf().put("volumesnapshotlocations", resource("VolumeSnapshotLocation", "east", {"provider": "aws"}))
    assert held.plans("snapshot-location create west --provider aws").reach.reads == EVERYTHING
    assert held.plans("snapshot-location set east --credential s=k").steps[0].manifest == {
        "spec": {"credential": {"name": "s", "key": "k"}}
    }
    assert held.plans("snapshot-location set east").steps == ()
    assert "east  aws" in shown(held.says("snapshot-location get"))
    with pytest.raises(NotFound):
        held.plans("snapshot-location set north --credential s=k")


def test_a_secret_in_a_snapshot_location_is_refused() -> None:
    assert "secret-in-chat" in codes(
        Shelf().plans("snapshot-location create x --provider aws --config password=hunter2")
    )
