"""Guards that refuse unless a rule lifts them."""

from __future__ import annotations

from typing import Any

import pytest

from commands.policy.facts import BackupFacts, ClusterFacts
from commands.policy.guards import LIFTABLE, can_lift, label_guards, restore_guards
from commands.policy.restores import restore_reach
from domain.plan import Guard, Level

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
