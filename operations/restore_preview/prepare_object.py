"""Prepares an object of the backup for the comparison, as Velero prepares it before it creates the object. Pure.

Source: velero 1.18 pkg/restore (resetMetadataAndStatus) and its restore item actions, kind by kind.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.json_types import Json
from operations.restore_preview.scope import Scope
from velero.documents import MANIFEST_BOUNDS, BadDocument, read_json
from velero.fields import items, number, section, text

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KEPT_METADATA = frozenset({"name", "namespace", "labels", "annotations", "finalizers"})
_BINDINGS = frozenset({"RoleBinding", "ClusterRoleBinding"})


def prepare_object(item: Json, scope: Scope) -> Json:
    """The object without status and identity, still in its original namespace: modifiers are matched by that one."""
    kind, meta = text(item, "kind"), section(item, "metadata")
    prepared = {key: value for key, value in item.items() if key != "status"}
    prepared["metadata"] = {key: value for key, value in meta.items() if key in _KEPT_METADATA}
    if kind == "Service":
        prepared["spec"] = _service_spec(item, keep_node_ports=scope.spec.get("preserveNodePorts") is True)
    elif kind == "ServiceAccount":
        tokens = f"{text(meta, 'name')}-token-"
        prepared["secrets"] = [one for one in items(item, "secrets") if not text(one, "name").startswith(tokens)]
    elif kind in _BINDINGS:
        prepared["subjects"] = [_subject(one, scope) for one in items(item, "subjects")]
    return prepared


def _subject(subject: Json, scope: Scope) -> Json:
    namespace = text(subject, "namespace")
    return {**subject, "namespace": scope.target_namespace(namespace)} if namespace else subject


def _service_spec(item: Json, *, keep_node_ports: bool) -> Json:
    """Velero always keeps node ports that the author chose, and assigned ones only with --preserve-nodeports."""
    spec = section(item, "spec")
    prepared = {key: value for key, value in spec.items() if key not in {"clusterIP", "clusterIPs"}}
    if text(spec, "clusterIP") == "None":
        prepared["clusterIP"] = "None"
    if keep_node_ports or text(spec, "type") == "ExternalName" or "ports" not in spec:
        return prepared
    chosen = _chosen_ports(item)
    prepared["ports"] = [
        {key: value for key, value in port.items() if key != "nodePort" or _is_chosen(port, chosen)}
        for port in items(spec, "ports")
    ]
    return prepared


def _is_chosen(port: Json, chosen: frozenset[tuple[str, object]]) -> bool:
    if text(port, "name") and ("name", text(port, "name")) in chosen:
        return True
    keys: set[tuple[str, object]] = {("port", f"{number(port, 'port')}/{text(port, 'protocol') or 'TCP'}")}
    if not text(port, "name"):
        keys.add(("nodePort", number(port, "nodePort")))
    return bool(keys & chosen)


def _chosen_ports(item: Json) -> frozenset[tuple[str, object]]:
    """The ports whose node port the author chose: by the last-applied annotation, else by the managed fields."""
    applied = section(item, "metadata", "annotations").get(LAST_APPLIED)
    return frozenset(_applied(applied) if isinstance(applied, str) else _owned(item))


def _applied(applied: str) -> Iterator[tuple[str, object]]:
    for port in items(section(_parsed(applied), "spec"), "ports"):
        if port.get("nodePort"):
            yield ("name", text(port, "name")) if text(port, "name") else ("nodePort", port["nodePort"])


def _owned(item: Json) -> Iterator[tuple[str, object]]:
    for entry in items(section(item, "metadata"), "managedFields"):
        for key, fields in section(entry, "fieldsV1", "f:spec", "f:ports").items():
            if key.startswith("k:") and isinstance(fields, dict) and "f:nodePort" in fields:
                named = _parsed(key[2:])
                yield "port", f"{number(named, 'port')}/{text(named, 'protocol') or 'TCP'}"


def _parsed(document: str) -> Json:
    try:
        found = read_json(document, MANIFEST_BOUNDS)
    except BadDocument:
        return {}
    return found if isinstance(found, dict) else {}


def node_ports(service: Json) -> tuple[int, ...]:
    return tuple(port for one in items(section(service, "spec"), "ports") if (port := number(one, "nodePort")))


def following_objects(item: Json) -> Iterator[tuple[str, str]]:
    """The objects that Velero restores along with it: (resource, name), in the same namespace or cluster-scoped."""
    spec = section(item, "spec")
    if text(item, "kind") == "Pod":
        for volume in items(spec, "volumes"):
            if claim := text(section(volume, "persistentVolumeClaim"), "claimName"):
                yield "persistentvolumeclaims", claim
        if text(spec, "priorityClassName"):
            yield "priorityclasses.scheduling.k8s.io", text(spec, "priorityClassName")
    elif text(item, "kind") == "PersistentVolumeClaim":
        bound = text(section(item, "status"), "phase") == "Bound"
        if bound and text(spec, "volumeName"):
            yield "persistentvolumes", text(spec, "volumeName")


def exclusion_reason(item: Json) -> str:
    """Why Velero selects the object and doesn't restore it; empty if it does."""
    meta = section(item, "metadata")
    if text(item, "kind") == "APIService" and "kube-aggregator.kubernetes.io/automanaged" in section(meta, "labels"):
        return "created by Kubernetes"
    if text(item, "kind") == "Secret" and text(item, "type") == "kubernetes.io/service-account-token":
        account = section(meta, "annotations").get("kubernetes.io/service-account.name", "")
        if account and text(meta, "name").startswith(f"{account}-token-"):
            return "recreated by Kubernetes"
    return ""
