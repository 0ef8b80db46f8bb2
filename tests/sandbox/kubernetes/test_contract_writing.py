"""Create, patch, replace and their conflicts: the same on the emulator and on a real API server."""

import json

import pytest

JSON_PATCH = "application/json-patch+json"
STALE = "the object has been modified; please apply your changes to the latest version and try again"


def schedule(name, **spec):
    template = {"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": name}}
    return {**template, "spec": {"schedule": "0 1 * * *", "template": {}, **spec}}


async def test_a_new_object_gets_what_only_the_server_knows(api):
    made = await api.backup("a", spec={"ttl": "1h"})
    metadata = made.json["metadata"]
    assert made.status == 201
    assert metadata["uid"]
    assert metadata["creationTimestamp"].endswith("Z")
    assert metadata["generation"] == 1
    assert int(metadata["resourceVersion"]) > 0


async def test_status_is_kept_at_creation(api):
    made = await api.backup("a", status={"phase": "Completed"})
    assert made.json["status"] == {"phase": "Completed"}


async def test_the_servers_fields_cannot_be_chosen(api):
    metadata = {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 9}
    made = (await api.backup("a", metadata=metadata)).json["metadata"]
    assert made["uid"] != "mine"
    assert made["creationTimestamp"] > "2002"
    assert made["generation"] == 1


async def test_an_existing_name(api):
    await api.backup("a")
    answer = await api.backup("a")
    assert answer.refusal == (409, "AlreadyExists", 'backups.velero.io "a" already exists')
    assert answer.json["details"] == {"name": "a", "group": "velero.io", "kind": "backups"}


async def test_a_generated_name_has_five_characters_more(api):
    body = {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"generateName": "nightly-"}}
    names = [(await api.call("POST", api.path("backups"), body)).json["metadata"]["name"] for _ in range(3)]
    assert len(set(names)) == 3
    assert all(n.startswith("nightly-") and len(n) == len("nightly-") + 5 for n in names)


async def test_a_long_generated_name_is_cut_to_63(api):
    body = {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"generateName": "n" * 80 + "-"}}
    metadata = (await api.call("POST", api.path("backups"), body)).json["metadata"]
    assert metadata["name"][:58] == "n" * 58
    assert len(metadata["name"]) == 63


async def test_a_namespace_that_is_not_there(api):
    body = {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "a"}}
    answer = await api.call("POST", api.path("backups", namespace="nowhere"), body)
    assert answer.refusal == (404, "NotFound", 'namespaces "nowhere" not found')


async def test_another_namespace_in_the_body(api):
    answer = await api.backup("a", metadata={"namespace": "default"})
    assert answer.refusal[:2] == (400, "BadRequest")
    assert "the namespace of the provided object does not match the namespace sent on the request" in answer.refusal[2]


async def test_a_dry_run_changes_nothing(api):
    body = {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "a"}}
    made = await api.call("POST", api.path("backups"), body, dryRun="All")
    assert made.status == 201
    assert made.json["metadata"]["name"] == "a"
    assert (await api.call("GET", api.path("backups", "a"))).status == 404


async def test_a_merge_patch_changes_what_it_names_and_null_removes(api):
    await api.backup("a", spec={"ttl": "1h", "includedNamespaces": ["x"], "storageLocation": "default"})
    patched = await api.patch_backup("a", {"spec": {"ttl": "2h", "storageLocation": None}})
    assert patched.json["spec"] == {"ttl": "2h", "includedNamespaces": ["x"]}


async def test_status_is_patched_on_the_object_itself_and_echoed(api):
    await api.call("POST", api.path("schedules"), schedule("nightly"))
    patch = {"status": {"lastSkipped": "2026-11-22T01:00:00Z"}}
    patched = await api.call(
        "PATCH", api.path("schedules", "nightly"), patch, content_type="application/merge-patch+json"
    )
    assert patched.status == 200
    assert patched.json["status"] == {"lastSkipped": "2026-11-22T01:00:00Z"}


async def test_there_is_no_status_subresource(api):
    await api.backup("a")
    for method in ("GET", "PATCH"):
        answer = await api.call(
            method, api.path("backups", "a/status"), {}, content_type="application/merge-patch+json"
        )
        assert answer.refusal[:2] == (404, "NotFound")


async def test_every_change_outside_metadata_counts_as_a_generation(api):
    await api.backup("a")
    labelled = await api.patch_backup("a", {"metadata": {"labels": {"x": "y"}}})
    assert labelled.json["metadata"]["generation"] == 1
    started = await api.patch_backup("a", {"status": {"phase": "InProgress"}})
    assert started.json["metadata"]["generation"] == 2


async def test_a_patch_of_what_is_not_there(api):
    answer = await api.patch_backup("none", {"spec": {}})
    assert answer.refusal == (404, "NotFound", 'backups.velero.io "none" not found')


async def test_a_patch_with_a_stale_revision(api):
    old = (await api.backup("a")).version
    await api.patch_backup("a", {"spec": {"ttl": "1h"}})
    answer = await api.patch_backup("a", {"metadata": {"resourceVersion": old}, "spec": {"ttl": "2h"}})
    said = f'Operation cannot be fulfilled on backups.velero.io "a": {STALE}'
    assert answer.refusal == (409, "Conflict", said)
    assert answer.json["details"] == {"name": "a", "group": "velero.io", "kind": "backups"}


async def test_a_patch_with_the_current_one(api):
    now = (await api.backup("a")).version
    answer = await api.patch_backup("a", {"metadata": {"resourceVersion": now}, "spec": {"ttl": "2h"}})
    assert answer.json["spec"]["ttl"] == "2h"


async def test_a_patch_for_another_uid(api):
    await api.backup("a")
    answer = await api.patch_backup("a", {"metadata": {"uid": "other"}, "spec": {"ttl": "2h"}})
    said = 'Backup.velero.io "a" is invalid: metadata.uid: Invalid value: "other": field is immutable'
    assert answer.refusal == (422, "Invalid", said)


async def test_a_replacement_for_another_uid(api):
    made = (await api.backup("a")).json
    made["metadata"]["uid"] = "other"
    answer = await api.call("PUT", api.path("backups", "a"), made)
    assert answer.refusal[:2] == (409, "Conflict")
    assert "Precondition failed: UID in precondition: other, UID in object meta: " in answer.refusal[2]


@pytest.mark.parametrize(
    ("operations", "ttl"),
    [
        (
            [{"op": "test", "path": "/spec/ttl", "value": "1h"}, {"op": "replace", "path": "/spec/ttl", "value": "2h"}],
            "2h",
        ),
        ([{"op": "remove", "path": "/spec/ttl"}], None),
        ([{"op": "copy", "from": "/metadata/name", "path": "/spec/ttl"}], "a"),
        ([{"op": "move", "from": "/spec/datamover", "path": "/spec/ttl"}], "mover"),
    ],
)
async def test_json_patch(api, operations, ttl):
    await api.backup("a", spec={"ttl": "1h", "datamover": "mover"})
    patched = await api.patch_backup("a", operations, content_type=JSON_PATCH)
    assert patched.status == 200
    assert patched.json["spec"].get("ttl") == ttl


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/ttl", "value": "9h"},
        {"op": "remove", "path": "/spec/none"},
        {"op": "replace", "path": "/spec/none/deep", "value": 1},
        {"op": "frobnicate", "path": "/spec/ttl"},
    ],
)
async def test_a_json_patch_that_does_not_apply(api, operation):
    await api.backup("a", spec={"ttl": "1h"})
    answer = await api.patch_backup("a", [operation], content_type=JSON_PATCH)
    assert answer.refusal == (422, "Invalid", "the server rejected our request due to an error in our request")


async def test_a_json_patch_may_replace_what_is_not_there(api):
    await api.backup("a")
    patched = await api.patch_backup(
        "a", [{"op": "replace", "path": "/spec/ttl", "value": "1h"}], content_type=JSON_PATCH
    )
    assert patched.json["spec"] == {"ttl": "1h"}


async def test_a_strategic_patch_is_not_for_custom_resources(api):
    await api.backup("a")
    answer = await api.patch_backup("a", {"spec": {}}, content_type="application/strategic-merge-patch+json")
    code, reason, message = answer.refusal
    assert (code, reason) == (415, "UnsupportedMediaType")
    for kind in ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"):
        assert kind in message


async def test_replace_takes_away_what_it_does_not_say(api):
    made = (await api.backup("a", spec={"ttl": "1h"}, status={"phase": "Completed"})).json
    del made["status"]
    replaced = await api.call("PUT", api.path("backups", "a"), made)
    assert replaced.status == 200
    assert "status" not in replaced.json


async def test_replace_with_a_stale_revision(api):
    made = (await api.backup("a")).json
    await api.patch_backup("a", {"spec": {"ttl": "1h"}})
    answer = await api.call("PUT", api.path("backups", "a"), made)
    assert answer.refusal == (409, "Conflict", f'Operation cannot be fulfilled on backups.velero.io "a": {STALE}')


async def test_replace_without_a_revision(api):
    made = (await api.backup("a")).json
    del made["metadata"]["resourceVersion"]
    answer = await api.call("PUT", api.path("backups", "a"), made)
    assert answer.refusal[:2] == (422, "Invalid")
    assert "metadata.resourceVersion" in answer.refusal[2]
    assert "must be specified for an update" in answer.refusal[2]


async def test_replace_under_another_name(api):
    made = (await api.backup("a")).json
    made["metadata"]["name"] = "b"
    answer = await api.call("PUT", api.path("backups", "a"), made)
    said = "the name of the object (b) does not match the name on the URL (a)"
    assert answer.refusal == (400, "BadRequest", said)


async def test_replace_of_what_is_not_there(api):
    made = (await api.backup("a")).json
    made["metadata"] = {"name": "b", "resourceVersion": made["metadata"]["resourceVersion"]}
    assert (await api.call("PUT", api.path("backups", "b"), made)).status == 404


async def test_a_body_that_is_no_json(api):
    answer = await api.call("POST", api.path("backups"), '{"apiVersion": ')
    assert answer.refusal[:2] == (400, "BadRequest")


async def test_a_body_of_another_type(api):
    answer = await api.call("POST", api.path("backups"), "kind", content_type="text/plain")
    assert answer.refusal[:2] == (415, "UnsupportedMediaType")


async def test_a_patch_that_is_no_json(api):
    await api.backup("a")
    answer = await api.patch_backup("a", '{"spec": ')
    assert answer.refusal == (400, "BadRequest", "error decoding patch: unexpected end of JSON input")


@pytest.mark.parametrize(
    ("patch", "content_type"), [([], "application/merge-patch+json"), ({}, "application/json-patch+json")]
)
async def test_a_patch_of_the_other_shape(api, patch, content_type):
    await api.backup("a")
    answer = await api.patch_backup("a", patch, content_type=content_type)
    assert answer.refusal[:2] == (400, "BadRequest")
    assert answer.refusal[2].startswith("error decoding patch: json: cannot unmarshal ")


async def test_a_custom_resource_has_to_say_its_kind(api):
    answer = await api.call("POST", api.path("backups"), {"apiVersion": "velero.io/v1", "metadata": {"name": "a"}})
    assert answer.refusal[:2] == (400, "BadRequest")
    assert "Object 'Kind' is missing in" in answer.refusal[2]


async def test_another_api_version_in_the_body(api):
    body = {"apiVersion": "velero.io/v7", "kind": "Backup", "metadata": {"name": "a"}}
    answer = await api.call("POST", api.path("backups"), body)
    said = "the API version in the data (velero.io/v7) does not match the expected API version (velero.io/v1)"
    assert answer.refusal == (400, "BadRequest", said)


async def test_names_and_places_do_not_change(api):
    await api.backup("a")
    answer = await api.patch_backup("a", {"metadata": {"name": "b"}})
    said = "the name of the object (b) does not match the name on the URL (a)"
    assert answer.refusal == (400, "BadRequest", said)
    assert (await api.call("GET", api.path("backups"))).names == ["a"]


async def test_an_unchanged_immutable_config_map_may_be_labelled(api):
    made = {"metadata": {"name": "c"}, "data": {"a": "1"}, "immutable": True}
    await api.call("POST", api.path("configmaps", group=""), made)
    labelled = await api.call(
        "PATCH",
        api.path("configmaps", "c", group=""),
        {"metadata": {"labels": {"x": "y"}}},
        content_type="application/merge-patch+json",
    )
    assert labelled.status == 200


async def test_a_changed_one_may_not(api):
    made = {"metadata": {"name": "c"}, "data": {"a": "1"}, "immutable": True}
    await api.call("POST", api.path("configmaps", group=""), made)
    answer = await api.call(
        "PATCH",
        api.path("configmaps", "c", group=""),
        {"data": {"a": "2"}},
        content_type="application/merge-patch+json",
    )
    said = 'ConfigMap "c" is invalid: data: Forbidden: field is immutable when `immutable` is set'
    assert answer.refusal == (422, "Invalid", said)


async def test_answers_are_json_as_sent(api):
    made = await api.backup("a", metadata={"annotations": {"who": "ada – grace"}})
    assert json.loads(made.text)["metadata"]["annotations"] == {"who": "ada – grace"}
    assert made.headers["Content-Type"] == "application/json"
