"""The reach of restores: sources, targets, and what is known of the backup."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.reach import EVERYTHING, Reach
from policy.cluster_facts import BackupFacts, ClusterFacts
from policy.restore_reach import kinds_in, namespaces_in, restore_reach
from tests.policy.test_reach import KINDS, LISTS, NAMES, OBJECTS, SPECS, assert_told, backup, told
from tests.policy.velero118 import Obj, restored, taken

FACTS = ClusterFacts(default_location="default")
SHOP = backup(includedNamespaces=["shop"], storageLocation="west")
CONTENTS = {
    "v1/Namespace": ["shop", "payments"],
    "v1/Pod": ["shop/web", "payments/api"],
    "rbac.authorization.k8s.io/v1/Role": ["shop/reader"],
    "v1/PersistentVolume": ["pv-1"],
}


def reach(source: BackupFacts = BackupFacts(), **spec: Any) -> Reach:  # noqa: B008
    return restore_reach({"metadata": {"name": "r1"}, "spec": spec}, source, FACTS)


@pytest.mark.parametrize(
    ("source", "spec", "reads", "writes"),
    [
        (BackupFacts(), {}, EVERYTHING, EVERYTHING),
        (BackupFacts(), {"includedNamespaces": ["shop"]}, {"shop"}, {"shop"}),
        (BackupFacts(SHOP), {"includedNamespaces": ["*"]}, {"shop"}, {"shop"}),
        (BackupFacts(SHOP), {"includedNamespaces": ["sh*"]}, {"shop"}, {"shop"}),
        (BackupFacts(backup()), {"includedNamespaces": ["sh*"]}, {"sh*"}, {"sh*"}),
        (BackupFacts(backup(), CONTENTS), {}, {"shop", "payments"}, {"shop", "payments"}),
        (BackupFacts(backup(), CONTENTS), {"includedNamespaces": ["s*"]}, {"shop"}, {"shop"}),
        (BackupFacts(backup(), CONTENTS), {"excludedNamespaces": ["payments"]}, {"shop"}, {"shop"}),
        (BackupFacts(SHOP), {"namespaceMapping": {"shop": "scratch"}}, {"shop"}, {"scratch"}),
        (BackupFacts(SHOP), {"namespaceMapping": {"other": "kube-system"}}, {"shop"}, {"shop", "kube-system"}),
        (BackupFacts(), {"namespaceMapping": {"shop": "scratch"}}, EVERYTHING, EVERYTHING),
        (BackupFacts(SHOP), {"namespaceMapping": {"shop": None}}, {"shop"}, EVERYTHING),
    ],
)
def test_it_reads_its_source_and_writes_its_targets(
    source: BackupFacts, spec: dict[str, Any], reads: set[str], writes: set[str]
) -> None:
    found = reach(source, **spec)
    assert (found.reads, found.writes) == (reads, writes)


@pytest.mark.parametrize(
    ("source", "spec", "wide"),
    [
        (BackupFacts(SHOP), {}, True),
        (BackupFacts(SHOP), {"includedNamespaces": ["*"]}, True),
        (BackupFacts(SHOP), {"includedNamespaces": ["shop"]}, False),
        (BackupFacts(SHOP), {"includedNamespaces": ["shop"], "includeClusterResources": True}, True),
        (BackupFacts(SHOP), {"includeClusterResources": False}, False),
        (BackupFacts(SHOP), {"includedResources": ["pods"]}, False),
        (BackupFacts(SHOP, CONTENTS), {}, True),
        (BackupFacts(SHOP, {"v1/Namespace": ["shop"], "v1/Pod": ["shop/web"]}), {}, False),
    ],
)
def test_cluster_scoped(source: BackupFacts, spec: dict[str, Any], wide: bool) -> None:
    assert reach(source, **spec).cluster_scoped is wide


def test_it_reads_the_location_of_its_backup_and_the_modifier_it_names() -> None:
    found = reach(BackupFacts(SHOP), resourceModifier={"kind": "configmap", "name": "m"})
    assert found.locations == {"west"}
    assert found.configmaps == {"m"}


def test_an_init_container_is_a_command_in_a_pod() -> None:
    hook = {"name": "h", "postHooks": [{"init": {"initContainers": [{"image": "x"}]}}]}
    assert reach(BackupFacts(SHOP), hooks={"resources": [hook]}).hooks


def test_a_list_of_contents_says_kinds_and_namespaces() -> None:
    assert namespaces_in(CONTENTS) == {"shop", "payments"}
    assert "roles.rbac.authorization.k8s.io" in kinds_in(CONTENTS)


RESTORES = st.fixed_dictionaries(
    {},
    optional={
        "includedNamespaces": LISTS,
        "excludedNamespaces": st.lists(st.sampled_from(NAMES), max_size=2),
        "includedResources": KINDS,
        "excludedResources": KINDS,
        "includeClusterResources": st.sampled_from([True, False, None]),
        "labelSelector": st.just({"matchLabels": {"team": "x"}}),
        "namespaceMapping": st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*NAMES, "scratch"]), max_size=2),
    },
)


def listed(tarball: list[Obj]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for obj in tarball:
        found.setdefault(obj.gvk, []).append(obj.item)
    return found


@given(SPECS, OBJECTS, RESTORES, st.booleans())
@settings(max_examples=400)
def test_nothing_is_read_or_written_that_the_reach_does_not_tell(
    source: dict[str, Any], objects: list[Obj], spec: dict[str, Any], contents_known: bool
) -> None:
    tarball = taken(objects, source)
    facts = BackupFacts(backup(**source), listed(tarball) if contents_known else None)
    found = reach(facts, **spec)
    for each in restored(tarball, spec):
        assert_told(found, each.obj, found.reads)
        assert not each.target or told(found.writes, each.target), each
