"""Modifiers are tried on the backup's objects before the restore needs an approval."""

import pytest
import yaml

from commands.restore.modifier_config_map import check, document
from domain.errors import UsageError
from operations.restore_preview.modifier_trial import ModifierTrial, describe_changes
from operations.restore_preview.modifiers import Modifiers
from policy.modifiers import EVERY_FIELD, patched_fields
from tests.operations.restore_preview.archives import thing

MAP = thing("ConfigMap", "settings", data={"size": "7"})
JOB = thing("Job", "clean", spec={"suspend": False})
THEME = thing("Theme", "dark", spec={"color": "black"})
STORED = [("configmaps", MAP), ("jobs.batch", JOB), ("themes.blog.example.com", THEME)]


def tried(kind, *, stored=STORED, **rule):
    conditions = {"groupResource": kind, **rule.pop("conditions", {})}
    modifiers, found = Modifiers(({"conditions": conditions, **rule},)), ModifierTrial()
    for resource, item in stored:
        place = f"{item['kind']} shop/{item['metadata']['name']}"
        found.record(resource, place, item, modifiers.apply_to(item, resource))
    return found, modifiers


def merging(data):
    return {"mergePatches": [{"patchData": data}]}


def test_changes_are_listed_field_by_field():
    found, modifiers = tried("jobs.batch", **merging('{"spec": {"suspend": true, "parallelism": 2}}'))
    assert found.changes == [
        "Job shop/clean: spec.parallelism: (missing) → 2",
        "Job shop/clean: spec.suspend: false → true",
    ]
    assert found.refusals(modifiers) == ()
    assert found.rules_without_match(modifiers) == ()


@pytest.mark.parametrize(
    ("kind", "near"),
    [("jobs", "jobs.batch"), ("job.batch", "jobs.batch"), ("batch/jobs", "jobs.batch"), ("ConfigMaps", "configmaps")],
)
def test_a_misspelled_group_resource_is_refused_with_a_suggestion(kind, near):
    found, modifiers = tried(kind, **merging("{}"))
    (refusal,) = found.refusals(modifiers)
    assert "matches nothing in this restore" in refusal
    assert near in refusal


def test_a_failing_patch_is_refused_with_the_object_and_the_reason():
    found, modifiers = tried("configmaps", patches=[{"operation": "remove", "path": "/data/none"}])
    (refusal,) = found.refusals(modifiers)
    assert refusal.startswith("ConfigMap shop/settings: rule 1 ")
    assert "'none'" in refusal
    assert "unmodified" in refusal


def test_a_strategic_patch_of_a_custom_resource_is_refused():
    found, modifiers = tried("themes.blog.example.com", strategicPatches=[{"patchData": '{"spec": {"color": "red"}}'}])
    assert "use mergePatches" in found.refusals(modifiers)[0]


def test_conditions_that_no_object_meets_are_reported():
    found, modifiers = tried("configmaps", conditions={"namespaces": ["copy"]}, **merging("{}"))
    assert found.refusals(modifiers) == ()
    assert "changes nothing" in found.rules_without_match(modifiers)[0]


def test_values_of_secrets_are_not_shown():
    item = thing("Secret", "key", data={"password": "b25l"})
    found, _ = tried("secrets", stored=[("secrets", item)], **merging('{"data": {"password": "dHdv"}}'))
    assert found.changes == ["Secret shop/key: data.password: changed"]


def test_a_value_of_another_type_is_a_change():
    assert list(describe_changes({"a": 1, "b": [1]}, {"a": True, "b": [1]})) == ["a: 1 → true"]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "version: v1",
        "{version: v1, resourceModifierRules: 7}",
        "{version: v1, resourceModifierRules: [7]}",
        "{version: v1, resourceModifierRules: [{conditions: {groupResource: pods}, mergePatches: [7]}]}",
        "{version: v1, resourceModifierRules: [{conditions: {groupResource: pods}, mergePatches: 7}]}",
        "{version: v1, resourceModifierRules: [{conditions: {groupResource: pods}, mergePatches: [{patchData: '{'}]}]}",
    ],
)
def test_an_unreadable_document_counts_as_every_field(text):
    assert patched_fields(document({"m": text})) == EVERY_FIELD


def test_patch_data_is_read():
    data = "{version: v1, resourceModifierRules: [{conditions: {groupResource: pods}, mergePatches: [{patchData: '{spec: {hostPID: true}}'}]}]}"
    assert patched_fields(document({"m": data})) == {"pods /spec/hostPID"}


@pytest.mark.parametrize(
    ("value", "touched"),
    [
        ('{"a": "b"}', "pods /metadata/labels/a"),
        ('{"a":1},"path":"/spec/hostPID"', None),
        ('[]},{"op":"add","path":"/spec/hostPID","value":true', None),
        ("{", None),
    ],
)
def test_a_json_value_is_read_as_json(value, touched):
    rule = {
        "conditions": {"groupResource": "pods"},
        "patches": [{"operation": "add", "path": "/metadata/labels", "value": value}],
    }
    text = yaml.safe_dump({"version": "v1", "resourceModifierRules": [rule]})
    assert patched_fields(document({"m": text})) == (EVERY_FIELD if touched is None else {touched})
    if touched is None:
        with pytest.raises(UsageError):
            check(text)
