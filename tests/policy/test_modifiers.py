"""Resource modifiers as a dimension of reach and of rules: what they can touch decides."""

from __future__ import annotations

from typing import Any

import pytest

from domain.reach import Reach
from policy.cluster_facts import BackupFacts, ClusterFacts
from policy.decide import judge
from policy.modifiers import EVERY_FIELD, is_metadata, patched_fields
from policy.parse import RuleErrors, parse_rules
from policy.restore_reach import restore_reach
from tests.policy.people import ADA, DIRECTORY, ask, rules

TEAM = {
    "who": {"groups": ["shop-team"]},
    "what": ["restore.create"],
    "namespaces": ["shop"],
    "effect": "allow",
}


def document(way: str, *patches: Any, kind: str = "deployments.apps") -> dict[str, Any]:
    return {"version": "v1", "resourceModifierRules": [{"conditions": {"groupResource": kind}, way: list(patches)}]}


def merge(data: Any) -> dict[str, Any]:
    return document("mergePatches", {"patchData": data})


def patch(operation: str, path: str, value: Any = "", **more: str) -> dict[str, Any]:
    return document("patches", {"operation": operation, "path": path, "value": value, **more})


@pytest.mark.parametrize(
    ("written", "touched"),
    [
        (merge({"metadata": {"labels": {"a": "b", "x/y": None}}}), {"/metadata/labels/a", "/metadata/labels/x~1y"}),
        (merge({"spec": {"template": {"spec": {"hostPID": True}}}}), {"/spec/template/spec/hostPID"}),
        (merge({"metadata": {"labels": None}}), {"/metadata/labels"}),
        (merge({"metadata": {"labels": {"$patch": "replace", "a": "b"}}}), {"/metadata/labels", "/metadata/labels/a"}),
        (merge({}), {""}),
        (patch("add", "/metadata/labels/a", "b"), {"/metadata/labels/a"}),
        (patch("add", "/metadata/labels", {"a": "b"}), {"/metadata/labels/a"}),
        (patch("replace", "/metadata/labels", {"a": "b"}), {"/metadata/labels/a", "/metadata/labels"}),
        (patch("test", "/spec/replicas", "1"), set()),
        (patch("move", "/metadata/labels/a", **{"from": "/spec/replicas"}), {"/metadata/labels/a", "/spec/replicas"}),
        (patch("copy", "/spec/x", **{"from": "/metadata/name"}), {"/spec/x"}),
    ],
)
def test_what_patches_touch(written: dict[str, Any], touched: set[str]) -> None:
    assert patched_fields(written) == {f"deployments.apps {path}" for path in touched}


@pytest.mark.parametrize(
    "written",
    [
        None,
        [],
        {"version": "v1"},
        {"version": "v1", "resourceModifierRules": "x"},
        {"version": "v1", "ResourceModifierRules": []},
        {"version": "v1", "resourceModifierRules": [7]},
        {"resourceModifierRules": [{"conditions": {"groupResource": "pods"}, "MergePatches": []}]},
        {"resourceModifierRules": [{"conditions": {"groupResource": "pods", "Namespaces": ["x"]}, "patches": []}]},
        document("patches", {"operation": "add", "Path": "/metadata/labels/a"}, kind="*"),
        document("mergePatches", {"patchdata": "{}"}, kind="p*ds"),
        document("mergePatches", {"patchData": [1]}, kind="{pods,namespaces}"),
        document("mergePatches", {"patchData": "{}"}, kind="Pods"),
    ],
)
def test_what_cannot_be_read_touches_everything(written: Any) -> None:
    assert patched_fields(written) == EVERY_FIELD


@pytest.mark.parametrize(
    "written",
    [
        patch("add", '/metadata/labels/a","path":"/spec/hostPID', "true"),
        patch('add","path":"/spec/hostPID', "/metadata/labels/a"),
        patch("add", "/metadata/labels/a", '{"a":1},"path":"/spec/hostPID"'),
        patch("add", "/metadata/labels/a", '[]},{"op":"add","path":"/spec/hostPID","value":true'),
        patch("add", "/metadata/labels/a", 'x","path":"/spec/hostPID'),
        patch("add", "/metadata/labels/a", '"x","path":"/spec/hostPID"'),
        patch("add", "/metadata/labels/\\u0061"),
        patch("move", "/metadata/labels/a", **{"from": '/x","path":"/spec/hostPID'}),
    ],
)
def test_a_patch_that_writes_itself_on_in_velero_s_format_touches_everything(written: dict[str, Any]) -> None:
    assert patched_fields(written) == {"deployments.apps "}


@pytest.mark.parametrize(
    ("touched", "harmless"),
    [
        ("deployments.apps /metadata/labels/a", True),
        ("widgets.example.com /metadata/annotations/x~1y", True),
        ("deployments.apps /metadata/labels", False),
        ("deployments.apps /metadata/labels/", False),
        ("deployments.apps /metadata/labels/a/b", False),
        ("deployments.apps /metadata/namespace", False),
        ("deployments.apps /metadata/ownerReferences/0", False),
        ("deployments.apps /Metadata/labels/a", False),
        ("deployments.apps /spec/replicas", False),
        ("pods /metadata/annotations/post.hook.restore.velero.io~1command", False),
        ("pods /metadata/labels/velero.io~1exclude-from-backup", False),
        ("namespaces /metadata/labels/pod-security.kubernetes.io~1enforce", False),
        ("clusterroles.rbac.authorization.k8s.io /metadata/labels/a", False),
        ("* /metadata/labels/a", False),
        ("* ", False),
    ],
)
def test_metadata(touched: str, harmless: bool) -> None:
    assert is_metadata(touched) is harmless


METADATA, REPLICAS = "deployments.apps /metadata/labels/a", "deployments.apps /spec/replicas"
HOST = "deployments.apps /spec/template/spec/hostPID"


@pytest.mark.parametrize(
    ("says", "touched", "expected"),
    [
        ({}, [METADATA], "allow"),
        ({}, [METADATA, HOST], "deny"),
        ({}, ["rolebindings.rbac.authorization.k8s.io /subjects"], "deny"),
        ({"kinds": ["configmaps"]}, [METADATA], "deny"),
        ({"kinds": ["deploy"]}, [METADATA], "allow"),
        ({"modifiers": "none"}, [METADATA], "deny"),
        ({"modifiers": "metadata"}, [REPLICAS], "deny"),
        ({"modifiers": "any"}, [HOST, "* "], "allow"),
        ({"modifiers": {"most": "any", "paths": ["/spec/replicas"]}}, [REPLICAS], "allow"),
        ({"modifiers": {"most": "any", "paths": ["/spec/replicas"]}}, [HOST], "deny"),
        ({"modifiers": {"most": "any", "paths": ["/spec/repl"]}}, [REPLICAS], "deny"),
        ({"modifiers": {"most": "any", "kinds": ["configmaps"]}}, [REPLICAS], "deny"),
        ({"modifiers": {"most": "any", "kinds": ["deploy"]}}, [REPLICAS], "allow"),
        ({"modifiers": {"most": "any", "kinds": ["deploy"]}}, ["* /spec/replicas"], "deny"),
        ({"namespaces": ["*"]}, [HOST], "allow"),
    ],
)
def test_a_rule_holds_only_the_modifiers_that_it_names(says: dict[str, Any], touched: list[str], expected: str) -> None:
    reach = Reach(writes=frozenset({"shop"}), kinds=frozenset(says.get("kinds", ["*"])), modified=frozenset(touched))
    assert judge(rules({**TEAM, **says}), ask(ADA, "restore.create", reach=reach), DIRECTORY).outcome == expected


@pytest.mark.parametrize(
    ("says", "touched", "expected"),
    [
        ("any", [], "allow"),
        ("any", [METADATA], "allow"),
        ("any", [HOST], "deny"),
        ("metadata", [], "allow"),
        ("metadata", [METADATA], "deny"),
        ({"most": "any", "paths": ["/spec/template"]}, [REPLICAS], "allow"),
        ({"most": "any", "paths": ["/spec/template"]}, [HOST], "deny"),
        ({"most": "any", "paths": ["/spec/template"]}, ["deployments.apps /spec"], "deny"),
        ({"most": "any", "kinds": ["secrets"]}, [HOST], "allow"),
        ({"most": "any", "kinds": ["secrets"]}, ["* /data"], "deny"),
    ],
)
def test_a_rule_denies_modifiers_under_a_condition(says: Any, touched: list[str], expected: str) -> None:
    denies = {"who": "anyone", "what": ["restore.*"], "effect": "deny", "modifiers": says}
    allows = {"who": "anyone", "what": ["*"], "effect": "allow"}
    reach = Reach(writes=frozenset({"shop"}), modified=frozenset(touched))
    assert judge(rules(denies, allows), ask(ADA, "restore.create", reach=reach), DIRECTORY).outcome == expected


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("all", "'all' isn't valid"),
        ({"kinds": ["pods"]}, "Required setting is missing"),
        ({"most": "any", "paths": ["spec"]}, "JSON pointer"),
        ({"most": "any", "where": []}, "Unknown setting 'where'"),
    ],
)
def test_a_wrong_limit_is_told(says: Any, words: str) -> None:
    found = parse_rules([{"name": "r", "who": "anyone", "what": ["*"], "effect": "allow", "modifiers": says}])
    assert isinstance(found, RuleErrors)
    assert words in str(found.texts)


def test_a_rule_that_denies_names_what_it_denies() -> None:
    found = parse_rules([{"name": "r", "who": "anyone", "what": ["*"], "effect": "deny", "modifiers": "none"}])
    assert isinstance(found, RuleErrors)


def test_a_restore_has_the_reach_of_its_modifiers_and_of_any_where_they_were_not_read() -> None:
    manifest = {"spec": {"resourceModifier": {"kind": "configmap", "name": "m"}}}
    known = ClusterFacts(modifiers={"m": merge({"spec": {"replicas": 0}})})
    assert restore_reach(manifest, BackupFacts(), known).modified == {REPLICAS}
    assert restore_reach(manifest, BackupFacts(), ClusterFacts()).modified == EVERY_FIELD
    assert restore_reach({"spec": {}}, BackupFacts(), ClusterFacts()).modified == frozenset()
