"""Modifiers tried on what a backup holds, before anybody is asked to approve them."""

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


def test_what_changes_is_told_field_by_field():
    found, modifiers = tried("jobs.batch", **merging('{"spec": {"suspend": true, "parallelism": 2}}'))
    assert found.changes == [
        "Job shop/clean: spec.parallelism: absent → 2",
        "Job shop/clean: spec.suspend: false → true",
    ]
    assert found.refusals(modifiers) == ()
    assert found.rules_without_match(modifiers) == ()


@pytest.mark.parametrize(
    ("kind", "near"),
    [("jobs", "jobs.batch"), ("job.batch", "jobs.batch"), ("batch/jobs", "jobs.batch"), ("ConfigMaps", "configmaps")],
)
def test_a_kind_that_is_not_there_in_velero_s_spelling_is_refused_with_the_one_that_is(kind, near):
    found, modifiers = tried(kind, **merging("{}"))
    (refusal,) = found.refusals(modifiers)
    assert "matches nothing that is restored" in refusal
    assert near in refusal


def test_a_patch_that_fails_is_refused_with_the_object_and_the_reason():
    found, modifiers = tried("configmaps", patches=[{"operation": "remove", "path": "/data/none"}])
    (refusal,) = found.refusals(modifiers)
    assert refusal.startswith("ConfigMap shop/settings: rule 1 ")
    assert "'none'" in refusal
    assert "unmodified" in refusal


def test_a_strategic_patch_of_what_velero_does_not_know_is_refused():
    found, modifiers = tried("themes.blog.example.com", strategicPatches=[{"patchData": '{"spec": {"color": "red"}}'}])
    assert "use mergePatches" in found.refusals(modifiers)[0]


def test_conditions_that_hold_for_nothing_are_told():
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
def test_a_document_that_cannot_be_read_touches_every_field(text):
    assert patched_fields(document({"m": text})) == EVERY_FIELD


def test_what_is_in_patch_data_counts():
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
def test_a_value_that_is_json_counts_as_what_it_is(value, touched):
    rule = {
        "conditions": {"groupResource": "pods"},
        "patches": [{"operation": "add", "path": "/metadata/labels", "value": value}],
    }
    text = yaml.safe_dump({"version": "v1", "resourceModifierRules": [rule]})
    assert patched_fields(document({"m": text})) == (EVERY_FIELD if touched is None else {touched})
    if touched is None:
        with pytest.raises(UsageError):
            check(text)
