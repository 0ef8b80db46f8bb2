"""Values parsed from recordings of a real cluster, and from hostile or older objects."""

import dataclasses
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given

from tests.velero.conftest import RECORDINGS
from tests.velero.objects import OBJECTS, recorded
from velero.artifacts.downloads import download_of
from velero.names import generate_name_prefix, label_value, name_error, schedule_name_error, timestamped
from velero.objects import without_managed_fields
from velero.phases import BACKUP_PHASES, REQUEST_PHASES, RESTORE_PHASES, VOLUME_PHASES
from velero.resources.backups import backup_of
from velero.resources.configmaps import config_map_of
from velero.resources.data_movement import movement_of
from velero.resources.deletions import deletion_manifest, deletion_of
from velero.resources.locations import default_location, snapshot_location_of, storage_location_of
from velero.resources.namespaces import namespace_of
from velero.resources.pod_volumes import pod_volume_of
from velero.resources.repositories import repository_of
from velero.resources.restores import restore_of
from velero.resources.schedules import schedule_of
from velero.resources.server_status import status_request_of

PARSERS = {
    "Backup": backup_of,
    "Restore": restore_of,
    "Schedule": schedule_of,
    "BackupStorageLocation": storage_location_of,
    "VolumeSnapshotLocation": snapshot_location_of,
    "DeleteBackupRequest": deletion_of,
    "DownloadRequest": download_of,
    "BackupRepository": repository_of,
    "PodVolumeBackup": pod_volume_of,
    "PodVolumeRestore": pod_volume_of,
    "DataUpload": movement_of,
    "ServerStatusRequest": status_request_of,
    "Namespace": namespace_of,
    "ConfigMap": config_map_of,
}


def at(*parts: int) -> datetime:
    return datetime(2026, 11, 21, *parts, tzinfo=UTC)


def test_a_backup():
    backup = backup_of(recorded("wp-plain/backup.yaml"))
    assert (backup.name, backup.phase, backup.has_ended) == ("wp-plain", "Completed", True)
    assert backup.storage_location == "default"
    assert backup.snapshot_locations == ("aws-ebs",)
    assert backup.included_namespaces == ("wordpress",)
    assert backup.ttl == "720h0m0s"
    assert (backup.started, backup.completed) == (at(11, 5, 46), at(11, 5, 58))
    assert (backup.errors, backup.warnings, backup.items_done, backup.items_total) == (0, 2, 38, 38)
    assert (backup.csi_completed, backup.snapshots_completed, backup.operations_completed) == (1, 1, 1)
    assert backup.labels["team"] == "web"
    assert backup.spec["itemOperationTimeout"] == "4h0m0s"


def test_hooks_are_counted():
    backup = backup_of(recorded("wp-hooks/backup.yaml"))
    assert (backup.phase, backup.hooks_attempted, backup.hooks_failed, backup.errors) == ("PartiallyFailed", 6, 6, 12)


def test_a_backup_that_a_restart_ended():
    backup = backup_of(recorded("crs/backup-failed-by-restart.yaml"))
    assert backup.phase == "Failed"
    assert backup.failure_reason.startswith('found a backup with status "InProgress" during the server starting')


def test_failed_validation_has_neither_start_nor_end():
    backup = backup_of(recorded("crs/backup-failedvalidation-bsl-unavailable.yaml"))
    assert backup.has_ended
    assert (backup.started, backup.completed) == (None, None)
    assert backup.validation_errors == (
        "backup can't be created because BackupStorageLocation default is in Unavailable status.",
    )


def test_a_restore():
    restore = restore_of(recorded("r-missing/restore.yaml"))
    assert (restore.backup, restore.phase, restore.errors, restore.warnings) == ("wp-plain", "PartiallyFailed", 1, 3)


def test_a_schedule_and_its_horizon():
    schedule = schedule_of(recorded("crs/schedule-skipped.yaml"))
    assert (schedule.cron, schedule.phase, schedule.paused) == ("14 * * * *", "Enabled", False)
    assert schedule.last_skipped == at(11, 15, 12)
    assert schedule.last_backup is None
    assert schedule.template["includedNamespaces"] == ["billing"]


def test_the_spec_hash_changes_only_by_edits():
    source = recorded("crs/schedule-skipped.yaml")

    def seal(**spec) -> str:
        return schedule_of({**source, "spec": {**source["spec"], **spec}}).spec_hash

    assert seal(paused=True) == seal(skipImmediately=True) == seal()
    assert seal(schedule="15 * * * *") != seal()
    assert seal(template={}) != seal()


def test_a_location():
    location = storage_location_of(recorded("crs/bsl-unavailable.yaml"))
    assert not location.is_available
    assert location.message.endswith('Secret "s" not found')
    assert location.store_identity == ("aws", "other", "", "http://127.0.0.1:15000")
    assert location.access_mode == "ReadWrite"
    assert location.credential == "s"


def test_the_newest_default_wins():
    def location(name: str, created: str, *, default: bool) -> dict:
        return {"metadata": {"name": name, "creationTimestamp": created}, "spec": {"default": default}}

    found = tuple(
        storage_location_of(one)
        for one in [
            location("old", "2026-01-01T00:00:00Z", default=True),
            location("new", "2026-02-01T00:00:00Z", default=True),
            location("newest", "2026-03-01T00:00:00Z", default=False),
        ]
    )
    assert default_location(found).name == "new"
    assert default_location(found[2:]) is None


def test_a_deletion_that_failed():
    deletion = deletion_of(recorded("crs/deletebackuprequest-errors.yaml"))
    assert (deletion.backup, deletion.phase) == ("wedge2", "Processed")
    assert deletion.backup_uid == "69bd738b-aa97-4fef-8498-1e8bdfbc6d88"
    assert deletion.errors == (
        "cannot delete backup because backup storage location default is currently in Unavailable state",
    )


def test_a_deletion_is_written_as_the_cli_writes_it():
    assert deletion_manifest("nightly", "u1") == {
        "metadata": {
            "generateName": "nightly-",
            "labels": {"velero.io/backup-name": "nightly", "velero.io/backup-uid": "u1"},
        },
        "spec": {"backupName": "nightly"},
    }
    assert deletion_manifest("nightly", "u1", name="fixed")["metadata"]["name"] == "fixed"


def test_volumes_in_progress():
    volume = pod_volume_of(recorded("crs/podvolumebackup.yaml"))
    assert (volume.pod_namespace, volume.pod, volume.volume, volume.pvc) == ("wordpress", "wp-fs", "vol", "data-fs")
    assert (volume.bytes_done, volume.bytes_total, volume.incremental) == (2048, 2048, 100)
    restored = pod_volume_of(recorded("crs/podvolumerestore.yaml"))
    assert (restored.source_namespace, restored.node, restored.has_ended) == ("wordpress", "node1", True)


def test_a_repository():
    repository = repository_of(recorded("crs/backuprepository.yaml"))
    assert (repository.phase, repository.volume_namespace, repository.type) == ("Ready", "wordpress", "kopia")


def test_server_status_without_a_version_and_with_plugins_twice():
    plugin = {"kind": "ObjectStore", "name": "velero.io/aws"}
    status = status_request_of({"status": {"phase": "Processed", "plugins": [plugin, plugin]}})
    assert status.version == ""
    assert len(status.plugins) == 1


def test_everything_that_was_recorded_is_read():
    lines = [
        json.loads(line)["object"] for path in RECORDINGS.glob("*.jsonl") for line in path.read_text().splitlines()
    ]
    objects = [item for line in lines for item in line.get("items", [line])]
    named = [one for one in objects if one.get("metadata", {}).get("name")]
    assert len(named) > 100
    for one in named:
        value = PARSERS[one["kind"]](one)
        assert value.uid
        assert value.name == one["metadata"]["name"]


def test_an_unknown_phase_is_kept_and_not_ended():
    backup = backup_of({"status": {"phase": "Levitating"}})
    assert backup.phase == "Levitating"
    assert not backup.has_ended


@pytest.mark.parametrize("phases", [BACKUP_PHASES, RESTORE_PHASES, REQUEST_PHASES, VOLUME_PHASES])
def test_a_phase_means_one_thing(phases):
    assert phases.failed <= phases.terminal
    assert phases.partial <= phases.terminal
    assert not phases.terminal & phases.running
    assert not phases.terminal & phases.queued
    assert not phases.running & phases.queued
    assert not phases.failed & phases.partial


def test_a_good_end():
    assert BACKUP_PHASES.is_good("Completed")
    assert not BACKUP_PHASES.is_good("PartiallyFailed")
    assert not BACKUP_PHASES.is_good("InProgress")


@pytest.mark.parametrize("parse", PARSERS.values(), ids=PARSERS.keys())
@given(OBJECTS)
def test_no_object_breaks_a_reader(parse, source):
    value = parse(source)
    for one in dataclasses.fields(value):
        getattr(value, one.name)
    assert isinstance(value.name, str)
    assert isinstance(value.uid, str)


@pytest.mark.parametrize("ttl", ["30d", "720h0m0s", "-1h", "", "nonsense"])
def test_durations_stay_strings(ttl):
    assert backup_of({"spec": {"ttl": ttl}}).ttl == ttl


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-21T11:05:46Z", at(11, 5, 46)),
        ("2026-11-21T12:05:46+01:00", at(11, 5, 46)),
        ("2026-11-21T11:05:46.123456Z", at(11, 5, 46, 123456)),
        ("2026-11-21T11:05:46", at(11, 5, 46)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        (17, None),
        (None, None),
    ],
)
def test_moments(value, expected):
    assert backup_of({"status": {"startTimestamp": value}}).started == expected


def test_managed_fields_are_left_out():
    source = {"metadata": {"name": "a", "managedFields": [{}]}, "spec": {}}
    assert without_managed_fields(source) == {"metadata": {"name": "a"}, "spec": {}}
    assert source["metadata"]["managedFields"] == [{}]


# --- names


@pytest.mark.parametrize("length", [1, 63])
def test_a_label_that_fits_stays(length):
    assert label_value("n" * length) == "n" * length


def test_a_label_that_does_not_fit_is_cut_as_velero_cuts_it():
    """The pair of label.GetValidName's own test."""
    long = "the-really-long-location-name-that-is-much-more-than-63-characters"
    assert label_value(long) == "the-really-long-location-name-that-is-much-more-than-63-c69e779"
    assert len(label_value(long)) == 63


def test_a_timestamped_name():
    assert timestamped("nightly", at(11, 5, 46)) == "nightly-20261121110546"


@pytest.mark.parametrize("name", ["a", "a-b.c", "0", "x" * 253])
def test_valid_names(name):
    assert name_error(name) == ""


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a..b", "a b", "ä", "a\n", "x" * 254, "a/b", ".."])
def test_invalid_names(name):
    assert name_error(name)


def test_a_schedules_name_is_a_label():
    assert schedule_name_error("n" * 64) == "it has 64 characters; the limit is 63"


def test_a_prefix_leaves_room():
    assert generate_name_prefix("nightly") == "nightly-"
    assert len(generate_name_prefix("n" * 100)) == 58
    assert generate_name_prefix("a." + "b" * 3) == "a.bbb-"
