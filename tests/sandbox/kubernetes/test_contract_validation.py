"""What a cluster refuses, and in which words: the same on the emulator and on a real API server."""

import pytest

SUBDOMAIN = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
BACKUP_PHASES = [
    "New",
    "Queued",
    "ReadyToStart",
    "FailedValidation",
    "InProgress",
    "WaitingForPluginOperations",
    "WaitingForPluginOperationsPartiallyFailed",
    "Finalizing",
    "FinalizingPartiallyFailed",
    "Completed",
    "PartiallyFailed",
    "Failed",
    "Deleting",
]
DOWNLOADS = [
    "BackupLog",
    "BackupContents",
    "BackupVolumeSnapshots",
    "BackupItemOperations",
    "BackupResourceList",
    "BackupResults",
    "RestoreLog",
    "RestoreResults",
    "RestoreResourceList",
    "RestoreItemOperations",
    "CSIBackupVolumeSnapshots",
    "CSIBackupVolumeSnapshotContents",
    "BackupVolumeInfos",
    "RestoreVolumeInfo",
]


def listed(values):
    return "supported values: " + ", ".join(f'"{v}"' for v in values)


async def create(api, plural, kind, spec, *, group="velero.io/v1", **query):
    body = {"apiVersion": group, "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    return await api.call("POST", api.path(plural, group=group), body, **query)


async def test_unknown_fields_are_dropped(api):
    made = await api.backup("a", spec={"ttl": "1h", "zz": 1, "hooks": {"resources": [{"name": "h", "yy": 2}]}})
    assert made.status == 201
    assert made.json["spec"] == {"ttl": "1h", "hooks": {"resources": [{"name": "h"}]}}


async def test_and_warned_of(api):
    made = await api.backup("a", spec={"zz": 1})
    assert made.warnings == ('299 - "unknown field \\"spec.zz\\""',)


async def test_also_in_a_dry_run(api):
    body = {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "a"}, "spec": {"zz": 1}}
    made = await api.call("POST", api.path("backups"), body, dryRun="All", fieldValidation="Warn")
    assert made.warnings == ('299 - "unknown field \\"spec.zz\\""',)


async def test_unless_nobody_wants_to_know(api):
    answer = await create(api, "backups", "Backup", {"zz": 1}, fieldValidation="Ignore")
    assert answer.status == 201
    assert answer.warnings == ()


async def test_strictly_they_are_refused(api):
    answer = await create(api, "backups", "Backup", {"zz": 1}, fieldValidation="Strict")
    assert answer.refusal[:2] == (400, "BadRequest")
    assert answer.refusal[2].endswith('strict decoding error: unknown field "spec.zz"')
    assert (await api.call("GET", api.path("backups"))).names == []


async def test_all_of_them_are_named(api):
    answer = await create(api, "backups", "Backup", {"zz": 1, "hooks": {"yy": 1}}, fieldValidation="Strict")
    assert 'unknown field "spec.zz"' in answer.refusal[2]
    assert 'unknown field "spec.hooks.yy"' in answer.refusal[2]


async def test_a_strict_patch_is_refused_as_invalid(api):
    await api.backup("a")
    answer = await api.patch_backup("a", {"spec": {"zz": 1}}, fieldValidation="Strict")
    assert answer.refusal[:2] == (422, "Invalid")
    assert answer.causes.keys() == {"patch"}
    assert answer.refusal[2].endswith('strict decoding error: unknown field "spec.zz"')


async def test_a_strict_patch_of_known_fields(api):
    await api.backup("a")
    assert (await api.patch_backup("a", {"spec": {"ttl": "1h"}}, fieldValidation="Strict")).status == 200


async def test_a_validation_that_is_none(api):
    answer = await create(api, "backups", "Backup", {}, fieldValidation="Severe")
    assert answer.refusal[:2] == (422, "Invalid")
    assert 'fieldValidation: Unsupported value: "Severe"' in answer.refusal[2]


@pytest.mark.parametrize("name", ["Bad_Name", "-a", "a..b", "ü"])
async def test_bad_names(api, name):
    answer = await api.backup(name)
    code, reason, message = answer.refusal
    assert (code, reason) == (422, "Invalid")
    assert message.startswith(
        f'Backup.velero.io "{name}" is invalid: metadata.name: Invalid value: "{name}": {SUBDOMAIN}'
    )
    assert answer.json["details"]["kind"] == "Backup"
    assert answer.json["details"]["group"] == "velero.io"
    assert answer.json["details"]["causes"][0]["reason"] == "FieldValueInvalid"


async def test_a_name_of_254_characters(api):
    assert (await api.backup("n" * 253)).status == 201
    answer = await api.backup("n" * 254)
    assert answer.causes == {"metadata.name": f'Invalid value: "{"n" * 254}": must be no more than 253 characters'}


async def test_no_name(api):
    answer = await api.call(
        "POST", api.path("backups"), {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {}}
    )
    said = 'Backup.velero.io "" is invalid: metadata.name: Required value: name or generateName is required'
    assert answer.refusal == (422, "Invalid", said)


async def test_a_label_value_over_63_bytes(api):
    long = "v" * 64
    answer = await api.backup("a", metadata={"labels": {"velero.io/schedule-name": long}})
    said = f'Backup.velero.io "a" is invalid: metadata.labels: Invalid value: "{long}": must be no more than 63 bytes'
    assert answer.refusal == (422, "Invalid", said)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"a": "with space"}, "a valid label must be an empty string or consist of alphanumeric characters"),
        ({"a/b/c": "x"}, "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"),
        ({"UP.er/name": "x"}, f"prefix part {SUBDOMAIN}"),
        ({"n" * 64: "x"}, "name part must be no more than 63 bytes"),
        ({"/name": "x"}, "prefix part must be non-empty"),
        ({"example.com/": "x"}, "name part must be non-empty"),
    ],
)
async def test_bad_labels(api, labels, said):
    answer = await api.backup("a", metadata={"labels": labels})
    assert answer.refusal[:2] == (422, "Invalid")
    assert "metadata.labels: Invalid value: " in answer.refusal[2]
    assert said in answer.refusal[2]


async def test_bad_labels_come_no_later_by_patch(api):
    await api.backup("a")
    answer = await api.patch_backup("a", {"metadata": {"labels": {"x": "?"}}})
    assert answer.refusal[:2] == (422, "Invalid")


async def test_labels_that_are_no_text_cannot_be_read(api):
    answer = await api.backup("a", metadata={"labels": {"a": 1}})
    assert answer.refusal[:2] == (400, "BadRequest")


async def test_annotations_may_be_long_but_not_endless(api):
    assert (await api.backup("a", metadata={"annotations": {"UPPER/x": "v" * 1000}})).status == 201
    answer = await api.backup("b", metadata={"annotations": {"x": "v" * (256 * 1024)}})
    assert answer.causes == {"metadata.annotations": "Too long: may not be more than 262144 bytes"}


async def test_a_phase_that_is_none(api):
    await api.backup("a")
    answer = await api.patch_backup("a", {"status": {"phase": "Done"}})
    said = f'Unsupported value: "Done": {listed(BACKUP_PHASES)}'
    assert answer.refusal == (422, "Invalid", f'Backup.velero.io "a" is invalid: status.phase: {said}')
    assert answer.json["details"]["causes"] == [
        {"reason": "FieldValueNotSupported", "message": said, "field": "status.phase"},
    ]


async def test_a_download_of_an_unknown_kind_lists_the_14(api):
    answer = await create(api, "downloadrequests", "DownloadRequest", {"target": {"kind": "Everything", "name": "b"}})
    assert answer.causes == {"spec.target.kind": f'Unsupported value: "Everything": {listed(DOWNLOADS)}'}


async def test_wrong_types_come_all_at_once(api):
    answer = await api.backup("a", spec={"ttl": 5, "includedNamespaces": "shop", "snapshotVolumes": "yes"})
    assert answer.causes == {
        "spec.ttl": 'Invalid value: "integer": spec.ttl in body must be of type string: "integer"',
        "spec.includedNamespaces": 'Invalid value: "string": spec.includedNamespaces in body must be of type array: "string"',
        "spec.snapshotVolumes": 'Invalid value: "string": spec.snapshotVolumes in body must be of type boolean: "string"',
    }
    assert {c["reason"] for c in answer.json["details"]["causes"]} == {"FieldValueTypeInvalid"}
    assert answer.refusal[2].startswith('Backup.velero.io "a" is invalid: [')


async def test_items_are_named_by_their_place(api):
    answer = await api.backup("a", spec={"includedNamespaces": ["x", 5], "metadata": {"labels": {"k": 1}}})
    assert answer.causes == {
        "spec.includedNamespaces[1]": 'Invalid value: "integer": spec.includedNamespaces[1] in body must be of type string: "integer"',
        "spec.metadata.labels.k": 'Invalid value: "integer": spec.metadata.labels.k in body must be of type string: "integer"',
    }


@pytest.mark.parametrize(
    ("plural", "kind", "spec", "missing"),
    [
        ("schedules", "Schedule", {}, {"spec.schedule", "spec.template"}),
        ("deletebackuprequests", "DeleteBackupRequest", {}, {"spec.backupName"}),
        ("downloadrequests", "DownloadRequest", {"target": {}}, {"spec.target.kind", "spec.target.name"}),
        ("backupstoragelocations", "BackupStorageLocation", {"provider": "aws"}, {"spec.objectStorage"}),
        ("backups", "Backup", {"hooks": {"resources": [{}]}}, {"spec.hooks.resources[0].name"}),
    ],
)
async def test_required_fields(api, plural, kind, spec, missing):
    answer = await create(api, plural, kind, spec)
    assert answer.causes == dict.fromkeys(missing, "Required value")


async def test_v2alpha1_has_its_own_path(api):
    answer = await create(api, "datauploads", "DataUpload", {}, group="velero.io/v2alpha1")
    assert "spec.sourcePVC" in answer.causes
    assert (await api.call("GET", api.path("datauploads"))).status == 404


async def test_a_required_spec_may_be_missing_as_a_whole(api):
    body = {"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": "x"}}
    assert (await api.call("POST", api.path("schedules"), body)).status == 201


async def test_hooks_have_a_command(api):
    hook = {"name": "h", "pre": [{"exec": {"command": [], "onError": "Ignore"}}]}
    answer = await api.backup("a", spec={"hooks": {"resources": [hook]}})
    where = "spec.hooks.resources[0].pre[0].exec"
    assert answer.causes == {
        f"{where}.command": f"Invalid value: 0: {where}.command in body should have at least 1 items",
        f"{where}.onError": 'Unsupported value: "Ignore": supported values: "Continue", "Fail"',
    }


async def test_times_are_times_and_may_be_null(api):
    assert (await api.backup("a", status={"expiration": None})).status == 201
    answer = await api.patch_backup("a", {"status": {"expiration": "tomorrow"}})
    said = 'Invalid value: "tomorrow": status.expiration in body must be of type date-time: "tomorrow"'
    assert answer.causes == {"status.expiration": said}


async def test_null_where_none_may_be_counts_as_absent(api):
    made = await api.backup("a", spec={"ttl": None, "includedNamespaces": None})
    assert made.json["spec"] == {"includedNamespaces": None}


@pytest.mark.parametrize("ttl", ["30d", "-1h", "", "soon"])
async def test_a_duration_is_any_text_to_the_api_server(api, ttl):
    """That a malformed one stops all of Velero's backups is no concern of the API server."""
    made = await api.backup("a", spec={"ttl": ttl})
    assert made.status == 201
    assert made.json["spec"]["ttl"] == ttl


async def test_free_form_parts_stay_as_they_are(api):
    container = {"name": "init", "image": "busybox", "resources": {"limits": {"cpu": 1}}}
    hooks = {"resources": [{"name": "h", "postHooks": [{"init": {"initContainers": [container]}}]}]}
    made = await create(api, "restores", "Restore", {"hooks": hooks}, fieldValidation="Strict")
    assert made.json["spec"]["hooks"] == hooks


async def test_a_default_is_filled_in(api):
    storage = {"provider": "aws", "objectStorage": {"bucket": "b"}, "credential": {"key": "cloud"}}
    made = await create(api, "backupstoragelocations", "BackupStorageLocation", storage)
    assert made.json["spec"]["credential"] == {"key": "cloud", "name": ""}


async def test_another_kind_in_the_body(api):
    body = {"apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": "a"}}
    answer = await api.call("POST", api.path("backups"), body)
    said = 'Restore.velero.io "a" is invalid: kind: Invalid value: "Restore": must be Backup'
    assert answer.refusal == (422, "Invalid", said)
