"""Rows read from bytes: what a real cluster said, and what a hostile one might."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.velero.objects import OBJECTS, recorded
from velero.api import Api
from velero.connection import Direct
from velero.fields import parse_timestamp
from velero.resources.backups import BackupRow, backup_of, backup_rows
from velero.resources.restores import RestoreRow, restore_of, restore_rows
from velero.resources.rows import fit_to_type

API = Api("prod", Direct("http://nowhere"))
BACKUPS, RESTORES = backup_rows(API, "velero"), restore_rows(API, "velero")
BACKUP, RESTORE = BACKUPS.read, RESTORES.read


def as_bytes(source: object) -> bytes:
    return json.dumps(source).encode()


def test_a_backup_says_the_same_as_the_whole():
    source = recorded("wp-plain/backup.yaml")
    row, whole = BACKUP(as_bytes(source)), backup_of(source)
    assert (row.name, row.uid, row.phase, row.has_ended) == (whole.name, whole.uid, whole.phase, True)
    assert row.meta.labels == whole.labels
    assert (row.spec.location, tuple(row.spec.namespaces)) == (whole.storage_location, whole.included_namespaces)
    assert (row.status.progress.done, row.status.progress.total) == (whole.items_done, whole.items_total)
    assert (row.status.errors, row.status.warnings) == (whole.errors, whole.warnings)
    told = (row.meta.created, row.status.started, row.status.completed, row.status.expires)
    assert tuple(map(parse_timestamp, told)) == (whole.meta.created, whole.started, whole.completed, whole.expires)


def test_a_restore_says_the_same_as_the_whole():
    source = recorded("r-missing/restore.yaml")
    row, whole = RESTORE(as_bytes(source)), restore_of(source)
    assert (row.name, row.phase, row.has_ended, row.spec.backup) == (whole.name, whole.phase, True, whole.backup)
    assert (row.status.errors, row.status.warnings) == (whole.errors, whole.warnings)
    assert (row.status.progress.done, row.status.progress.total) == (whole.items_done, whole.items_total)


def test_why_it_failed():
    row = BACKUP(as_bytes(recorded("crs/backup-failedvalidation-bsl-unavailable.yaml")))
    assert (row.status.started, row.status.completed) == ("", "")
    assert list(row.status.validation_errors) == [
        "backup can't be created because BackupStorageLocation default is in Unavailable status.",
    ]


def test_who_asked_for_it_and_what_kots_says():
    marks = {"velero-chatops.io/requested-by": "ada", "kots.io/snapshot-trigger": "schedule", "kots.io/app-id": "7"}
    found = BACKUP(as_bytes({"metadata": {"annotations": marks}})).meta.annotations
    assert (found.by, found.kots_trigger, found.kots_app) == ("ada", "schedule", "7")


def test_a_new_object_has_no_status():
    row = BACKUP(b'{"metadata":{"name":"a","uid":"u"},"spec":{}}')
    assert (row.name, row.phase, row.has_ended, row.schedule) == ("a", "", False, "")


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


@pytest.mark.parametrize(("gateway", "wanted"), [(BACKUPS, BackupRow), (RESTORES, RestoreRow)])
@given(source=OBJECTS)
def test_no_object_breaks_a_reader_and_all_ways_agree(gateway, wanted, source):
    row = gateway.read(as_bytes(source))
    assert isinstance(row.name, str)
    assert isinstance(row.uid, str)
    assert isinstance(row.has_ended, bool)
    assert row == fit_to_type(wanted, source)
    assert gateway.read_page(as_bytes({"items": [source, source]})).values == (row, row)


def test_one_bad_object_spoils_no_list():
    good, bad = {"metadata": {"name": "a", "uid": "u"}}, {"metadata": {"name": "b", "uid": "v", "labels": [1]}}
    meta = {"resourceVersion": "7", "continue": "more"}
    page = BACKUPS.read_page(as_bytes({"metadata": meta, "items": [good, bad, 5, None]}))
    assert [(row.name, row.meta.labels) for row in page.values] == [("a", {}), ("b", {})]
    assert (page.resource_version, page.next) == ("7", "more")


@pytest.mark.parametrize("body", [b'{"items":null}', b'{"metadata":{}}', b"{}"])
def test_an_empty_list(body):
    assert BACKUPS.read_page(body).values == ()


@pytest.mark.parametrize("body", [b"[]", b"<html>", b'{"items":5}', b'{"metadata":5}', b""])
def test_what_is_no_list(body):
    with pytest.raises(ValueError):
        BACKUPS.read_page(body)


@given(st.recursive(st.text() | st.integers(-5, 5), lambda inner: st.dictionaries(st.text(), inner)))
def test_nothing_else_is_kept(more):
    """Unused fields of an object never become Python values."""
    kept = {"metadata": {"name": "a", "uid": "u"}, "status": {"phase": "New"}}
    source = {"metadata": kept["metadata"] | {"managedFields": more}, "status": kept["status"] | {"x": more}}
    assert BACKUP(as_bytes(source)) == BACKUP(as_bytes(kept))
