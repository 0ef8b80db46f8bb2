"""An object of the backup as Velero makes it ready for its new life, before anything is compared. Pure.

Source of the rules: velero 1.18 pkg/restore (resetMetadataAndStatus) and its actions, kind by kind.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.json_types import Json
from operations.restore_preview.scope import Scope
from velero.documents import MANIFEST_BOUNDS, BadDocument, read_json
from velero.fields import items, number, section, text

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KEPT = frozenset({"name", "namespace", "labels", "annotations", "finalizers"})
_BINDINGS = frozenset({"RoleBinding", "ClusterRoleBinding"})


def prepare_object(item: Json, scope: Scope) -> Json:
    """Still in the namespace that it came from: modifiers go by that one."""
    kind, meta = text(item, "kind"), section(item, "metadata")
    made = {key: value for key, value in item.items() if key != "status"}
    made["metadata"] = {key: value for key, value in meta.items() if key in _KEPT}
    if kind == "Service":
        made["spec"] = _service(item, kept=scope.spec.get("preserveNodePorts") is True)
    elif kind == "ServiceAccount":
        tokens = f"{text(meta, 'name')}-token-"
        made["secrets"] = [one for one in items(item, "secrets") if not text(one, "name").startswith(tokens)]
    elif kind in _BINDINGS:
        made["subjects"] = [_subject(one, scope) for one in items(item, "subjects")]
    return made


def _subject(subject: Json, scope: Scope) -> Json:
    namespace = text(subject, "namespace")
    return {**subject, "namespace": scope.target_namespace(namespace)} if namespace else subject


def _service(item: Json, *, kept: bool) -> Json:
    """A node port that its author chose comes back whatever is asked; one that was given only if it is to be kept."""
    spec = section(item, "spec")
    made = {key: value for key, value in spec.items() if key not in {"clusterIP", "clusterIPs"}}
    if text(spec, "clusterIP") == "None":
        made["clusterIP"] = "None"
    if kept or text(spec, "type") == "ExternalName" or "ports" not in spec:
        return made
    chosen = _chosen(item)
    made["ports"] = [
        {key: value for key, value in port.items() if key != "nodePort" or _is(port, chosen)}
        for port in items(spec, "ports")
    ]
    return made


def _is(port: Json, chosen: frozenset[tuple[str, object]]) -> bool:
    if text(port, "name") and ("name", text(port, "name")) in chosen:
        return True
    mine: set[tuple[str, object]] = {("port", f"{number(port, 'port')}/{text(port, 'protocol') or 'TCP'}")}
    if not text(port, "name"):
        mine.add(("nodePort", number(port, "nodePort")))
    return bool(mine & chosen)


def _chosen(item: Json) -> frozenset[tuple[str, object]]:
    """By what was last applied; else by who owns the field."""
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


def _parsed(words: str) -> Json:
    try:
        found = read_json(words, MANIFEST_BOUNDS)
    except BadDocument:
        return {}
    return found if isinstance(found, dict) else {}


def node_ports(service: Json) -> tuple[int, ...]:
    return tuple(port for one in items(section(service, "spec"), "ports") if (port := number(one, "nodePort")))


def following_objects(item: Json) -> Iterator[tuple[str, str]]:
    """What comes along with it although nothing asks for it: (resource, name), in the same namespace or none."""
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
    """Why Velero takes it and then does not restore it."""
    meta = section(item, "metadata")
    if text(item, "kind") == "APIService" and "kube-aggregator.kubernetes.io/automanaged" in section(meta, "labels"):
        return "created by Kubernetes"
    if text(item, "kind") == "Secret" and text(item, "type") == "kubernetes.io/service-account-token":
        account = section(meta, "annotations").get("kubernetes.io/service-account.name", "")
        if account and text(meta, "name").startswith(f"{account}-token-"):
            return "recreated by Kubernetes"
    return ""
