"""Names of resources and namespaces as they are written, and what Velero makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.reach import Reach
from policy.canonical import spec_guards
from policy.cluster_facts import BackupFacts, ClusterFacts
from policy.guards import restore_guards
from policy.kinds import full_resource_name, proven
from policy.reach import backup_reach
from policy.restore_reach import restore_reach
from policy.scope import RuleScope
from tests.policy.restmapper import SERVED, Api, resource_for, taken

BLANKS = (" ", "\t", "\n", "\u00a0", "\u2003", "\u200b", "\u2060", "\ufeff", "\x00", "\x7f", "\u2028", "\u00ad")
GROUPS = ("", ".", ".rbac", ".RBAC.authorization.k8s.io", ".rbac.authorization.k8s.io", ".v1", ".k8s.io", ".kyverno.io")
FOLDED = ("\u0130", "\u212a", "\u017f")

STEMS = sorted({name for api in SERVED for name in (api.plural, api.singular, *api.short)} | {"rol*", "[", "r[a-z]les"})
CASES = st.sampled_from([str, str.upper, str.title, str.swapcase])
NAMES = st.builds(
    lambda stem, case, group, before, after: f"{before}{case(stem)}{group}{after}",
    st.sampled_from(STEMS),
    CASES,
    st.sampled_from(GROUPS),
    st.sampled_from(("", "", "", *BLANKS)),
    st.sampled_from(("", "", "", *BLANKS, *FOLDED)),
)
LISTS = st.lists(st.one_of(NAMES, st.sampled_from([api.full for api in SERVED])), max_size=4)


def holds(found: Reach, api: Api) -> bool:
    return RuleScope(kinds=frozenset({api.full})).untouched_dimension(found, {}, flags=True) != "kinds"


@given(LISTS, LISTS)
@settings(max_examples=300)
@example([], ["roles ", "rolebindings "])
@example([], ["roles.RBAC.authorization.k8s.io"])
@example([], ["roles", "["])
@example([], ["vs"])
@example(["İngresses"], [])
@example(["secre*"], [])
def test_a_reach_is_never_smaller_than_what_velero_takes(included: list[str], excluded: list[str]) -> None:
    spec = {"includedResources": included, "excludedResources": excluded}
    manifest = {"metadata": {"name": "x"}, "spec": spec}
    reached = (
        backup_reach(manifest, ClusterFacts()),
        restore_reach(manifest, BackupFacts(), ClusterFacts()),
    )
    touched = taken(included, excluded, SERVED)
    for api in SERVED:
        if api.full in touched:
            assert all(holds(found, api) for found in reached), api


@given(LISTS)
@settings(max_examples=150)
def test_a_guard_falls_only_where_velero_leaves_out_all_that_it_guards(excluded: list[str]) -> None:
    manifest = {"spec": {"excludedResources": excluded, "includedNamespaces": ["shop"]}}
    guarded = {"roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io"}
    reach = restore_reach(manifest, BackupFacts(), ClusterFacts())
    codes = {guard.code for guard in restore_guards(reach, BackupFacts(), ClusterFacts())}
    if guarded & taken([], excluded, SERVED):
        assert "restores-rbac" in codes


@given(NAMES)
@settings(max_examples=300)
def test_what_is_proven_is_what_velero_resolves(name: str) -> None:
    if not (meant := proven(name)):
        return
    api = resource_for(name, SERVED)
    assert meant == (api.full if api is not None else full_resource_name(name))


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize(
    "spec",
    [
        {"excludedResources": ["roles{}"]},
        {"includedResources": ["{}pods"]},
        {"includedNamespaces": ["sh{}op"]},
        {"excludedNamespaces": ["shop{}"]},
        {"includedNamespaceScopedResources": ["pods{}"]},
        {"excludedClusterScopedResources": ["clusterroles", "{}"]},
        {"restoreStatus": {"includedResources": ["pods{}"]}},
        {"namespaceMapping": {"shop{}": "copy"}},
        {"namespaceMapping": {"shop": "copy{}"}},
        {"orderedResources": {"pods{}": "shop/a"}},
        {"orderedResources": {"pods": "shop/a,{}shop/b"}},
        {"labelSelector": {"matchLabels": {"app{}": "x"}}},
        {"labelSelector": {"matchLabels": {"app": "x{}"}}},
        {"orLabelSelectors": [{"matchExpressions": [{"key": "{}app", "operator": "Exists"}]}]},
        {"storageLocation": "default{}"},
        {"volumeSnapshotLocations": ["ebs{}"]},
        {"hooks": {"resources": [{"name": "h", "includedNamespaces": ["shop{}"]}]}},
    ],
)
def test_a_blank_that_can_be_seen_or_not_is_refused(spec: dict[str, Any], blank: str) -> None:
    assert spec_guards(_filled(spec, blank))
    assert spec_guards({"template": _filled(spec, blank)})


def _filled(value: Any, blank: str) -> Any:
    if isinstance(value, dict):
        return {key.replace("{}", blank): _filled(each, blank) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, blank) for each in value]
    return value.replace("{}", blank) if isinstance(value, str) else value


@pytest.mark.parametrize(
    "spec",
    [
        {"excludedResources": ["Roles"]},
        {"excludedResources": ["roles.RBAC.authorization.k8s.io"]},
        {"excludedResources": ["secrets."]},
        {"excludedResources": [""]},
        {"excludedResources": ["roles", "["]},
        {"excludedResources": ["ro{les"]},
        {"excludedResources": "roles"},
        {"excludedResources": [7]},
        {"includedResources": ["İngresses"]},
        {"includedNamespaces": ["Shop"]},
        {"includedNamespaces": [""]},
        {"includedNamespaces": ["[]"]},
        {"namespaceMapping": {"shop": ""}},
    ],
)
def test_what_is_no_name_is_refused(spec: dict[str, Any]) -> None:
    assert spec_guards(spec)


def test_the_refusal_shows_what_cannot_be_seen_and_names_what_was_meant() -> None:
    (guard,) = spec_guards({"excludedResources": ["roles\u200b"]})
    assert r"'roles\u200b'" in guard.text
    assert guard.nearest == ("roles",)


def test_names_and_patterns_as_velero_takes_them_pass() -> None:
    assert not spec_guards(
        {
            "includedNamespaces": ["shop*", "team-[ab]", "x?"],
            "includedResources": ["*"],
            "excludedResources": ["roles", "sa", "deployments.apps", "sec*"],
            "includeClusterResources": False,
            "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "Shop_1"}},
            "orderedResources": {"pods": "shop/a, shop/b".replace(" ", "")},
            "storageLocation": "west-1",
        }
    )
