"""What of a backup a restore takes. Pure. Source of the rules: velero 1.18 pkg/restore/restore.go."""

from __future__ import annotations

from dataclasses import dataclass

from commands.restore.guards import NEVER
from domain.json_types import Json
from domain.selectors import selector_matches
from policy.globs import any_matches

FOLLOWERS = frozenset({"persistentvolumeclaims", "priorityclasses.scheduling.k8s.io", "persistentvolumes"})


@dataclass(frozen=True, slots=True)
class Scope:
    """Of one RestoreSpec."""

    spec: Json

    def target_namespace(self, namespace: str) -> str:
        return str((self.spec.get("namespaceMapping") or {}).get(namespace, namespace))

    def includes_namespace(self, namespace: str) -> bool:
        included = self.spec.get("includedNamespaces") or ["*"]
        excluded = self.spec.get("excludedNamespaces") or []
        return any_matches(included, namespace) and not any_matches(excluded, namespace)

    @property
    def is_everything(self) -> bool:
        """All namespaces are meant: then cluster-scoped objects come along unless told not to."""
        included = self.spec.get("includedNamespaces") or ["*"]
        return "*" in included and not self.spec.get("excludedNamespaces")

    def includes_kind(self, resource: str) -> bool:
        """`resource` as the archive's directories have it: `deployments.apps`."""
        included = self.spec.get("includedResources") or ["*"]
        excluded = self.spec.get("excludedResources") or []
        return _named(included, resource) and not _named(excluded, resource) and resource not in NEVER

    @property
    def across(self) -> bool:
        said = self.spec.get("includeClusterResources")
        return said if isinstance(said, bool) else self.is_everything

    def includes_location(self, resource: str, namespace: str, name: str) -> bool:
        """A Namespace comes along with what is in it; another cluster-scoped object has to be asked for."""
        if resource == "namespaces":
            return self.includes_namespace(name)
        if not self.includes_kind(resource):
            return False
        return self.includes_namespace(namespace) if namespace else self.across

    def may_follow(self, resource: str, namespace: str) -> bool:
        """Whether it may come along with what needs it, whatever its labels: a pod's claims, their volumes."""
        if resource not in FOLLOWERS or not self.includes_kind(resource):
            return False
        return (
            self.includes_namespace(namespace) if namespace else self.spec.get("includeClusterResources") is not False
        )

    def includes(self, resource: str, namespace: str, item: Json) -> bool:
        """A Namespace of its own accord only with everything; else it comes with what is in it."""
        meta = item.get("metadata") or {}
        if not self.includes_location(resource, namespace, str(meta.get("name", ""))):
            return False
        if resource == "namespaces" and not (self.across and self.includes_kind(resource)):
            return False
        return self._labelled(meta.get("labels") or {}) and not _finished(resource, item, meta)

    def _labelled(self, labels: dict[str, str]) -> bool:
        several = self.spec.get("orLabelSelectors") or []
        one = self.spec.get("labelSelector")
        chosen = [one] if one is not None else several
        return not chosen or any(selector_matches(each, labels) for each in chosen)


def _named(names: list[str], resource: str) -> bool:
    plural = resource.partition(".")[0]
    return any(
        name in {"*", resource, plural} or name.rstrip("s") == plural.rstrip("s") for name in map(str.lower, names)
    )


def _finished(resource: str, item: Json, meta: Json) -> bool:
    """Velero leaves out what has run to its end, and mirrors of static pods."""
    status = item.get("status") or {}
    if resource == "pods":
        mirror = "kubernetes.io/config.mirror" in (meta.get("annotations") or {})
        return mirror or status.get("phase") in {"Succeeded", "Failed"}
    return resource == "jobs.batch" and bool(status.get("completionTime"))
