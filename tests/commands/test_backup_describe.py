"""`backup describe`, on recordings of a real Velero and on objects made here."""

from __future__ import annotations

import pytest

from commands.planning.facts import FileNeed, MissingFile
from domain.answer import Table, Tone
from domain.errors import NotFound, Refused
from tests.commands.shelf import Shelf, backup, dumped, namespace, recorded, resource, shown, text_of


def test_a_completed_backup_without_volume_data_is_a_warning() -> None:
    answer = recorded("wp-plain").says("backup describe wp-plain")
    assert answer.tone is Tone.WARNING
    assert answer.headline == "wp-plain: Completed, 2 warnings, 2 volumes without data"
    assert "wordpress/data-nfs: no CSI snapshot: not a CSI volume" in shown(answer)


def test_the_outcome_comes_before_volumes_without_data_before_the_volume_table() -> None:
    text = shown(recorded("wp-plain").says("backup describe wp-plain"))
    assert text.index("wp-plain: Completed") < text.index("No data for these volumes") < text.index("VOLUME")


def test_each_volume_has_a_row_with_method_and_data() -> None:
    answer = recorded("wp-plain").says("backup describe wp-plain")
    table = next(part for part in answer.parts if isinstance(part, Table))
    rows = {row[0]: row[1:3] for row in table.rows}
    assert rows["wordpress/data-ebs"] == ("NativeSnapshot", "snapshot")
    assert rows["wordpress/data-nfs"] == ("-", "no data")


def test_errors_are_grouped() -> None:
    answer = recorded("wp-hooks").says("backup describe wp-hooks")
    assert answer.tone is Tone.WARNING
    assert "no preferred addresses found; known addresses: [] × 6" in shown(answer)


def test_the_file_lists_hooks_and_their_errors() -> None:
    text = text_of(recorded("wp-hooks").says("backup describe wp-hooks"))
    assert "attempted: 6, failed: 6" in text


def test_the_output_of_a_hook_is_shown_without_secrets() -> None:
    shelf = recorded("wp-hooks")
    keys = 'hookPhase=pre hookName=dump hookCommand="[pg_dump]" namespace=wordpress name=web-0'
    log = f'level=info msg="running exec hook" {keys}\nlevel=info msg="stdout: PGPASSWORD=hunter2hunter2" {keys}\n'
    shelf.files[FileNeed("BackupLog", "wp-hooks")] = log.encode()
    text = text_of(shelf.says("backup describe wp-hooks"))
    assert "[pg_dump]" in text
    assert "hunter2" not in text


def test_a_missing_file_is_reported_and_the_rest_is_shown() -> None:
    shelf = recorded("wp-plain")
    shelf.files[FileNeed("BackupVolumeInfos", "wp-plain")] = MissingFile("Velero hasn't uploaded the volume list yet.")
    text = shown(shelf.says("backup describe wp-plain"))
    assert "Velero hasn't uploaded the volume list yet." in text
    assert "wp-plain: Completed" in text


def test_a_file_that_is_not_json_is_reported() -> None:
    shelf = recorded("wp-plain")
    shelf.files[FileNeed("BackupVolumeInfos", "wp-plain")] = b"<html>"
    assert "The volume list can't be read." in shown(shelf.says("backup describe wp-plain"))


def test_details_list_all_objects() -> None:
    shelf = recorded("wp-plain")
    assert "wordpress/mysql" not in text_of(shelf.says("backup describe wp-plain"))
    assert "wordpress/mysql" in text_of(shelf.says("backup describe wp-plain --details"))


@pytest.mark.parametrize("wanted", ["deployment/mysql", "Deployment/my*", "deployments/mysql", "mysql"])
def test_items_are_found_by_kind_and_name(wanted: str) -> None:
    answer = recorded("wp-plain").says(f"backup describe wp-plain --find '{wanted}'")
    assert "Deployment  wordpress  mysql" in shown(answer)


def test_no_match_says_how_many_objects_the_backup_contains() -> None:
    answer = recorded("wp-plain").says("backup describe wp-plain --find secret/none")
    assert answer.tone is Tone.WARNING
    assert "wp-plain contains 38 objects." in shown(answer)


def test_json_output_has_the_phase_and_all_errors() -> None:
    document = dumped(recorded("wp-hooks").says("backup describe wp-hooks -o json"))
    assert document["phase"] == "PartiallyFailed"
    assert len(document["errors"]) == 12


def test_a_running_backup_shows_the_progress_of_its_volumes() -> None:
    volume = resource(
        "PodVolumeBackup",
        "run-1",
        {"pod": {"namespace": "shop", "name": "web-0"}, "volume": "data"},
        {"phase": "InProgress", "progress": {"bytesDone": 512, "totalBytes": 2048}},
        labels={"velero.io/backup-name": "run"},
        annotations={"velero.io/pvc-name": "data"},
    )
    running = backup("run", "InProgress", includedNamespaces=["shop"])
    running["status"]["progress"] = {"itemsBackedUp": 3, "totalItems": 9}
    answer = Shelf().put("backups", running).put("podvolumebackups", volume).says("backup describe run")
    assert "Running: 3 of 9 items." in shown(answer)
    assert "InProgress 512 B/2.0 KiB (25 %)" in shown(answer)
    assert "Refresh" in [button.text for button in answer.buttons]


def test_a_queued_backup_can_be_removed_from_the_queue() -> None:
    waiting = backup("run", "Queued")
    waiting["status"]["queuePosition"] = 3
    answer = Shelf().put("backups", waiting).says("backup describe run")
    assert "Not started. 2 backups ahead in the queue." in shown(answer)
    assert "backup cancel run --cluster prod" in [button.line for button in answer.buttons]


def test_finalizing_says_what_velero_waits_for() -> None:
    assert "Waiting for the object store" in shown(
        Shelf().put("backups", backup("run", "Finalizing")).says("backup describe run")
    )


def test_validation_errors_are_shown() -> None:
    refused = backup("run", "FailedValidation")
    refused["status"]["validationErrors"] = ["backup can't be created because BackupStorageLocation default is gone"]
    answer = Shelf().put("backups", refused).says("backup describe run")
    assert answer.tone is Tone.BAD
    assert "BackupStorageLocation default is gone" in shown(answer)


def test_a_reader_with_access_to_some_namespaces_sees_only_the_result() -> None:
    shelf = Shelf().put("backups", backup("all", "PartiallyFailed", includedNamespaces=["shop", "bank"]))
    shelf.put("namespaces", namespace("shop"), namespace("bank")).sees_only("shop")
    answer = shelf.says("backup describe all")
    assert answer.headline == "all: PartiallyFailed"
    assert "bank" not in text_of(answer)


@pytest.mark.parametrize("flag", ["--details", "--find secret/x"])
def test_a_reader_with_access_to_some_namespaces_cannot_list_objects(flag: str) -> None:
    shelf = Shelf().put("backups", backup("all", includedNamespaces=["shop", "bank"]))
    shelf.put("namespaces", namespace("shop"), namespace("bank")).sees_only("shop")
    with pytest.raises(Refused, match="it includes other namespaces"):
        shelf.says(f"backup describe all {flag}")


def test_a_hidden_backup_is_reported_as_missing() -> None:
    shelf = Shelf().put(
        "backups", backup("bank-1", includedNamespaces=["bank"]), backup("shop-1", includedNamespaces=["shop"])
    )
    shelf.put("namespaces", namespace("shop"), namespace("bank")).sees_only("shop")
    with pytest.raises(NotFound) as error:
        shelf.says("backup describe bank-1")
    assert "bank-1" not in error.value.nearest


def test_several_backups_are_a_table_and_a_file() -> None:
    shelf = Shelf().put("backups", backup("a"), backup("b", "Failed"))
    answer = shelf.says("backup describe a b")
    assert answer.headline == "2 backups"
    assert "Phase:                               Failed" in text_of(answer)


def test_a_wrong_name_gets_the_nearest_names() -> None:
    with pytest.raises(NotFound) as error:
        Shelf().put("backups", backup("nightly-1")).says("backup describe nigthly-1")
    assert error.value.nearest == ("nightly-1",)


def test_a_namespace_pattern_is_shown_as_written() -> None:
    shelf = Shelf().put("backups", backup("a", includedNamespaces=["sho*", "billing"]))
    assert "sho*, billing" in text_of(shelf.says("backup describe a"))
    shelf = Shelf().put("backups", backup("a", includedNamespaces=["*"]))
    assert "Namespaces: all" in text_of(shelf.says("backup describe a"))
