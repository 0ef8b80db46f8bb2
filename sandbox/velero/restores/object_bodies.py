"""Prepares archived objects for a restore."""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from domain.json_types import Json

SERVER_FIELDS = frozenset(
    [
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "ownerReferences",
        "selfLink",
        "generateName",
    ]
)
BACKUP_LABEL = "velero.io/backup-name"
RESTORE_LABEL = "velero.io/restore-name"
JOB_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def reset(body: Json) -> Json:
    """Remove the status and the fields that a server sets."""
    metadata = {key: value for key, value in body["metadata"].items() if key not in SERVER_FIELDS}
    return {**{key: value for key, value in body.items() if key != "status"}, "metadata": metadata}


def ready(body: Json, plural: str, namespace: str, to: Callable[[str], str] = str, *, node_ports: bool = False) -> Json:
    """Apply the restore actions of the object's kind."""
    made = copy.deepcopy(reset(body))
    if namespace:
        made["metadata"]["namespace"] = namespace
    match plural:
        case "services":
            _service(made, body, keep_ports=node_ports)
        case "pods":
            _pod(made)
        case "persistentvolumeclaims":
            _claim(made)
        case "persistentvolumes":
            _volume(made, to)
        case "jobs":
            _job(made)
        case "serviceaccounts":
            _account(made)
        case "rolebindings" | "clusterrolebindings":
            _binding(made, to)
        case "namespaces":
            made.pop("spec", None)
    return made


def waiting(pod: Json, restore_uid: str, volumes: list[str]) -> Json:
    """Add an init container that waits until the pod's volumes are restored."""
    mounts = [{"name": name, "mountPath": f"/restores/{name}"} for name in volumes]
    first: Json = {"name": "restore-wait", "image": "velero/velero:v1.18.2", "command": ["/velero-restore-helper"]}
    first |= {"args": [restore_uid], "volumeMounts": mounts}
    others = [c for c in pod["spec"].get("initContainers") or () if c["name"] != "restore-wait"]
    return {**pod, "spec": {**pod["spec"], "initContainers": [first, *others]}}


def labelled(body: Json, backup: str, restore: str) -> Json:
    labels = {**(body["metadata"].get("labels") or {}), BACKUP_LABEL: backup, RESTORE_LABEL: restore}
    return {**body, "metadata": {**body["metadata"], "labels": labels}}


def unlabelled(body: Json) -> Json:
    """Remove the labels of earlier restores before a comparison."""
    labels = body["metadata"].get("labels") or {}
    kept = {key: value for key, value in labels.items() if key not in (BACKUP_LABEL, RESTORE_LABEL)}
    metadata = {key: value for key, value in body["metadata"].items() if key != "labels"}
    return {**body, "metadata": {**metadata, "labels": kept} if kept else metadata}


def difference(old: Any, new: Any) -> Any:
    """Return the merge patch from one object to the other."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    patch = {key: None for key in old if key not in new}
    return patch | {
        key: difference(old[key], value) if key in old else value
        for key, value in new.items()
        if key not in old or old[key] != value
    }


def _service(made: Json, body: Json, *, keep_ports: bool) -> None:
    spec = made.get("spec") or {}
    if spec.get("clusterIP") != "None":
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    if keep_ports:
        return
    explicit = _explicit_ports(body)
    for port in spec.get("ports") or ():
        if port.get("nodePort") not in explicit:
            port.pop("nodePort", None)


def _explicit_ports(body: Json) -> set[int]:
    """Return the node ports that the author set; they are always kept. The last-applied annotation shows them, else the managed fields."""
    applied = (body["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    if applied:
        return {p["nodePort"] for p in json.loads(applied)["spec"].get("ports") or () if "nodePort" in p}
    explicit: set[int] = set()
    for entry in body["metadata"].get("managedFields") or ():
        ports = ((entry.get("fieldsV1") or {}).get("f:spec") or {}).get("f:ports") or {}
        owned = {json.loads(key[2:])["port"] for key, fields in ports.items() if _owns(key, fields)}
        explicit |= {p["nodePort"] for p in body["spec"].get("ports") or () if p["port"] in owned and "nodePort" in p}
    return explicit


def _owns(key: str, fields: Mapping[str, Any]) -> bool:
    return key.startswith("k:") and "f:nodePort" in fields


def _pod(made: Json) -> None:
    spec = made.get("spec") or {}
    spec.pop("nodeName", None)
    spec.pop("priority", None)


def _claim(made: Json) -> None:
    (made.get("spec") or {}).pop("volumeName", None)
    annotations = made["metadata"].get("annotations") or {}
    for key in ("pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"):
        annotations.pop(key, None)


def renamed(volume: Json, restore_uid: str) -> Json:
    """Derive the new name from the restore and the old name, so that a repeated restore gives the same name."""
    old = volume["metadata"]["name"]
    name = f"velero-clone-{uuid5(NAMESPACE_OID, restore_uid + old)}"
    notes = {**(volume["metadata"].get("annotations") or {}), "velero.io/original-pv-name": old}
    return {**volume, "metadata": {**volume["metadata"], "name": name, "annotations": notes}}


def _account(made: Json) -> None:
    """Remove the token secrets, which Kubernetes creates again."""
    tokens = f"{made['metadata']['name']}-token-"
    if "secrets" in made:
        made["secrets"] = [one for one in made["secrets"] if not one["name"].startswith(tokens)]


def _binding(made: Json, to: Callable[[str], str]) -> None:
    for subject in made.get("subjects") or ():
        if subject.get("namespace"):
            subject["namespace"] = to(subject["namespace"])


def _volume(made: Json, to: Callable[[str], str]) -> None:
    claim = (made.get("spec") or {}).get("claimRef") or {}
    if claim.get("namespace"):
        claim["namespace"] = to(claim["namespace"])
    for key in ("uid", "resourceVersion"):
        claim.pop(key, None)


def _job(made: Json) -> None:
    spec = made.get("spec") or {}
    for holder in ((spec.get("selector") or {}).get("matchLabels"), _template_labels(spec)):
        for key in JOB_LABELS:
            (holder or {}).pop(key, None)
    if not (spec.get("selector") or {}).get("matchLabels"):
        spec.pop("selector", None)


def _template_labels(spec: Json) -> Any:
    return ((spec.get("template") or {}).get("metadata") or {}).get("labels")
