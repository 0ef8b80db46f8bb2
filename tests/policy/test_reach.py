"""The reach of backups, schedules, deletions and patches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.reach import EVERYTHING, Reach
from policy.cluster_facts import ClusterFacts
from policy.globs import is_pattern, matches_glob
from policy.kinds import full_resource_names
from policy.reach import (
    apply_merge_patch,
    backup_reach,
    deletion_reach,
    location_reach,
    schedule_reach,
    select_names,
    union_reach,
)
from tests.policy.velero118 import ACROSS, GVKS, SPELLINGS, Obj, taken

FACTS = ClusterFacts(labels={"shop": {}, "shop-db": {}, "payments": {}}, default_location="default")


def backup(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "b1"}, "spec": spec}


def reach(**spec: Any) -> Reach:
    return backup_reach(backup(**spec), FACTS)


@pytest.mark.parametrize(
    ("spec", "reads"),
    [
        ({}, EVERYTHING),
        ({"includedNamespaces": None}, EVERYTHING),
        ({"includedNamespaces": []}, EVERYTHING),
        ({"includedNamespaces": ["*"]}, EVERYTHING),
        ({"includedNamespaces": ["shop", "*"]}, EVERYTHING),
        ({"includedNamespaces": [""]}, EVERYTHING),
        ({"includedNamespaces": [" "]}, EVERYTHING),
        ({"includedNamespaces": ["shop", 7]}, EVERYTHING),
        ({"includedNamespaces": "shop"}, EVERYTHING),
        ({"includedNamespaces": ["shop["]}, EVERYTHING),
        ({"includedNamespaces": ["shop", "(others)"]}, EVERYTHING),
        ({"includedNamespaces": ["Shop"]}, EVERYTHING),
        ({"includedNamespaces": ["shop"]}, {"shop"}),
        ({"includedNamespaces": ["shop", "gone"]}, {"shop", "gone"}),
        ({"includedNamespaces": ["shop*"]}, {"shop", "shop-db", "shop*"}),
        ({"includedNamespaces": ["shop-?b", "payments"]}, {"shop-db", "shop-?b", "payments"}),
        ({"includedNamespaces": ["shop*"], "excludedNamespaces": ["shop-db"]}, {"shop", "shop*"}),
        ({"includedNamespaces": ["shop*"], "excludedNamespaces": ["*-db"]}, {"shop", "shop-db", "shop*"}),
        ({"excludedNamespaces": ["payments"]}, EVERYTHING),
        ({"includedNamespaces": ["shop"], "labelSelector": {"matchLabels": {"app": "x"}}}, {"shop"}),
        ({"includedNamespaces": ["shop"], "orderedResources": {"pods": "payments/a,shop/b"}}, {"shop", "payments"}),
    ],
)
def test_namespaces(spec: dict[str, Any], reads: set[str]) -> None:
    found = reach(**spec)
    assert found.reads == reads
    assert found.writes == frozenset()


@pytest.mark.parametrize(
    ("spec", "wide"),
    [
        ({}, True),
        ({"includedNamespaces": ["shop"]}, False),
        ({"includedNamespaces": ["shop"], "includeClusterResources": True}, True),
        ({"includedNamespaces": ["shop"], "includeClusterResources": False}, False),
        ({"includeClusterResources": False}, False),
        ({"excludedNamespaces": ["shop"]}, True),
        ({"includedResources": ["pods", "deploy"]}, False),
        ({"includedResources": ["pods", "clusterroles"]}, True),
        ({"includedResources": ["widgets.example.com"]}, True),
        ({"includedNamespaces": ["shop"], "includedClusterScopedResources": ["storageclasses"]}, True),
        ({"excludedClusterScopedResources": ["*"]}, False),
        ({"includedNamespaceScopedResources": ["pods"]}, True),
        ({"includedNamespaces": ["shop"], "resourcePolicy": {"kind": "configmap", "name": "unread"}}, True),
    ],
)
def test_cluster_scoped(spec: dict[str, Any], wide: bool) -> None:
    assert reach(**spec).cluster_scoped is wide


@pytest.mark.parametrize(
    ("spec", "kinds"),
    [
        ({}, EVERYTHING),
        ({"includedResources": ["*"]}, EVERYTHING),
        ({"includedResources": ["Pods", "cm"]}, {"pods", "cm"}),
        ({"includedResources": ["pods", "sec*"]}, EVERYTHING),
        ({"includedResources": ["pods"], "resourcePolicy": {"name": "unread"}}, EVERYTHING),
        ({"includedNamespaces": ["shop"], "includedNamespaceScopedResources": ["pods"]}, {"pods"}),
        ({"includedNamespaceScopedResources": ["pods"]}, EVERYTHING),
        ({"includedNamespaceScopedResources": ["pods"], "includedClusterScopedResources": ["pv"]}, {"pods", "pv"}),
        ({"includedClusterScopedResources": ["pv"]}, EVERYTHING),
        ({"excludedNamespaceScopedResources": ["*"], "includedClusterScopedResources": ["pv"]}, {"pv"}),
    ],
)
def test_kinds(spec: dict[str, Any], kinds: set[str]) -> None:
    assert reach(**spec).kinds == kinds


def test_what_is_left_out_is_said_in_full() -> None:
    assert reach(excludedResources=["secret", "deploy"]).without == {"secrets", "deployments.apps"}


def test_a_scope_s_list_leaves_out_only_what_is_of_that_scope() -> None:
    assert reach(excludedNamespaceScopedResources=["pods", "pv"]).without == {"pods"}
    assert reach(excludedClusterScopedResources=["pods", "pv"]).without == {"persistentvolumes"}


def test_commands_in_the_manifest_are_told_from_those_that_pods_carry() -> None:
    hook = {"name": "freeze", "pre": [{"exec": {"command": ["fsfreeze"]}}]}
    assert not reach(includedNamespaces=["shop"]).hooks
    assert reach(includedNamespaces=["shop"]).annotation_hooks
    assert reach(includedNamespaces=["shop"], hooks={"resources": [hook]}).hooks


def test_locations() -> None:
    assert reach().locations == {"default"}
    assert backup_reach(backup(), ClusterFacts()).locations == {"*"}
    assert reach(storageLocation="west", volumeSnapshotLocations=["ebs"]).locations == {"west", "ebs"}


def test_a_policy_that_was_read_and_has_only_volumes_widens_nothing() -> None:
    facts = ClusterFacts(policies={"p": {"version": "v1", "volumePolicies": []}})
    spec = backup(includedNamespaces=["shop"], resourcePolicy={"kind": "configmap", "name": "p"})
    assert not backup_reach(spec, facts).cluster_scoped
    assert backup_reach(spec, facts).configmaps == {"p"}


def test_a_policy_with_lists_of_its_own_widens() -> None:
    facts = ClusterFacts(policies={"p": {"includeExcludePolicy": {"includedClusterScopedResources": ["secrets"]}}})
    spec = backup(includedNamespaces=["shop"], resourcePolicy={"kind": "configmap", "name": "p"})
    assert backup_reach(spec, facts).cluster_scoped


def test_a_configmap_that_the_plan_makes_is_not_somebody_else_s() -> None:
    facts = ClusterFacts(own_configmaps=frozenset({"p"}))
    spec = backup(includedNamespaces=["shop"], resourcePolicy={"kind": "configmap", "name": "p"})
    assert backup_reach(spec, facts).configmaps == frozenset()


def test_a_schedule_reaches_what_its_template_will() -> None:
    manifest = {"metadata": {"name": "nightly"}, "spec": {"template": {"includedNamespaces": ["shop*"]}}}
    found = schedule_reach(manifest, FACTS)
    assert found.reads == {"shop", "shop-db", "shop*"}
    assert found.own_objects == {"schedule/nightly"}
    assert schedule_reach({"spec": {"schedule": "@daily"}}, FACTS).reads == EVERYTHING


def test_deleting_a_backup_destroys_what_it_held() -> None:
    found = deletion_reach("backup", "b1", reach(includedNamespaces=["shop"]))
    assert found.writes == {"shop"}
    assert "backup/b1" in found.own_objects
    assert len(found.own_objects) == 2


def test_a_location_concerns_everybody() -> None:
    assert location_reach("backup-location", "west").namespaces == EVERYTHING


def test_a_patch_reaches_both_ends() -> None:
    live = {"metadata": {"name": "nightly"}, "spec": {"template": {"includedNamespaces": ["payments"]}}}
    patched = apply_merge_patch(live, {"spec": {"template": {"includedNamespaces": ["shop"]}, "paused": None}})
    both = union_reach(schedule_reach(live, FACTS), schedule_reach(patched, FACTS))
    assert both.reads == {"payments", "shop"}


def test_taking_a_list_away_by_a_patch_means_everything() -> None:
    live = {"spec": {"template": {"includedNamespaces": ["shop"]}}}
    assert (
        schedule_reach(apply_merge_patch(live, {"spec": {"template": {"includedNamespaces": None}}}), FACTS).reads
        == EVERYTHING
    )


def test_a_union_leaves_out_only_what_all_leave_out() -> None:
    both = union_reach(reach(excludedResources=["secrets", "pods"]), reach(excludedResources=["secrets"]))
    assert both.without == {"secrets"}
    assert union_reach() == Reach(kinds=frozenset())


def test_names_selected_for_show() -> None:
    live = {"shop", "shop-db", "payments"}
    assert select_names(["shop*"], ["*-db"], live) == {"shop"}
    assert select_names([], ["payments"], live) == {"shop", "shop-db"}


NAMES = ["shop", "shop-db", "payments", "later-shop", "kube-system"]
PATTERNS = ["shop*", "*-db", "?hop", "[sp]*", "*"]
LISTS = st.lists(st.sampled_from([*NAMES, *PATTERNS]), max_size=3)
SPELLED = sorted({name for names in SPELLINGS.values() for name in names})
KINDS = st.lists(st.sampled_from([*SPELLED, "se*", "*roles*", "*.apps"]), max_size=3)
OBJECTS = st.lists(
    st.builds(
        lambda resource, namespace, name, team: Obj(
            resource, GVKS[resource], "" if resource in ACROSS else namespace, name, (("team", team),)
        ),
        st.sampled_from(sorted(GVKS)),
        st.sampled_from(NAMES),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["x", "y"]),
    ),
    max_size=12,
)
COMMON = {
    "includedNamespaces": LISTS,
    "excludedNamespaces": st.lists(st.sampled_from(NAMES + PATTERNS[:-1]), max_size=2),
    "labelSelector": st.just({"matchLabels": {"team": "x"}}),
    "orderedResources": st.just({"pods": "shop/a"}),
}
PLAIN = {
    **COMMON,
    "includedResources": KINDS,
    "excludedResources": KINDS,
    "includeClusterResources": st.sampled_from([True, False, None]),
}
SCOPED = {
    **COMMON,
    "includedNamespaceScopedResources": KINDS,
    "excludedNamespaceScopedResources": st.one_of(KINDS, st.just(["*"])),
    "includedClusterScopedResources": st.one_of(KINDS, st.just(["*"])),
    "excludedClusterScopedResources": st.one_of(KINDS, st.just(["*"])),
}
SPECS = st.one_of(st.fixed_dictionaries({}, optional=PLAIN), st.fixed_dictionaries({}, optional=SCOPED))


def told(names: frozenset[str], namespace: str) -> bool:
    return any(matches_glob(name, namespace) if is_pattern(name) else name == namespace for name in names)


def assert_told(found: Reach, obj: Obj, namespaces: frozenset[str]) -> None:
    if obj.namespace:
        assert told(namespaces, obj.namespace), obj
    else:
        assert found.cluster_scoped, obj
    assert "*" in found.kinds or any(obj.resource in {k, *_resolved(k)} for k in full_resource_names(found.kinds)), obj
    assert obj.resource not in found.without, obj


def _resolved(kind: str) -> set[str]:
    return {full for full, names in SPELLINGS.items() if kind in names}


@given(SPECS, OBJECTS, st.sets(st.sampled_from(NAMES)))
@settings(max_examples=400)
def test_nothing_is_touched_that_the_reach_does_not_tell(
    spec: dict[str, Any], objects: list[Obj], known: set[str]
) -> None:
    """Namespaces that were not alive when the reach was computed included."""
    found = backup_reach(backup(**spec), ClusterFacts(labels={name: {} for name in known}))
    for obj in taken(objects, spec):
        assert_told(found, obj, found.reads)


@given(SPECS, OBJECTS, st.sampled_from(["clusterroles", "*"]))
def test_nor_through_a_resource_policy_that_was_not_read(spec: dict[str, Any], objects: list[Obj], kind: str) -> None:
    plain = {key: value for key, value in spec.items() if key in COMMON}
    found = backup_reach(backup(**plain, resourcePolicy={"kind": "configmap", "name": "p"}), FACTS)
    for obj in taken(objects, plain, policy={"includedClusterScopedResources": [kind]}):
        assert_told(found, obj, found.reads)
