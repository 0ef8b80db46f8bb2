"""An object of the backup beside the live one: what a server fills in is no difference. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from domain.json_types import Json

_METADATA = frozenset({"labels", "annotations"})
_LABELS = (
    "velero.io/",
    "controller-uid",
    "batch.kubernetes.io/",
    "job-name",
    "pod-template-hash",
    "kubernetes.io/metadata.name",
)
_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/",
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
    "volume.beta.kubernetes.io/",
    "control-plane.alpha.kubernetes.io/",
    "backup.velero.io/",
    "velero.io/",
    "autoscaling.alpha.kubernetes.io/",
)
_FILLED: Mapping[str, tuple[str, ...]] = {
    "Service": (
        "clusterIP",
        "clusterIPs",
        "healthCheckNodePort",
        "ipFamilies",
        "ipFamilyPolicy",
        "internalTrafficPolicy",
        "sessionAffinity",
    ),
    "PersistentVolumeClaim": ("volumeName", "volumeMode"),
    "PersistentVolume": ("claimRef",),
    "Pod": (
        "nodeName",
        "priority",
        "preemptionPolicy",
        "tolerations",
        "enableServiceLinks",
        "serviceAccount",
        "initContainers",
        "volumes",
    ),
    "Job": ("selector", "suspend", "completionMode"),
    "Namespace": ("finalizers",),
}
CHURNS = frozenset({"spec.replicas"})
"""An autoscaler changes it all day."""
NOISE = frozenset({"Event", "Lease", "EndpointSlice", "Endpoints", "PodMetrics", "ReplicaSet", "ControllerRevision"})


def normal_form(item: Json) -> Json:
    """What people wrote of it: without identity, status and what a server fills in."""
    kind = str(item.get("kind", ""))
    made = {key: value for key, value in item.items() if key not in {"apiVersion", "kind", "metadata", "status"}}
    meta = item.get("metadata") or {}
    made["metadata"] = {key: _kept(meta.get(key), key) for key in _METADATA if _kept(meta.get(key), key)}
    if isinstance(made.get("spec"), dict):
        made["spec"] = {key: value for key, value in made["spec"].items() if key not in _FILLED.get(kind, ())}
    if kind == "Secret":
        made = {**made, "data": {key: _digest(value) for key, value in (made.get("data") or {}).items()}}
    found: Json = _pruned(made)
    return found


def _kept(found: object, which: str) -> Json:
    skipped = _LABELS if which == "labels" else _ANNOTATIONS
    items = found.items() if isinstance(found, dict) else ()
    return {key: value for key, value in items if not key.startswith(skipped)}


def _digest(secret: object) -> str:
    """Values of Secrets are compared, and never kept."""
    return blake2b(str(secret).encode(), digest_size=16).hexdigest()


def explicit_fields(live: Json, wanted: Json) -> Json:
    """The live Service without the node ports that nobody asks for: the server gave them."""
    ports, asked = (live.get("spec") or {}).get("ports"), (wanted.get("spec") or {}).get("ports")
    if not isinstance(ports, list) or not isinstance(asked, list):
        return live
    named = {_port(port) for port in asked if isinstance(port, dict) and "nodePort" in port}
    kept = [
        {key: value for key, value in port.items() if key != "nodePort" or _port(port) in named}
        if isinstance(port, dict)
        else port
        for port in ports
    ]
    return {**live, "spec": {**live["spec"], "ports": kept}}


def _port(port: Json) -> tuple[object, object]:
    return port.get("port"), port.get("protocol", "TCP")


def merged(wanted: Json, live: Json) -> tuple[str, ...]:
    """What a ServiceAccount gains: both sides keep what they have, under every policy."""
    found = [
        f"metadata.{which}.{key}"
        for which in sorted(_METADATA)
        for key in (wanted["metadata"].get(which) or {} if "metadata" in wanted else {})
        if key not in ((live.get("metadata") or {}).get(which) or {})
    ]
    lists = ("imagePullSecrets", "secrets")
    return (*found, *(which for which in lists if _names(wanted, which) - _names(live, which)))


def _names(account: Json, which: str) -> set[object]:
    return {one.get("name") for one in account.get(which) or [] if isinstance(one, dict)}


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        found = {key: _pruned(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each not in (None, {}, [], "")}
    return [_pruned(each) for each in value] if isinstance(value, list) else value


def differing_fields(backup: Json, live: Json) -> tuple[str, ...]:
    """Paths that differ, at most three levels deep, in order."""
    return tuple(dict.fromkeys(_fields(backup, live, "")))


def _fields(one: Any, other: Any, path: str) -> Iterator[str]:
    if one == other:
        return
    deep = path.count(".") >= 2
    if deep or not isinstance(one, dict) or not isinstance(other, dict):
        yield path or "the whole object"
        return
    for key in sorted({*one, *other}):
        yield from _fields(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))


def is_controlled(item: Json) -> bool:
    owners = (item.get("metadata") or {}).get("ownerReferences")
    return isinstance(owners, list) and any(isinstance(owner, dict) and owner.get("controller") for owner in owners)


_FIXED: Mapping[str, tuple[str, ...]] = {
    "Deployment": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "ReplicaSet": ("spec.selector",),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "StorageClass": ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    "PriorityClass": ("value", "preemptionPolicy"),
}
_CHANGEABLE: Mapping[str, tuple[str, ...]] = {
    "StatefulSet": (
        "spec.replicas",
        "spec.ordinals",
        "spec.template",
        "spec.updateStrategy",
        "spec.revisionHistoryLimit",
        "spec.persistentVolumeClaimRetentionPolicy",
        "spec.minReadySeconds",
    ),
    "PersistentVolume": (
        "spec.capacity",
        "spec.accessModes",
        "spec.persistentVolumeReclaimPolicy",
        "spec.storageClassName",
        "spec.mountOptions",
        "spec.volumeAttributesClassName",
    ),
    "PersistentVolumeClaim": ("spec.resources", "spec.volumeAttributesClassName"),
}
"""Of their spec; the rest is fixed."""


def fixed(kind: str, live: Json, differs: tuple[str, ...], *, bound: bool = False) -> str:
    """Why Kubernetes would not take the change, so that the live one stays under every policy; seen on a real cluster.

    `bound`: a pod that has its node, or a claim that has its volume while Velero asks for another: then the patch
    names that too, and is refused as a whole.
    """
    spec = [path for path in differs if path.startswith("spec")]
    if kind == "Pod" and (spec or bound):
        return "running pods can't be changed"
    if kind == "Job":
        return "jobs can't be changed"
    if kind in {"ConfigMap", "Secret"} and live.get("immutable") is True:
        return "it's immutable" if any(not path.startswith("metadata") for path in differs) else ""
    if kind == "PersistentVolumeClaim" and bound:
        return "bound PVCs can't be changed"
    if any(path.startswith(_FIXED.get(kind, ())) for path in differs if kind in _FIXED):
        return "the field is immutable"
    if kind in _CHANGEABLE and any(not path.startswith(_CHANGEABLE[kind]) for path in spec):
        return "the field is immutable"
    return ""
