"""Selects the objects of a backup that a restore includes. Pure. Source: velero 1.18 pkg/restore/restore.go."""

from __future__ import annotations

from dataclasses import dataclass

from commands.restore.guards import NEVER
from domain.json_types import Json
from domain.selectors import selector_matches
from policy.globs import any_matches

FOLLOWERS = frozenset({"persistentvolumeclaims", "priorityclasses.scheduling.k8s.io", "persistentvolumes"})


@dataclass(frozen=True, slots=True)
class Scope:
    """The selection of one RestoreSpec."""

    spec: Json

    def target_namespace(self, namespace: str) -> str:
        return str((self.spec.get("namespaceMapping") or {}).get(namespace, namespace))

    def includes_namespace(self, namespace: str) -> bool:
        included = self.spec.get("includedNamespaces") or ["*"]
        excluded = self.spec.get("excludedNamespaces") or []
        return any_matches(included, namespace) and not any_matches(excluded, namespace)

    @property
    def is_everything(self) -> bool:
        """Whether all namespaces are included: then cluster-scoped objects are too, unless the spec excludes them."""
        included = self.spec.get("includedNamespaces") or ["*"]
        return "*" in included and not self.spec.get("excludedNamespaces")

    def includes_kind(self, resource: str) -> bool:
        """`resource` as in the archive's directories: `deployments.apps`."""
        included = self.spec.get("includedResources") or ["*"]
        excluded = self.spec.get("excludedResources") or []
        return _names_resource(included, resource) and not _names_resource(excluded, resource) and resource not in NEVER

    @property
    def includes_cluster_scoped(self) -> bool:
        value = self.spec.get("includeClusterResources")
        return value if isinstance(value, bool) else self.is_everything

    def includes_location(self, resource: str, namespace: str, name: str) -> bool:
        """A Namespace is included with its contents; other cluster-scoped objects only if the spec includes them."""
        if resource == "namespaces":
            return self.includes_namespace(name)
        if not self.includes_kind(resource):
            return False
        return self.includes_namespace(namespace) if namespace else self.includes_cluster_scoped

    def may_follow(self, resource: str, namespace: str) -> bool:
        """Whether it may be restored along with an object that needs it, whatever its labels: PVCs of pods, their PVs."""
        if resource not in FOLLOWERS or not self.includes_kind(resource):
            return False
        return (
            self.includes_namespace(namespace) if namespace else self.spec.get("includeClusterResources") is not False
        )

    def includes(self, resource: str, namespace: str, item: Json) -> bool:
        """Whether the object itself is selected. A Namespace is only if everything is restored."""
        meta = item.get("metadata") or {}
        if not self.includes_location(resource, namespace, str(meta.get("name", ""))):
            return False
        if resource == "namespaces" and not (self.includes_cluster_scoped and self.includes_kind(resource)):
            return False
        return self._matches_labels(meta.get("labels") or {}) and not _is_skipped(resource, item, meta)

    def _matches_labels(self, labels: dict[str, str]) -> bool:
        selector = self.spec.get("labelSelector")
        selectors = [selector] if selector is not None else self.spec.get("orLabelSelectors") or []
        return not selectors or any(selector_matches(each, labels) for each in selectors)


def _names_resource(names: list[str], resource: str) -> bool:
    plural = resource.partition(".")[0]
    return any(
        name in {"*", resource, plural} or name.rstrip("s") == plural.rstrip("s") for name in map(str.lower, names)
    )


def _is_skipped(resource: str, item: Json, meta: Json) -> bool:
    """Velero skips finished pods and jobs, and mirrors of static pods."""
    status = item.get("status") or {}
    if resource == "pods":
        mirror = "kubernetes.io/config.mirror" in (meta.get("annotations") or {})
        return mirror or status.get("phase") in {"Succeeded", "Failed"}
    return resource == "jobs.batch" and bool(status.get("completionTime"))
