"""Reads files that a real Velero 1.18.2 wrote."""

import json
import time
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import DownloadError
from tests.velero.conftest import RECORDINGS, artifact
from velero.artifacts.item_operations import item_operations_of
from velero.artifacts.logs import LineSplitter, LogLine, hook_runs, parse_log_line
from velero.artifacts.resource_list import ItemOutcome, ListedItem, outcomes, resources_of
from velero.artifacts.results import ResultEntry, Results, group_by_message, results_of
from velero.artifacts.volumes import VolumeDataState, missing_data_reasons, volumes_of

ARTIFACTS = RECORDINGS / "artifacts"


# --- results


def test_an_error_of_a_backup_names_what_it_is_about():
    results = results_of(artifact("wp-partial", "BackupResults.json"))
    message = "fail to get the namespace gone-ns specified in backup.Spec.IncludedNamespaces"
    assert results.errors == (ResultEntry("", "/namespaces".strip("/"), "", message),)
    assert [warning.subject for warning in results.warnings] == [
        "persistentvolumes pv-host",
        "persistentvolumes pv-nfs",
    ]


def test_equal_things_are_said_once():
    results = results_of(artifact("wp-hooks", "BackupResults.json"))
    first, second = group_by_message(results.errors)
    assert first.message == "Error executing hook: no preferred addresses found; known addresses: []"
    assert len(first.entries) == 6
    assert [entry.name for entry in second.entries] == ["wp-csi", "wp-ebs", "wp-empty", "wp-fs", "wp-host", "wp-nfs"]


def test_restores_speak_freely():
    results = results_of(artifact("r-fsbackup", "RestoreResults.json"))
    service = next(entry for entry in results.errors if entry.scope)
    assert service.subject == "services wp-fs/wp"
    assert service.message.endswith("provided port is already allocated")
    [warning] = results.warnings
    assert (warning.resource, warning.name) == ("PersistentVolume", "pv-host")
    assert warning.message.startswith("already exists. Warning: the in-cluster version is different")


def test_what_is_there_already_is_one_group():
    results = results_of(artifact("r-changed", "RestoreResults.json"))
    [largest, *_] = group_by_message(results.warnings)
    assert largest.message.startswith("already exists")
    assert len(largest.entries) > 10


def test_a_difference_of_many_lines_is_detail():
    results = results_of(artifact("r-update", "RestoreResults.json"))
    claim = next(entry for entry in results.warnings if entry.name == "data-csi")
    assert claim.resource == "PersistentVolumeClaim"
    assert claim.message.startswith("spec: Forbidden: spec is immutable after creation")
    assert "\n" not in claim.message
    assert claim.detail.startswith("@@ -9,19 +9,10 @@")


def test_policy_none_says_it_with_quotes():
    body = {"warnings": {"namespaces": {"shop": ['could not restore, ConfigMap "foo" already exists. Warning: x']}}}
    [entry] = results_of(json.dumps(body).encode()).warnings
    assert (entry.scope, entry.resource, entry.name) == ("shop", "ConfigMap", "foo")


def test_a_full_entry():
    line = " resource: /pods name: /web-0 message: /Error backing up item error: /rpc error: code = Unknown\nmore"
    [entry] = results_of(json.dumps({"errors": {"namespaces": {"shop": [line]}}}).encode()).errors
    assert entry == ResultEntry("shop", "pods", "web-0", "Error backing up item: rpc error: code = Unknown", "more")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_results_that_are_none(body):
    with pytest.raises(DownloadError):
        results_of(body)


@pytest.mark.parametrize("body", [{}, {"errors": None}, {"errors": {"velero": "x"}}, {"errors": {"namespaces": [1]}}])
def test_results_with_gaps(body):
    assert results_of(json.dumps(body).encode()) == Results()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
@pytest.mark.parametrize("read", [results_of, volumes_of, resources_of, item_operations_of])
def test_whatever_json_is_there_is_read_or_refused(read, body):
    with suppress(DownloadError):
        assert read(json.dumps(body).encode()) is not None


@given(st.text(max_size=200))
def test_no_entry_is_lost(line):
    [entry] = results_of(json.dumps({"errors": {"velero": [line]}}).encode()).errors
    assert isinstance(entry.message, str)


# --- volumes


def test_which_volumes_have_data_and_why_not():
    volumes = {one.pvc: one for one in volumes_of(artifact("wp-plain", "BackupVolumeInfos.json"))}
    assert {name: one.data for name, one in volumes.items()} == {
        "data-host": VolumeDataState.NONE,
        "data-nfs": VolumeDataState.NONE,
        "data-ebs": VolumeDataState.IN_SNAPSHOT,
        "data-csi": VolumeDataState.IN_SNAPSHOT,
        "data-fs": VolumeDataState.IN_LOCATION,
    }
    assert volumes["data-host"].why == (
        "no CSI snapshot: not a CSI volume",
        "no file-system backup: pod wp-host doesn't opt in with the annotation backup.velero.io/backup-volumes",
        "no snapshot: no snapshot plugin supports this volume",
    )
    assert volumes["data-fs"].size == 2048
    assert volumes["data-csi"].size == 1 << 30


def test_completed_is_not_protected():
    """This run is Completed with no warning at all, and four of its five volumes have no data."""
    volumes = volumes_of(artifact("wp-nosnap", "BackupVolumeInfos.json"))
    assert Counter(one.has_data for one in volumes) == {False: 4, True: 1}


def test_every_reason_that_was_recorded_has_words():
    known = [
        reason
        for path in sorted(ARTIFACTS.glob("*/BackupVolumeInfos.json"))
        for one in volumes_of(path.read_bytes())
        for reason in one.why
    ]
    assert known
    assert not [reason for reason in known if reason.startswith(("csiSnapshot:", "podvolume:", "volumeSnapshot:"))]


def test_an_unknown_reason_is_shown_as_it_is():
    assert missing_data_reasons("volumeSnapshot: the moon was full;") == ("volumeSnapshot: the moon was full",)


def test_volumes_without_a_claim_are_named_by_their_pod():
    volumes = volumes_of(artifact("wp-fsbackup", "BackupVolumeInfos.json"))
    nameless = [one for one in volumes if not one.pvc]
    assert nameless
    assert all(":" in one.shown for one in nameless)


def test_volumes_of_a_restore():
    volumes = volumes_of(artifact("r-missing", "RestoreVolumeInfo.json"))
    assert [(one.shown, one.data) for one in volumes] == [
        ("wordpress/data-ebs", VolumeDataState.IN_SNAPSHOT),
        ("wordpress/data-csi", VolumeDataState.IN_SNAPSHOT),
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"result": "failed"}, VolumeDataState.FAILED),
        ({"result": ""}, VolumeDataState.UNDER_WAY),
        ({"snapshotDataMoved": True}, VolumeDataState.IN_LOCATION),
        ({"skipped": True}, VolumeDataState.NONE),
        ({"backupMethod": ""}, VolumeDataState.NONE),
        ({}, VolumeDataState.IN_SNAPSHOT),
    ],
)
def test_where_the_data_is(change, expected):
    whole = {"backupMethod": "CSISnapshot", "snapshotDataMoved": False, "skipped": False, "result": "succeeded"}
    [volume] = volumes_of(json.dumps([{**whole, **change}]).encode())
    assert volume.data is expected


# --- resources, operations


def test_a_backup_lists_what_it_holds():
    listed = resources_of(artifact("wp-plain", "BackupResourceList.json"))
    assert ListedItem("apps/v1", "Deployment", "wordpress", "mysql") in listed
    assert ListedItem("v1", "Namespace", "", "wordpress") in listed


def test_a_restore_lists_what_it_did():
    listed = resources_of(artifact("r-update", "RestoreResourceList.json"))
    assert ListedItem("apps/v1", "Deployment", "wordpress", "wordpress", ItemOutcome.UPDATED) in listed
    assert outcomes(listed) == {
        ItemOutcome.UPDATED: 12,
        ItemOutcome.SKIPPED: 12,
        ItemOutcome.FAILED: 11,
        ItemOutcome.CREATED: 2,
    }


def test_a_name_with_brackets_of_its_own():
    [listed] = resources_of(b'{"v1/Thing": ["ns/odd(name)(created)"]}')
    assert (listed.name, listed.outcome) == ("odd(name)", ItemOutcome.CREATED)


def test_operations():
    [operation] = item_operations_of(artifact("wp-plain", "BackupItemOperations.json"))
    assert operation.phase == "Completed"
    assert operation.namespace == "wordpress"
    assert operation.action == "velero.io/csi-volumesnapshot-backupper"


# --- logs


def lines_of(folder: str, name: str) -> list[LogLine]:
    raw = artifact(folder, name).decode().splitlines()
    return [line for line in map(parse_log_line, raw) if line is not None]


def test_every_line_of_the_recorded_logs_is_read():
    for path in ARTIFACTS.glob("*/*Log.log"):
        raw = [line for line in path.read_text().splitlines() if not line.startswith("...")]
        read = [parse_log_line(line) for line in raw]
        assert all(line is not None and line.at and line.level and line.message for line in read), path


def test_escapes_in_a_line():
    line = parse_log_line(
        r'time="2026-11-21T11:06:57Z" level=warn msg="a \"b\"\n\\c é" backup=velero/x error="no: \t[]"'
    )
    assert line.message == 'a "b"\n\\c é'
    assert line.level == "warning"
    assert line.fields == {"backup": "velero/x", "error": "no: \t[]"}


def test_json_logs():
    line = parse_log_line('{"level":"error","msg":"Error","time":"2026-11-21T11:06:57Z","error":{"a":1}}')
    assert line.is_error
    assert line.fields == {"error": '{"a": 1}'}


@pytest.mark.parametrize("raw", ["", "... 99 lines cut ...", "{", "[1]", "{}", '{"msg": 1', "\0"])
def test_lines_that_are_none(raw):
    assert parse_log_line(raw) is None


def test_hooks_of_a_real_log():
    runs = hook_runs(lines_of("wp-hooks", "BackupLog.log"))
    assert [(run.name, run.phase, run.container, run.command) for run in runs] == [
        ("freeze", "pre", "main", "[/sbin/fsfreeze --freeze /data]")
    ] * 2
    assert runs[0].pod == "wp-host"
    assert runs[0].errors == ("Error executing hook: no preferred addresses found; known addresses: []",)


def hook(message: str, *, level: str = "info", **fields: str) -> LogLine:
    named = {"hookPhase": "pre", "hookName": "freeze", "hookContainer": "db", "namespace": "shop", "name": "db-0"}
    return LogLine(None, level, message, {**named, **fields})


def test_output_belongs_to_its_hook():
    runs = hook_runs(
        [
            hook("running exec hook"),
            hook("running exec hook", name="db-1"),
            hook("stdout: one\ntwo"),
            hook("stderr: oh", name="db-1"),
            LogLine(None, "info", "Backing up item", {"name": "db-0"}),
            LogLine(None, "error", "Error executing hook", {"hookPhase": "pre", "error": "exit 1"}),
        ]
    )
    assert [(run.pod, run.stdout, run.stderr, run.errors) for run in runs] == [
        ("db-0", "one\ntwo", "", ()),
        ("db-1", "", "oh", ("Error executing hook: exit 1",)),
    ]


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 50))
def test_lines_come_out_in_any_cutting(parts, chunk):
    body = b"\n".join(parts)
    splitter = LineSplitter()
    found = [line for at in range(0, len(body), chunk) for line in splitter.feed(body[at : at + chunk])]
    found += splitter.finish()
    expected = body.decode(errors="replace").split("\n")
    assert found == (expected[:-1] if not expected[-1] else expected)


def test_a_very_long_line_is_cut_and_the_next_is_whole():
    splitter = LineSplitter(longest=10)
    found = [*splitter.feed(b"x" * 25), *splitter.feed(b"y" * 25 + b"\nnext\n")]
    assert found == ["x" * 10, "next"]


@given(st.text(max_size=300))
def test_no_line_breaks_the_reader(raw):
    read = parse_log_line(raw)
    assert read is None or isinstance(read.message, str)


@pytest.mark.parametrize("unit", ["x", "x=", '"', 'x="', "\\", "x.", '="\\"'])
def test_a_hostile_line_takes_no_time(unit):
    began = time.process_time()
    parse_log_line("msg=x " + unit * (1_000_000 // len(unit)))
    assert time.process_time() - began < 5
