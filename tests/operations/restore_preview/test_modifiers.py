"""Resource modifiers on objects: conditions, values, patches and errors."""

import pytest
import yaml

from operations.restore_preview.modifiers import Modifiers, parse_modifiers
from tests.operations.restore_preview.archives import thing

MAP = thing("ConfigMap", "settings", labels={"app": "web"}, data={"size": "7", "on": "yes"})
ROLE = thing("ClusterRole", "reader", rules=[])


def modifiers(*rules):
    found = parse_modifiers({"rules.yaml": yaml.safe_dump({"version": "v1", "resourceModifierRules": list(rules)})})
    assert found is not None
    return found


def rule(conditions=None, **ways):
    return {"conditions": {"groupResource": "configmaps", **(conditions or {})}, **ways}


def sized(value, **conditions):
    return rule(conditions, patches=[{"operation": "replace", "path": "/data/size", "value": value}])


def data(found):
    return found.item["data"]


@pytest.mark.parametrize(
    ("value", "became"),
    [("8", 8), ('"8"', "8"), ("eight", "eight"), ("true", True), ("False", False), ("null", None), ("[1]", [1])],
)
def test_values_are_read_as_velero_reads_them(value, became):
    assert data(modifiers(sized(value)).apply_to(MAP, "configmaps"))["size"] == became


@pytest.mark.parametrize(
    ("conditions", "fits"),
    [
        ({}, True),
        ({"namespaces": ["shop"]}, True),
        ({"namespaces": ["copy"]}, False),
        ({"namespaces": ["sh*"]}, True),
        ({"resourceNameRegex": "^set"}, True),
        ({"resourceNameRegex": "^ting"}, False),
        ({"labelSelector": {"matchLabels": {"app": "web"}}}, True),
        ({"labelSelector": {"matchLabels": {"app": "db"}}}, False),
        ({"matches": [{"path": "/data/on", "value": "yes"}]}, True),
        ({"matches": [{"path": "/data/on", "value": "no"}]}, False),
        ({"matches": [{"path": "/data/off", "value": "no"}]}, False),
    ],
)
def test_conditions(conditions, fits):
    found = modifiers(sized('"8"', **conditions)).apply_to(MAP, "configmaps")
    assert (found.applied == (1,)) is fits
    assert (data(found)["size"] == "8") is fits


@pytest.mark.parametrize(
    ("pattern", "resource", "fits"),
    [
        ("*", "configmaps", True),
        ("*", "deployments.apps", False),
        ("*.apps", "deployments.apps", True),
        ("**", "deployments.apps", True),
        ("deployments.*", "deployments.apps", True),
        ("deployment?.apps", "deployments.apps", True),
    ],
)
def test_a_star_does_not_match_a_dot(pattern, resource, fits):
    found = modifiers(sized('"8"', groupResource=pattern)).apply_to(MAP, resource)
    assert bool(found.applied) is fits


def test_namespace_conditions_ignore_cluster_scoped_objects():
    one = rule({"groupResource": "clusterroles*", "namespaces": ["copy"]}, mergePatches=[{"patchData": "rules: [1]"}])
    found = modifiers(
        {**one, "conditions": {"groupResource": "clusterroles.rbac.authorization.k8s.io", "namespaces": ["copy"]}}
    )
    assert found.apply_to(ROLE, "clusterroles.rbac.authorization.k8s.io").item["rules"] == [1]


def test_conditions_are_tested_on_the_unmodified_object():
    first = sized('"8"')
    second = sized('"9"', matches=[{"path": "/data/size", "value": '"7"'}])
    found = modifiers(first, second).apply_to(MAP, "configmaps")
    assert found.applied == (1, 2)
    assert data(found)["size"] == "9"


def test_a_failed_test_operation_skips_the_patch():
    patches = [
        {"operation": "replace", "path": "/data/size", "value": "8"},
        {"operation": "test", "path": "/data/on", "value": "no"},
    ]
    found = modifiers(rule(patches=patches)).apply_to(MAP, "configmaps")
    assert data(found) == MAP["data"]
    assert found.errors == ()


def test_merge_and_strategic_patches():
    merged = modifiers(rule(mergePatches=[{"patchData": "data: {size: null, more: x}"}])).apply_to(MAP, "configmaps")
    assert data(merged) == {"on": "yes", "more": "x"}
    pod = thing("Pod", "web", spec={"containers": [{"name": "web", "image": "a"}]})
    laid = rule(
        {"groupResource": "pods"}, strategicPatches=[{"patchData": "spec: {containers: [{name: web, image: b}]}"}]
    )
    assert modifiers(laid).apply_to(pod, "pods").item["spec"]["containers"] == [{"name": "web", "image": "b"}]


@pytest.mark.parametrize(
    "wrong",
    [
        rule(patches=[{"operation": "remove", "path": "/data/none"}]),
        rule({"resourceNameRegex": "("}, patches=[]),
        rule({"resourceNameRegex": "(?=a)"}, patches=[]),
        rule({"labelSelector": {"matchExpressions": [{"key": "app", "operator": "Like"}]}}, patches=[]),
        rule(mergePatches=[{"patchData": "a: ["}]),
        rule(mergePatches=[{"patchData": "nothing but words"}]),
        rule(mergePatches=[{"patchData": "data: &all {size: '9'}"}]),
        rule(mergePatches=[{"patchData": "[" * 5_000}]),
    ],
)
def test_a_failing_rule_does_not_affect_other_rules(wrong):
    found = modifiers(wrong, sized('"8"')).apply_to(MAP, "configmaps")
    assert data(found)["size"] == "8"
    assert len(found.errors) == 1
    assert found.errors[0].startswith("rule 1 ")


@pytest.mark.parametrize(
    "conditions", [{"resourceNameRegex": "((s+)+)+!$"}, {"groupResource": "*c*o*n*f*i*g*m*a*p*s*!"}]
)
def test_a_catastrophic_pattern_does_not_hang(conditions):
    found = modifiers(rule(conditions, patches=[]), sized('"8"')).apply_to(MAP, "configmaps")
    assert (found.applied, found.errors) == ((2,), ())


@pytest.mark.parametrize("text", ["a: [", "just words", "version: v1", "resourceModifierRules: [words]"])
def test_documents_that_velero_cannot_read(text):
    assert parse_modifiers({"rules.yaml": text}) is None


def test_a_config_map_needs_exactly_one_key():
    assert parse_modifiers({}) is None
    assert parse_modifiers({"a": "x", "b": "y"}) is None


def test_without_rules_nothing_changes():
    found = Modifiers().apply_to(MAP, "configmaps")
    assert found.item is MAP
    assert found.applied == ()
