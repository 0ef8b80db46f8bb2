"""An object of the backup beside the live one: what a server fills in is no difference. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]

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


def normal(item: Json) -> Json:
    """What people wrote of it: without identity, status and what a server fills in."""
    kind = str(item.get("kind", ""))
    made = {key: value for key, value in item.items() if key not in {"apiVersion", "kind", "metadata", "status"}}
    meta = item.get("metadata") or {}
    made["metadata"] = {key: _kept(meta.get(key), key) for key in _METADATA if _kept(meta.get(key), key)}
    if isinstance(made.get("spec"), dict):
        made["spec"] = {key: value for key, value in made["spec"].items() if key not in _FILLED.get(kind, ())}
        _ports(kind, made["spec"])
    if kind == "Secret":
        made = {**made, "data": sorted(made.get("data") or {}), "stringData": None}
    found: Json = _pruned(made)
    return found


def _kept(found: object, which: str) -> Json:
    skipped = _LABELS if which == "labels" else _ANNOTATIONS
    items = found.items() if isinstance(found, dict) else ()
    return {key: value for key, value in items if not key.startswith(skipped)}


def _ports(kind: str, spec: Json) -> None:
    """A node port is given by the server unless its author chose it, and nothing in the object tells which."""
    if kind == "Service" and isinstance(spec.get("ports"), list):
        spec["ports"] = [
            {key: value for key, value in port.items() if key != "nodePort"} if isinstance(port, dict) else port
            for port in spec["ports"]
        ]


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        found = {key: _pruned(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each not in (None, {}, [], "")}
    return [_pruned(each) for each in value] if isinstance(value, list) else value


def fields(backup: Json, live: Json) -> tuple[str, ...]:
    """Paths that differ, at most three levels deep, in order."""
    return tuple(dict.fromkeys(_fields(backup, live, "")))


def _fields(one: Any, other: Any, path: str) -> Iterator[str]:
    if one == other:
        return
    deep = path.count(".") >= 2
    if deep or not isinstance(one, dict) or not isinstance(other, dict):
        yield path or "all of it"
        return
    for key in sorted({*one, *other}):
        yield from _fields(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))


def controlled(item: Json) -> bool:
    owners = (item.get("metadata") or {}).get("ownerReferences")
    return isinstance(owners, list) and any(isinstance(owner, dict) and owner.get("controller") for owner in owners)


def fixed(item: Json, differs: tuple[str, ...]) -> str:
    """Why Kubernetes would not take the change, so that the live one stays under every policy; seen on a real cluster."""
    kind = item.get("kind")
    spec = any(path.startswith("spec") for path in differs)
    if kind == "Pod" and spec:
        return "a running pod cannot be changed"
    if kind == "Job" and spec:
        return "a job cannot be changed"
    if kind in {"ConfigMap", "Secret"} and item.get("immutable") is True:
        return "it is immutable"
    if kind == "PersistentVolumeClaim" and spec and differs != ("spec.resources",):
        return "a bound claim cannot be changed"
    return ""
