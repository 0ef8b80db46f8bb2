"""An oracle: which objects Velero 1.18 touches for a manifest, told object by object and independent of the reach.

Written from the collector's side: it walks a cluster's objects and asks of each whether it is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True)
class Obj:
    """`resource` is the full name; an empty namespace means cluster-scoped."""

    resource: str
    gvk: str
    namespace: str
    name: str
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def item(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


SPELLINGS = {
    "pods": ("pods", "pod", "po"),
    "secrets": ("secrets", "secret"),
    "configmaps": ("configmaps", "cm"),
    "deployments.apps": ("deployments", "deployments.apps", "deploy"),
    "roles.rbac.authorization.k8s.io": ("roles", "role", "roles.rbac"),
    "clusterroles.rbac.authorization.k8s.io": ("clusterroles", "clusterrole"),
    "persistentvolumes": ("persistentvolumes", "pv"),
    "widgets.example.com": ("widgets.example.com", "widgets"),
}
GVKS = {
    "pods": "v1/Pod",
    "secrets": "v1/Secret",
    "configmaps": "v1/ConfigMap",
    "deployments.apps": "apps/v1/Deployment",
    "roles.rbac.authorization.k8s.io": "rbac.authorization.k8s.io/v1/Role",
    "clusterroles.rbac.authorization.k8s.io": "rbac.authorization.k8s.io/v1/ClusterRole",
    "persistentvolumes": "v1/PersistentVolume",
    "widgets.example.com": "example.com/v1/Widget",
}
ACROSS = ("clusterroles.rbac.authorization.k8s.io", "persistentvolumes")


def resolve(name: str) -> str:
    """Discovery."""
    return next((full for full, names in SPELLINGS.items() if name in names or name == full), name)


def listed(names: Sequence[str] | None) -> set[str]:
    return {resolve(name) for name in names or ()}


def named(resource: str, names: set[str]) -> bool:
    """What discovery does not resolve stays as written and is matched as a pattern."""
    return any(fnmatchcase(resource, each) for each in names)


def namespace_taken(namespace: str, spec: Mapping[str, Any]) -> bool:
    included, excluded = spec.get("includedNamespaces") or [], spec.get("excludedNamespaces") or []
    if any(fnmatchcase(namespace, each) for each in excluded):
        return False
    return not included or any(each == "*" or fnmatchcase(namespace, each) for each in included)


def all_namespaces(spec: Mapping[str, Any]) -> bool:
    return not spec.get("includedNamespaces") or spec["includedNamespaces"] == ["*"]


def _plain_kind(resource: str, spec: Mapping[str, Any]) -> bool:
    included, excluded = listed(spec.get("includedResources")), listed(spec.get("excludedResources"))
    return not named(resource, excluded) and (not included or named(resource, included))


def _scoped_kind(obj: Obj, spec: Mapping[str, Any]) -> bool:
    scope = "NamespaceScoped" if obj.namespace else "ClusterScoped"
    included = listed(spec.get(f"included{scope}Resources"))
    excluded = listed(spec.get(f"excluded{scope}Resources"))
    if named(obj.resource, excluded):
        return False
    if not included:
        return bool(obj.namespace) or all_namespaces(spec)
    return named(obj.resource, included)


def _selected(obj: Obj, spec: Mapping[str, Any]) -> bool:
    wanted = (spec.get("labelSelector") or {}).get("matchLabels") or {}
    return set(wanted.items()) <= set(obj.labels)


def taken(objects: Sequence[Obj], spec: Mapping[str, Any], policy: Mapping[str, Any] | None = None) -> list[Obj]:
    """Of a cluster, what a backup reads for its own sake. `policy`: include and exclude lists of a resource policy."""
    spec = {**spec, **(policy or {})}
    scoped = any(key.endswith("ScopedResources") for key in spec)
    found = []
    for obj in objects:
        if obj.namespace and not namespace_taken(obj.namespace, spec):
            continue
        if not (_scoped_kind(obj, spec) if scoped else _plain_kind(obj.resource, spec)) or not _selected(obj, spec):
            continue
        if not obj.namespace and not scoped:
            said = spec.get("includeClusterResources")
            if said is False or (said is None and not all_namespaces(spec)):
                continue
        found.append(obj)
    return found


@dataclass(frozen=True)
class Restored:
    obj: Obj
    target: str


def restored(tarball: Sequence[Obj], spec: Mapping[str, Any]) -> list[Restored]:
    """Of a backup's objects, what a restore reads and where it writes it."""
    mapped = spec.get("namespaceMapping") or {}
    found = []
    for obj in tarball:
        if obj.namespace and not namespace_taken(obj.namespace, spec):
            continue
        if not _plain_kind(obj.resource, spec) or not _selected(obj, spec):
            continue
        said = spec.get("includeClusterResources")
        if not obj.namespace and (said is False or (said is None and not all_namespaces(spec))):
            continue
        found.append(Restored(obj, mapped.get(obj.namespace, obj.namespace)))
    return found
