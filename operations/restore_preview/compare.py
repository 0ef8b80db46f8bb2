"""Compares an object of the backup with the live one, without the fields that Kubernetes fills in. Pure.

A comparison of the raw objects would call everything changed. The normal form keeps what people write: no identity, no
status, no fields that the API server or a controller fills in. Values of Secrets are hashed at once, so no later step
can show or store them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from domain.json_types import Json

_COMPARED_METADATA = frozenset({"labels", "annotations"})
_IGNORED_LABELS = (
    "velero.io/",
    "controller-uid",
    "batch.kubernetes.io/",
    "job-name",
    "pod-template-hash",
    "kubernetes.io/metadata.name",
)
_IGNORED_ANNOTATIONS = (
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
_FIELDS_SET_BY_SERVER: Mapping[str, tuple[str, ...]] = {
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
"""Fields that controllers change all the time, such as autoscalers."""
NOISE = frozenset({"Event", "Lease", "EndpointSlice", "Endpoints", "PodMetrics", "ReplicaSet", "ControllerRevision"})


def normal_form(item: Json) -> Json:
    """The object as people write it: without identity, status and fields that the server fills in."""
    kind = str(item.get("kind", ""))
    form = {key: value for key, value in item.items() if key not in {"apiVersion", "kind", "metadata", "status"}}
    meta = item.get("metadata") or {}
    metadata = {key: _compared_entries(meta.get(key), key) for key in _COMPARED_METADATA}
    form["metadata"] = {key: entries for key, entries in metadata.items() if entries}
    if isinstance(form.get("spec"), dict):
        ignored = _FIELDS_SET_BY_SERVER.get(kind, ())
        form["spec"] = {key: value for key, value in form["spec"].items() if key not in ignored}
    if kind == "Secret":
        form = {**form, "data": {key: _hashed(value) for key, value in (form.get("data") or {}).items()}}
    pruned: Json = _without_empty(form)
    return pruned


def _compared_entries(found: object, which: str) -> Json:
    ignored = _IGNORED_LABELS if which == "labels" else _IGNORED_ANNOTATIONS
    items = found.items() if isinstance(found, dict) else ()
    return {key: value for key, value in items if not key.startswith(ignored)}


def _hashed(secret: object) -> str:
    return blake2b(str(secret).encode(), digest_size=16).hexdigest()


def explicit_fields(live: Json, wanted: Json) -> Json:
    """The live Service without node ports that the restored one doesn't request: the server assigned them."""
    ports, requested = (live.get("spec") or {}).get("ports"), (wanted.get("spec") or {}).get("ports")
    if not isinstance(ports, list) or not isinstance(requested, list):
        return live
    named = {_port(port) for port in requested if isinstance(port, dict) and "nodePort" in port}
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
    """The fields that a live ServiceAccount gains: Velero merges both sides under every policy."""
    found = [
        f"metadata.{which}.{key}"
        for which in sorted(_COMPARED_METADATA)
        for key in (wanted["metadata"].get(which) or {} if "metadata" in wanted else {})
        if key not in ((live.get("metadata") or {}).get(which) or {})
    ]
    lists = ("imagePullSecrets", "secrets")
    return (*found, *(which for which in lists if _names(wanted, which) - _names(live, which)))


def _names(account: Json, which: str) -> set[object]:
    return {one.get("name") for one in account.get(which) or [] if isinstance(one, dict)}


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        found = {key: _without_empty(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each not in (None, {}, [], "")}
    return [_without_empty(each) for each in value] if isinstance(value, list) else value


def differing_fields(backup: Json, live: Json) -> tuple[str, ...]:
    """The paths that differ, at most three levels deep, in order."""
    return tuple(dict.fromkeys(_differing(backup, live, "")))


def _differing(one: Any, other: Any, path: str) -> Iterator[str]:
    if one == other:
        return
    if path.count(".") >= 2 or not isinstance(one, dict) or not isinstance(other, dict):
        yield path or "the whole object"
        return
    for key in sorted({*one, *other}):
        yield from _differing(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))


def is_controlled(item: Json) -> bool:
    owners = (item.get("metadata") or {}).get("ownerReferences")
    return isinstance(owners, list) and any(isinstance(owner, dict) and owner.get("controller") for owner in owners)


_IMMUTABLE_FIELDS: Mapping[str, tuple[str, ...]] = {
    "Deployment": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "ReplicaSet": ("spec.selector",),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "StorageClass": ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    "PriorityClass": ("value", "preemptionPolicy"),
}
_MUTABLE_SPEC_FIELDS: Mapping[str, tuple[str, ...]] = {
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
"""For these kinds, everything else in the spec is immutable."""


def immutable_reason(kind: str, live: Json, differs: tuple[str, ...], *, bound: bool = False) -> str:
    """Why Kubernetes rejects the change, so the live object stays under every policy; empty if it accepts it.

    `bound`: the pod has a node, or the PVC has a volume and Velero requests another one. The patch then contains that
    field too and is rejected as a whole. Observed on a real cluster.
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
    if any(path.startswith(_IMMUTABLE_FIELDS.get(kind, ())) for path in differs if kind in _IMMUTABLE_FIELDS):
        return "the field is immutable"
    if kind in _MUTABLE_SPEC_FIELDS and any(not path.startswith(_MUTABLE_SPEC_FIELDS[kind]) for path in spec):
        return "the field is immutable"
    return ""
