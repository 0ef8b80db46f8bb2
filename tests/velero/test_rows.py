"""Rows read from bytes: what a real cluster said, and what a hostile one might."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from tests.velero.conftest import RECORDINGS
from tests.velero.objects import OBJECTS, recorded
from velero.backups import BackupRow, backup_of
from velero.fields import parse_moment
from velero.restores import RestoreRow, restore_of
from velero.rows import Row, fitting, reader

BACKUP, RESTORE = reader(BackupRow), reader(RestoreRow)


def as_bytes(source: object) -> bytes:
    return json.dumps(source).encode()


def test_a_backup_says_the_same_as_the_whole():
    source = recorded("wp-plain/backup.yaml")
    row, whole = BACKUP(as_bytes(source)), backup_of(source)
    assert (row.name, row.uid, row.phase, row.ended) == (whole.name, whole.uid, whole.phase, True)
    assert (row.meta.labels, row.meta.annotations) == (whole.labels, whole.meta.annotations)
    assert (row.spec.location, tuple(row.spec.namespaces)) == (whole.storage_location, whole.included_namespaces)
    assert (row.status.progress.done, row.status.progress.total) == (whole.items_done, whole.items_total)
    assert (row.status.errors, row.status.warnings) == (whole.errors, whole.warnings)
    told = (row.meta.created, row.status.started, row.status.completed, row.status.expires)
    assert tuple(map(parse_moment, told)) == (whole.meta.created, whole.started, whole.completed, whole.expires)


def test_a_restore_says_the_same_as_the_whole():
    source = recorded("r-missing/restore.yaml")
    row, whole = RESTORE(as_bytes(source)), restore_of(source)
    assert (row.name, row.phase, row.ended, row.spec.backup) == (whole.name, whole.phase, True, whole.backup)
    assert (row.status.errors, row.status.warnings) == (whole.errors, whole.warnings)
    assert (row.status.progress.done, row.status.progress.total) == (whole.items_done, whole.items_total)


def test_why_it_failed():
    row = BACKUP(as_bytes(recorded("crs/backup-failedvalidation-bsl-unavailable.yaml")))
    assert (row.status.started, row.status.completed) == ("", "")
    assert list(row.status.validation_errors) == [
        "backup can't be created because BackupStorageLocation default is in Unavailable status.",
    ]


def test_a_new_object_has_no_status():
    row = BACKUP(b'{"metadata":{"name":"a","uid":"u"},"spec":{}}')
    assert (row.name, row.phase, row.ended, row.schedule) == ("a", "", False, "")


def test_what_is_of_the_wrong_type_is_as_if_absent():
    source = {
        "metadata": {"name": "a", "uid": 5, "labels": {"team": "shop", "n": 1}, "generation": True},
        "spec": {"includedNamespaces": ["shop", None, 7], "storageLocation": None},
        "status": {"phase": "Completed", "errors": "many", "progress": [], "startTimestamp": 0},
    }
    row = BACKUP(as_bytes(source))
    assert (row.name, row.uid, row.meta.labels, row.meta.generation) == ("a", "", {"team": "shop"}, 0)
    assert (list(row.spec.namespaces), row.spec.location) == (["shop"], "")
    assert (row.phase, row.status.errors, row.status.progress.done, row.status.started) == ("Completed", 0, 0, "")


@pytest.mark.parametrize("raw", [b"[]", b"5", b"null", b'"x"'])
def test_what_is_no_object(raw):
    assert BACKUP(raw) is None


@pytest.mark.parametrize("raw", [b"", b"{", b'{"metadata":{"name":"\xff"}}', b'{"metadata":{"name":"\\ud800"}}'])
def test_what_is_no_json(raw):
    with pytest.raises(ValueError):
        BACKUP(raw)


@pytest.mark.parametrize("wanted", [BackupRow, RestoreRow])
@given(source=OBJECTS)
def test_no_object_breaks_a_reader_and_both_ways_agree(wanted: type[Row], source):
    row = reader(wanted)(as_bytes(source))
    assert isinstance(row.name, str)
    assert isinstance(row.uid, str)
    assert isinstance(row.ended, bool)
    assert row == fitting(wanted, source)


@given(st.recursive(st.text() | st.integers(-5, 5), lambda inner: st.dictionaries(st.text(), inner)))
def test_nothing_else_is_kept(more):
    """What the server keeps beside it never becomes Python."""
    kept = {"metadata": {"name": "a", "uid": "u"}, "status": {"phase": "New"}}
    source = {"metadata": kept["metadata"] | {"managedFields": more}, "status": kept["status"] | {"x": more}}
    assert BACKUP(as_bytes(source)) == BACKUP(as_bytes(kept))


def test_a_real_list_needs_no_second_look():
    """Every object of a real API server is read the short way."""
    first = json.loads((RECORDINGS / "backups.jsonl").read_text().splitlines()[0])["object"]["items"]
    assert first
    for item in first:
        row = BACKUP(as_bytes(item))
        assert to_builtins(row)["metadata"]["name"] == item["metadata"]["name"]
