"""Builds archives of backups, and a live cluster, from plain objects."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from domain.json_types import Json
from operations.restore_preview.live_index import LiveIndex
from operations.restore_preview.modifiers import Modifiers
from operations.restore_preview.preview import Preview
from operations.restore_preview.scope import Scope
from operations.restore_preview.volume_claims import NodeAgent
from operations.restore_preview.walk import Walk
from velero.artifacts.contents import stored_objects
from velero.artifacts.unpacking import UnpackLimits
from velero.artifacts.volumes import Volume
from velero.kinds import Kind
from velero.live import ServedKinds

KINDS = {
    kind.name: kind
    for kind in (
        Kind("ConfigMap", "configmaps", ""),
        Kind("Secret", "secrets", ""),
        Kind("Pod", "pods", ""),
        Kind("Service", "services", ""),
        Kind("ServiceAccount", "serviceaccounts", ""),
        Kind("PersistentVolume", "persistentvolumes", "", namespaced=False),
        Kind("PersistentVolumeClaim", "persistentvolumeclaims", ""),
        Kind("Namespace", "namespaces", "", namespaced=False),
        Kind("Deployment", "deployments", "apps"),
        Kind("Job", "jobs", "batch"),
        Kind("Lease", "leases", "coordination.k8s.io"),
        Kind("StatefulSet", "statefulsets", "apps"),
        Kind("RoleBinding", "rolebindings", "rbac.authorization.k8s.io"),
        Kind("ClusterRole", "clusterroles", "rbac.authorization.k8s.io", namespaced=False),
        Kind("CustomResourceDefinition", "customresourcedefinitions", "apiextensions.k8s.io", namespaced=False),
        Kind("Theme", "themes", "blog.example.com"),
    )
}
SERVED = ServedKinds({(kind.api_version, kind.name): kind for kind in KINDS.values() if kind.name != "Theme"})


def thing(
    kind: str, name: str, namespace: str = "shop", *, labels: Mapping[str, str] | None = None, **body: Any
) -> Json:
    found = KINDS[kind]
    meta: Json = {"name": name, "uid": f"uid-{name}", "resourceVersion": "7", **body.pop("metadata", {})}
    if found.namespaced:
        meta["namespace"] = namespace
    if labels:
        meta["labels"] = dict(labels)
    return {"apiVersion": found.api_version, "kind": kind, "metadata": meta, **body}


def archive(objects: Iterable[Json]) -> io.BytesIO:
    """A tar archive in Velero's layout."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for item in objects:
            kind, meta = KINDS[item["kind"]], item["metadata"]
            where = f"namespaces/{meta['namespace']}" if kind.namespaced else "cluster"
            body = json.dumps(item).encode()
            info = tarfile.TarInfo(f"resources/{kind.resource}/{where}/{meta['name']}.json")
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return io.BytesIO(gzip.compress(plain.getvalue(), 1))


def preview(
    backup: Iterable[Json],
    live: Iterable[Json] = (),
    *,
    unread: Iterable[str] = (),
    served: ServedKinds = SERVED,
    classes: frozenset[str] | None = None,
    modifiers: Modifiers | None = None,
    volumes: tuple[Volume, ...] = (),
    ports: Mapping[int, str] | None = None,
    agent: NodeAgent = NodeAgent.UNKNOWN,
    spaces: Iterable[str] = ("shop", "billing", "copy"),
    **spec: Any,
) -> Preview:
    """The preview of a restore with this spec."""
    backup, live, scope = list(backup), list(live), Scope(spec)
    wanted = {place for each in backup for place in _places(each, scope)}
    shelf = LiveIndex(wanted)
    for item in (*live, *(thing("Namespace", name) for name in spaces)):
        shelf.add(KINDS[item["kind"]], item)
    walk = Walk(scope, served, shelf, frozenset(unread), modifiers or Modifiers(), volumes, classes)
    for stored in stored_objects(archive(backup), UnpackLimits(unpacked=1 << 30, packed=1 << 30, ratio=10_000)):
        walk.visit(stored)
    return walk.preview(ports, agent)


def _places(item: Json, scope: Scope) -> Iterator[tuple[str, str, str]]:
    kind, meta = KINDS[item["kind"]], item["metadata"]
    namespace = scope.target_namespace(meta.get("namespace", ""))
    yield (
        kind.resource,
        namespace,
        scope.target_namespace(meta["name"]) if item["kind"] == "Namespace" else meta["name"],
    )
    yield "namespaces", "", namespace
