"""Reads a backup's archive: the items that a restore takes, in its order."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from domain.json_types import Json
from sandbox.kubernetes.schemas.kinds import Kind
from sandbox.velero.selection import Filter, Item, selected
from sandbox.velero.server import Server

FIRST = (
    "customresourcedefinitions",
    "namespaces",
    "storageclasses",
    "persistentvolumes",
    "persistentvolumeclaims",
    "clusterroles",
    "roles",
    "serviceaccounts",
    "clusterrolebindings",
    "rolebindings",
    "secrets",
    "configmaps",
    "limitranges",
    "pods",
    "replicasets",
    "services",
)

SNAPSHOTS = ".snapshot.storage.k8s.io"
"""Suffix of snapshot objects; a restore creates them again for the PVCs that it restores from them."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The items of the backup that this restore includes. `own`: namespaces that are included as objects."""

    items: tuple[Item, ...]
    namespaces: dict[str, Json]
    volumes: dict[tuple[str, str], Json]
    own: tuple[str, ...] = ()

    def volume(self, persistent: str) -> Json | None:
        return next((info for info in self.volumes.values() if info.get("pvName") == persistent), None)

    def pod_volumes(self, pod: Item) -> list[str]:
        """Return the pod's volumes with a file-system backup."""
        saved = (info.get("pvbInfo") or {} for info in self.volumes.values())
        mine = (pod.namespace, pod.name)
        return [s["volumeName"] for s in saved if (s.get("podNamespace"), s.get("podName")) == mine]


def select(server: Server, contents: dict[str, list[Json]], spec: Json, volumes: dict[Any, Json]) -> Archive:
    """Return the archive's included objects and their dependencies, in the order of the restore."""
    rules = Filter(spec, server.objects.kinds.values())
    pool = [
        Item(kind, body)
        for qualified, entries in contents.items()
        if qualified != "namespaces" and not qualified.endswith(SNAPSHOTS)
        for body in entries
        if rules.takes_kind(kind := _kind(server, qualified, body))
    ]
    kept = [item for item in pool if _wanted(rules, item)]
    kept += _needed(rules, pool, kept)
    kept.sort(key=lambda item: (_rank(item.kind), item.kind.plural))
    spaces = {str(body["metadata"]["name"]): body for body in contents.get("namespaces", ())}
    own = (name for name, body in spaces.items() if _own(rules, server, name, body))
    return Archive(tuple(kept), spaces, volumes, tuple(own))


def _kind(server: Server, qualified: str, body: Json) -> Kind:
    """Return the kind of an archived resource. One that is no longer served gets a kind as well; creating it then fails."""
    plural, _, group = qualified.partition(".")
    known = server.objects.kinds.get(plural)
    if known is not None and known.qualified == qualified:
        return known
    version = str(body["apiVersion"]).rpartition("/")[2]
    return Kind(group, version, plural, str(body["kind"]), namespaced="namespace" in body["metadata"], custom=True)


def _wanted(rules: Filter, item: Item) -> bool:
    if item.namespace:
        placed = rules.takes_namespace(item.namespace)
    else:
        asked = rules.spec.get("includeClusterResources")
        placed = rules.everything if asked is None else bool(asked)
    return placed and selected(rules.spec, item.body["metadata"].get("labels") or {})


def _needed(rules: Filter, pool: list[Item], kept: list[Item]) -> list[Item]:
    """Add the PVCs of pods and the volumes of PVCs, regardless of labels."""
    by_place = {(item.kind.plural, item.namespace, item.name): item for item in pool}
    have = {(item.kind.plural, item.namespace, item.name) for item in kept}
    todo, more = list(kept), []
    while todo:
        for place in _needs(todo.pop()):
            found = by_place.get(place)
            if found is not None and place not in have and _may_come(rules, found):
                have.add(place)
                more.append(found)
                todo.append(found)
    return more


def _needs(item: Item) -> Iterator[tuple[str, str, str]]:
    spec: Json = item.body.get("spec") or {}
    if item.kind.plural == "pods":
        for volume in spec.get("volumes") or ():
            if claim := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
                yield "persistentvolumeclaims", item.namespace, claim
    elif item.kind.plural == "persistentvolumeclaims" and spec.get("volumeName"):
        yield "persistentvolumes", "", spec["volumeName"]


def _may_come(rules: Filter, item: Item) -> bool:
    if item.namespace:
        return rules.takes_namespace(item.namespace)
    return rules.spec.get("includeClusterResources") is not False


def _own(rules: Filter, server: Server, name: str, body: Json) -> bool:
    """Return whether empty namespaces are included: only if everything is."""
    kind = server.objects.kind("namespaces")
    return rules.takes_kind(kind) and rules.takes_namespace(name) and _wanted(rules, Item(kind, body))


def _rank(kind: Kind) -> int:
    return FIRST.index(kind.plural) if kind.plural in FIRST else len(FIRST)
