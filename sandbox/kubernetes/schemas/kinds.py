"""The kinds that the emulator serves, by plural."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sandbox.kubernetes.schemas import velero
from sandbox.kubernetes.schemas.structural import Node

NameRule = Literal["subdomain", "label", "service", "path"]


@dataclass(frozen=True, slots=True)
class Kind:
    """Names and behaviour of one kind.

    `generation`: what a change must touch to be counted; custom resources without a status subresource count everything
    outside metadata. `custom`: kept as a custom resource (schema or free form), not a built-in type.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    schema: Node | None = None
    custom: bool = False
    generation: Literal["any", "spec", "never"] = "never"
    names: NameRule = "subdomain"
    short_names: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """Return the name as in messages: `backups.velero.io`, `configmaps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"


def custom(
    group: str,
    version: str,
    plural: str,
    kind: str,
    *,
    schema: Node | None = None,
    namespaced: bool = True,
    short_names: tuple[str, ...] = (),
) -> Kind:
    return Kind(
        group, version, plural, kind, namespaced, schema, custom=True, generation="any", short_names=short_names
    )


def _velero() -> list[Kind]:
    short = {"BackupStorageLocation": ("bsl",), "VolumeSnapshotLocation": ("vsl",), "ServerStatusRequest": ("ssr",)}
    return [
        custom("velero.io", version, plural, kind, schema=node, short_names=short.get(kind, ()))
        for (version, plural, kind), node in velero.SCHEMAS.items()
    ]


def _core() -> list[Kind]:
    return [
        Kind("", "v1", "configmaps", "ConfigMap", short_names=("cm",)),
        Kind("", "v1", "secrets", "Secret"),
        Kind("", "v1", "serviceaccounts", "ServiceAccount", short_names=("sa",)),
        Kind("", "v1", "events", "Event", short_names=("ev",)),
        Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short_names=("pvc",)),
        Kind("", "v1", "pods", "Pod", generation="spec", short_names=("po",)),
        Kind("", "v1", "services", "Service", names="service", short_names=("svc",)),
        Kind("", "v1", "namespaces", "Namespace", namespaced=False, names="label", short_names=("ns",)),
        Kind("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False, short_names=("pv",)),
        Kind("", "v1", "nodes", "Node", namespaced=False, short_names=("no",)),
    ]


def _workloads() -> list[Kind]:
    return [
        Kind("apps", "v1", "deployments", "Deployment", generation="spec", short_names=("deploy",)),
        Kind("apps", "v1", "statefulsets", "StatefulSet", generation="spec", short_names=("sts",)),
        Kind("apps", "v1", "daemonsets", "DaemonSet", generation="spec", short_names=("ds",)),
        Kind("apps", "v1", "replicasets", "ReplicaSet", generation="spec", short_names=("rs",)),
        Kind("batch", "v1", "jobs", "Job", generation="spec"),
        Kind("batch", "v1", "cronjobs", "CronJob", generation="spec", short_names=("cj",)),
        Kind("networking.k8s.io", "v1", "ingresses", "Ingress", generation="spec", short_names=("ing",)),
    ]


def _cluster() -> list[Kind]:
    rbac, v1 = "rbac.authorization.k8s.io", "v1"
    return [
        Kind(rbac, v1, "roles", "Role", names="path"),
        Kind(rbac, v1, "rolebindings", "RoleBinding", names="path"),
        Kind(rbac, v1, "clusterroles", "ClusterRole", namespaced=False, names="path"),
        Kind(rbac, v1, "clusterrolebindings", "ClusterRoleBinding", namespaced=False, names="path"),
        Kind("storage.k8s.io", v1, "storageclasses", "StorageClass", namespaced=False, short_names=("sc",)),
        Kind(
            "apiextensions.k8s.io",
            v1,
            "customresourcedefinitions",
            "CustomResourceDefinition",
            namespaced=False,
            generation="spec",
            short_names=("crd", "crds"),
        ),
    ]


WIDGETS = custom("example.org", "v1", "widgets", "Widget")

KINDS: Mapping[str, Kind] = {kind.plural: kind for kind in (*_core(), *_workloads(), *_cluster(), *_velero(), WIDGETS)}
