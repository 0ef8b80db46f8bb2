"""`backup describe` over runs that a real Velero left."""

from __future__ import annotations

import pytest

from commands.planning.facts import FileNeed, MissingFile
from domain.answer import Table, Tone
from domain.errors import NotFound, Refused
from tests.commands.shelf import Shelf, backup, dumped, namespace, recorded, resource, shown, text_of


def test_a_completed_run_with_volumes_left_out_is_no_good_news() -> None:
    answer = recorded("wp-plain").says("backup describe wp-plain")
    assert answer.tone is Tone.WARNING
    assert answer.headline == "wp-plain: Completed, 2 warnings, 2 volumes without data"
    assert "wordpress/data-nfs: no CSI snapshot: not a CSI volume" in shown(answer)


def test_the_outcome_stands_before_what_is_not_protected_before_the_volumes() -> None:
    said = shown(recorded("wp-plain").says("backup describe wp-plain"))
    assert said.index("wp-plain: Completed") < said.index("Not protected") < said.index("VOLUME")


def test_each_volume_has_a_row_with_its_method_and_where_its_data_is() -> None:
    answer = recorded("wp-plain").says("backup describe wp-plain")
    table = next(part for part in answer.parts if isinstance(part, Table))
    rows = {row[0]: row[1:3] for row in table.rows}
    assert rows["wordpress/data-ebs"] == ("NativeSnapshot", "snapshot")
    assert rows["wordpress/data-nfs"] == ("-", "NO DATA")


def test_errors_are_grouped_and_told_with_a_hint() -> None:
    answer = recorded("wp-hooks").says("backup describe wp-hooks")
    assert answer.tone is Tone.WARNING
    assert "no preferred addresses found; known addresses: [] × 6" in shown(answer)


def test_hooks_are_in_the_file_with_what_went_wrong() -> None:
    said = text_of(recorded("wp-hooks").says("backup describe wp-hooks"))
    assert "attempted 6, failed 6" in said


def test_what_a_hook_printed_is_shown_without_secrets() -> None:
    shelf = recorded("wp-hooks")
    keys = 'hookPhase=pre hookName=dump hookCommand="[pg_dump]" namespace=wordpress name=web-0'
    log = f'level=info msg="running exec hook" {keys}\nlevel=info msg="stdout: PGPASSWORD=hunter2hunter2" {keys}\n'
    shelf.files[FileNeed("BackupLog", "wp-hooks")] = log.encode()
    said = text_of(shelf.says("backup describe wp-hooks"))
    assert "[pg_dump]" in said
    assert "hunter2" not in said


def test_a_file_that_is_not_there_is_said_and_the_rest_told() -> None:
    shelf = recorded("wp-plain")
    shelf.files[FileNeed("BackupVolumeInfos", "wp-plain")] = MissingFile("The volume list is not there (yet).")
    said = shown(shelf.says("backup describe wp-plain"))
    assert "The volume list is not there (yet)." in said
    assert "wp-plain: Completed" in said


def test_a_file_that_is_no_json_is_said_and_the_rest_told() -> None:
    shelf = recorded("wp-plain")
    shelf.files[FileNeed("BackupVolumeInfos", "wp-plain")] = b"<html>"
    assert "The volume list can't be read." in shown(shelf.says("backup describe wp-plain"))


def test_details_list_everything_in_it() -> None:
    shelf = recorded("wp-plain")
    assert "wordpress/mysql" not in text_of(shelf.says("backup describe wp-plain"))
    assert "wordpress/mysql" in text_of(shelf.says("backup describe wp-plain --details"))


@pytest.mark.parametrize("wanted", ["deployment/mysql", "Deployment/my*", "deployments/mysql", "mysql"])
def test_items_are_found_by_kind_and_name(wanted: str) -> None:
    answer = recorded("wp-plain").says(f"backup describe wp-plain --find '{wanted}'")
    assert "Deployment  wordpress  mysql" in shown(answer)


def test_nothing_found_says_how_much_there_is() -> None:
    answer = recorded("wp-plain").says("backup describe wp-plain --find secret/none")
    assert answer.tone is Tone.WARNING
    assert "It holds" in shown(answer)


def test_json_is_for_machines() -> None:
    found = dumped(recorded("wp-hooks").says("backup describe wp-hooks -o json"))
    assert found["phase"] == "PartiallyFailed"
    assert len(found["errors"]) == 12


def test_one_that_runs_shows_its_volumes_on_their_way() -> None:
    moving = resource(
        "PodVolumeBackup",
        "run-1",
        {"pod": {"namespace": "shop", "name": "web-0"}, "volume": "data"},
        {"phase": "InProgress", "progress": {"bytesDone": 512, "totalBytes": 2048}},
        labels={"velero.io/backup-name": "run"},
        annotations={"velero.io/pvc-name": "data"},
    )
    running = backup("run", "InProgress", includedNamespaces=["shop"])
    running["status"]["progress"] = {"itemsBackedUp": 3, "totalItems": 9}
    answer = Shelf().put("backups", running).put("podvolumebackups", moving).says("backup describe run")
    assert "Not completed yet: 3 of 9 items." in shown(answer)
    assert "InProgress 512 B/2.0 KiB (25 %)" in shown(answer)
    assert "Refresh" in [button.text for button in answer.buttons]


def test_one_that_waits_can_be_cancelled() -> None:
    waiting = backup("run", "Queued")
    waiting["status"]["queuePosition"] = 3
    answer = Shelf().put("backups", waiting).says("backup describe run")
    assert "Not started yet: 2 before it in the queue." in shown(answer)
    assert "backup cancel run --cluster prod" in [button.line for button in answer.buttons]


def test_finalizing_says_what_it_waits_for() -> None:
    assert "Waiting for the object store" in shown(
        Shelf().put("backups", backup("run", "Finalizing")).says("backup describe run")
    )


def test_why_velero_refused_it_is_told() -> None:
    refused = backup("run", "FailedValidation")
    refused["status"]["validationErrors"] = ["backup can't be created because BackupStorageLocation default is gone"]
    answer = Shelf().put("backups", refused).says("backup describe run")
    assert answer.tone is Tone.BAD
    assert "BackupStorageLocation default is gone" in shown(answer)


def test_somebody_of_whose_namespaces_it_holds_one_sees_how_it_ended_and_no_more() -> None:
    shelf = Shelf().put("backups", backup("all", "PartiallyFailed", includedNamespaces=["shop", "bank"]))
    shelf.put("namespaces", namespace("shop"), namespace("bank")).sees_only("shop")
    answer = shelf.says("backup describe all")
    assert answer.headline == "all: PartiallyFailed"
    assert "bank" not in text_of(answer)


@pytest.mark.parametrize("flag", ["--details", "--find secret/x"])
def test_nor_do_they_get_the_list(flag: str) -> None:
    shelf = Shelf().put("backups", backup("all", includedNamespaces=["shop", "bank"]))
    shelf.put("namespaces", namespace("shop"), namespace("bank")).sees_only("shop")
    with pytest.raises(Refused, match="not yours"):
        shelf.says(f"backup describe all {flag}")


def test_a_hidden_one_is_as_good_as_absent() -> None:
    shelf = Shelf().put(
        "backups", backup("bank-1", includedNamespaces=["bank"]), backup("shop-1", includedNamespaces=["shop"])
    )
    shelf.put("namespaces", namespace("shop"), namespace("bank")).sees_only("shop")
    with pytest.raises(NotFound) as fault:
        shelf.says("backup describe bank-1")
    assert "bank-1" not in fault.value.nearest


def test_several_are_a_line_each_and_a_file() -> None:
    shelf = Shelf().put("backups", backup("a"), backup("b", "Failed"))
    answer = shelf.says("backup describe a b")
    assert answer.headline == "2 backups"
    assert "Phase:                               Failed" in text_of(answer)


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(NotFound) as fault:
        Shelf().put("backups", backup("nightly-1")).says("backup describe nigthly-1")
    assert fault.value.nearest == ("nightly-1",)


def test_a_pattern_is_told_as_it_was_written() -> None:
    held = Shelf().put("backups", backup("a", includedNamespaces=["sho*", "billing"]))
    assert "sho*, billing" in text_of(held.says("backup describe a"))
    held = Shelf().put("backups", backup("a", includedNamespaces=["*"]))
    assert "Namespaces: all" in text_of(held.says("backup describe a"))
