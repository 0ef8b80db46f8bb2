"""Guards that refuse unless a rule lifts them."""

from __future__ import annotations

from typing import Any

import pytest

from domain.plan import Guard, Level
from policy.cluster_facts import BackupFacts, ClusterFacts
from policy.guards import LIFTABLE, can_lift, label_guards, restore_guards
from policy.restore_reach import restore_reach

FACTS = ClusterFacts(bot_namespace="velero-chatops")
SHOP = {"spec": {"includedNamespaces": ["shop"]}}
PLAIN = {"v1/Namespace": ["shop"], "v1/Pod": ["shop/web"]}
ROLES = {**PLAIN, "rbac.authorization.k8s.io/v1/RoleBinding": ["shop/admin"]}
CLUSTER = {
    **PLAIN,
    "rbac.authorization.k8s.io/v1/ClusterRole": ["admin"],
    "apiextensions.k8s.io/v1/CustomResourceDefinition": ["widgets.example.com"],
    "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration": ["policy"],
}


def guards(
    contents: dict[str, list[str]] | None = None, backup: dict[str, Any] | None = None, **spec: Any
) -> tuple[Guard, ...]:
    source = BackupFacts(SHOP if backup is None else backup, contents)
    reach = restore_reach({"spec": spec}, source, FACTS)
    return restore_guards(reach, source, FACTS)


def codes(*args: Any, **spec: Any) -> list[str]:
    return [guard.code for guard in guards(*args, **spec)]


@pytest.mark.parametrize(
    ("contents", "spec", "expected"),
    [
        (PLAIN, {}, []),
        (None, {"includedNamespaces": ["shop"]}, ["restores-rbac"]),
        (None, {"includedNamespaces": ["shop"], "excludedResources": ["roles", "rolebindings"]}, []),
        (None, {"includedNamespaces": ["shop"], "includedResources": ["pods"]}, []),
        (ROLES, {}, ["restores-rbac"]),
        (ROLES, {"excludedResources": ["rolebinding"]}, []),
        (ROLES, {"excludedResources": ["roles"]}, ["restores-rbac"]),
        (CLUSTER, {}, ["restores-rbac", "restores-crds", "restores-webhooks"]),
        (CLUSTER, {"includedNamespaces": ["shop"]}, []),
        (
            CLUSTER,
            {"includedNamespaces": ["shop"], "includeClusterResources": True, "includedResources": ["crd"]},
            ["restores-crds"],
        ),
        (PLAIN, {"namespaceMapping": {"shop": "kube-system"}}, ["system-namespace"]),
        (PLAIN, {"namespaceMapping": {"shop": "velero"}}, ["velero-namespace"]),
        (PLAIN, {"namespaceMapping": {"shop": "velero-chatops"}}, ["bot-namespace"]),
        ({"v1/Secret": ["velero/cloud-credentials"]}, {"namespaceMapping": {"velero": "shop"}}, ["velero-namespace"]),
    ],
)
def test_restores(contents: dict[str, list[str]] | None, spec: dict[str, Any], expected: list[str]) -> None:
    assert codes(contents, **spec) == expected


def test_what_is_not_known_counts_as_everything() -> None:
    assert set(codes(None, {"spec": {}})) == set(LIFTABLE) - {"reserved-labels"}


def test_a_pattern_that_could_match_a_protected_namespace_does() -> None:
    assert "system-namespace" in codes(None, {"spec": {}}, includedNamespaces=["kube-*"])


def test_they_refuse_and_say_how_to_go_round_them() -> None:
    (guard,) = guards(ROLES)
    assert guard.level is Level.REFUSE
    assert guard.nearest == ("--exclude-resources rolebindings.rbac.authorization.k8s.io",)
    assert can_lift(guard.code)


@pytest.mark.parametrize(
    "key",
    [
        "velero.io/x",
        "hook.backup.velero.io/command",
        "velero-chatops.io/operation",
        "kots.io/app",
        "app.replicated.com/y",
        " Velero.IO/x",
    ],
)
def test_reserved_labels(key: str) -> None:
    assert [guard.code for guard in label_guards({key: "1", "team": "shop"})] == ["reserved-labels"]
    assert label_guards({key: "1"}, own=[key]) == ()


@pytest.mark.parametrize("key", ["team", "example.com/x", "notvelero.io/x", "velero.io.example.com/x", "velero.io"])
def test_other_labels(key: str) -> None:
    assert label_guards({key: "1"}) == ()


def of(gvk: str, *items: str) -> dict[str, list[str]]:
    return {**PLAIN, gvk: list(items)}


RIGHTS, DEFINITIONS, ADMISSION, WIDE = (
    ["restores-rbac"],
    ["restores-crds"],
    ["restores-webhooks"],
    ["restores-cluster-wide"],
)


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        (of("authorization.openshift.io/v1/RoleBinding", "shop/admin"), RIGHTS),
        (of("security.openshift.io/v1/SecurityContextConstraints", "anyuid"), RIGHTS),
        (of("policy/v1beta1/PodSecurityPolicy", "all"), RIGHTS),
        (of("apiextensions.crossplane.io/v1/Composition", "database"), DEFINITIONS),
        (of("admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBinding", "all"), ADMISSION),
        (of("admissionregistration.k8s.io/v9/SomethingNew", "all"), ADMISSION),
        (of("apiregistration.k8s.io/v1/APIService", "v1.x"), ADMISSION),
        (of("kyverno.io/v1/Policy", "shop/all"), ADMISSION),
        (of("kyverno.io/v1/ClusterPolicy", "all"), ADMISSION),
        (of("constraints.gatekeeper.sh/v1beta1/K8sAllowedRepos", "all"), ADMISSION),
        (of("scheduling.k8s.io/v1/PriorityClass", "high"), WIDE),
        (of("external-secrets.io/v1/ClusterSecretStore", "vault"), WIDE),
        (of("operators.coreos.com/v1alpha1/ClusterServiceVersion", "shop/operator"), WIDE),
        (of("kustomize.toolkit.fluxcd.io/v1/Kustomization", "shop/all"), WIDE),
        (of("node.k8s.io/v1/RuntimeClass", "host"), WIDE),
        (of("example.com/v1/NobodyKnows", "all"), WIDE),
        (of("example.com/v1/NobodyKnows", "shop/all"), []),
        (of("external-secrets.io/v1/SecretStore", "shop/vault"), []),
        (of("v1/PersistentVolume", "pv-1"), []),
        (of("storage.k8s.io/v1/StorageClass", "fast"), []),
    ],
)
def test_kinds_are_guarded_by_what_they_can_do(contents: dict[str, list[str]], expected: list[str]) -> None:
    assert codes(contents) == expected


def test_what_is_outside_namespaces_counts_only_where_it_is_restored() -> None:
    contents = of("example.com/v1/NobodyKnows", "all")
    assert codes(contents, includedNamespaces=["shop"]) == []
    assert codes(contents, includedNamespaces=["shop"], includeClusterResources=True) == WIDE
    assert codes(contents, includeClusterResources=False) == []


@pytest.mark.parametrize(
    ("excluded", "expected"),
    [
        ("policies.kyverno.io", []),
        ("policy.kyverno.io", []),
        ("policies", ADMISSION),
        ("policies.kyverno", ADMISSION),
        ("Policies.kyverno.io", ADMISSION),
        ("policies.kyverno.io ", ADMISSION),
    ],
)
def test_an_exclude_takes_a_guarded_kind_out_only_in_full(excluded: str, expected: list[str]) -> None:
    assert codes(of("kyverno.io/v1/Policy", "shop/all"), excludedResources=[excluded]) == expected


def test_settings_name_more_kinds() -> None:
    facts = ClusterFacts(powerful_kinds=("widgets.example.com",))
    for contents in (of("example.com/v1/Widget", "shop/w"), None):
        source = BackupFacts(SHOP, contents)
        manifest = {"spec": {"includedNamespaces": ["shop"], "excludedResources": ["roles", "rolebindings"]}}
        found = restore_guards(restore_reach(manifest, source, facts), source, facts)
        assert [guard.code for guard in found if guard.code.startswith("restores-")] == WIDE


def test_a_kind_that_the_command_names_counts_where_the_contents_are_not_known() -> None:
    named = ["rolebindings.authorization.openshift.io"]
    assert codes(None, includedNamespaces=["shop"], includedResources=named) == RIGHTS
