"""Patches as Velero's resource modifiers apply them to objects."""

import pytest

from operations.restore_preview.patches import CannotApply, TestFailed, apply_json_patch, merge_patch, strategic_merge

POD = {"spec": {"containers": [{"name": "web", "image": "web:1"}, {"name": "log", "image": "log:1"}], "nodeName": "n1"}}


def done(document, *operations):
    return apply_json_patch(document, [{"op": op, "path": path, **more} for op, path, more in operations])


@pytest.mark.parametrize(
    ("operation", "after"),
    [
        (("add", "/b", {"value": 2}), {"a": [1, 2], "b": 2}),
        (("add", "/a/1", {"value": 9}), {"a": [1, 9, 2]}),
        (("add", "/a/-", {"value": 9}), {"a": [1, 2, 9]}),
        (("replace", "/a/0", {"value": 9}), {"a": [9, 2]}),
        (("remove", "/a/0", {}), {"a": [2]}),
        (("remove", "/a", {}), {}),
        (("copy", "/c", {"from": "/a"}), {"a": [1, 2], "c": [1, 2]}),
        (("move", "/c", {"from": "/a/1"}), {"a": [1], "c": 2}),
        (("test", "/a/0", {"value": 1}), {"a": [1, 2]}),
    ],
)
def test_each_operation(operation, after):
    before = {"a": [1, 2]}
    assert done(before, operation) == after
    assert before == {"a": [1, 2]}


@pytest.mark.parametrize(
    "operation",
    [
        ("remove", "/b", {}),
        ("replace", "/b", {"value": 1}),
        ("add", "/b/c", {"value": 1}),
        ("remove", "/a/2", {}),
        ("remove", "", {}),
        ("copy", "/c", {"from": "/b"}),
        ("invent", "/a", {}),
        ("add", "no-slash", {"value": 1}),
    ],
)
def test_missing_fields_cannot_be_changed(operation):
    with pytest.raises(CannotApply):
        done({"a": [1, 2]}, operation)


def test_a_failed_test_operation_has_its_own_error():
    with pytest.raises(TestFailed):
        done({"a": 1}, ("test", "/a", {"value": True}))


def test_escaped_slashes_and_tildes_in_keys():
    found = {"metadata": {"labels": {"shop/tier": "a", "x~y": "b"}}}
    after = done(
        found, ("replace", "/metadata/labels/shop~1tier", {"value": "c"}), ("remove", "/metadata/labels/x~0y", {})
    )
    assert after == {"metadata": {"labels": {"shop/tier": "c"}}}


def test_a_merge_patch_removes_null_fields_and_replaces_lists():
    assert merge_patch({"a": {"b": 1, "c": [1]}}, {"a": {"b": None, "c": [2]}}) == {"a": {"c": [2]}}


def test_a_strategic_patch_merges_containers_by_name():
    after = strategic_merge(POD, {"spec": {"containers": [{"name": "web", "image": "web:2"}, {"name": "new"}]}})
    assert [one["name"] for one in after["spec"]["containers"]] == ["web", "log", "new"]
    assert after["spec"]["containers"][0]["image"] == "web:2"
    gone = strategic_merge(POD, {"spec": {"nodeName": None, "containers": [{"name": "log", "$patch": "delete"}]}})
    assert gone == {"spec": {"containers": [{"name": "web", "image": "web:1"}]}}


def test_a_strategic_patch_merges_ports_by_number_and_replaces_lists_without_a_key():
    service = {"spec": {"ports": [{"port": 80, "nodePort": 30080}], "externalIPs": ["a"]}}
    after = strategic_merge(service, {"spec": {"ports": [{"port": 80, "nodePort": 30081}], "externalIPs": ["b"]}})
    assert after == {"spec": {"ports": [{"port": 80, "nodePort": 30081}], "externalIPs": ["b"]}}
