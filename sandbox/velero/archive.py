"""What a restore takes out of a backup's archive, and in which order."""

from dataclasses import dataclass
from typing import Any

from sandbox.kubernetes.kinds import Kind
from sandbox.velero.selection import Filter, Item, selected
from sandbox.velero.server import Json, Server

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


@dataclass(frozen=True, slots=True)
class Archive:
    """What the backup holds, as far as this restore asks for it."""

    items: tuple[Item, ...]
    namespaces: dict[str, Json]
    volumes: dict[tuple[str, str], Json]

    def volume(self, persistent: str) -> Json | None:
        return next((info for info in self.volumes.values() if info.get("pvName") == persistent), None)

    def pod_volumes(self, pod: Item) -> list[str]:
        """Volumes of the pod that were saved by file system backup."""
        saved = (info.get("pvbInfo") or {} for info in self.volumes.values())
        mine = (pod.namespace, pod.name)
        return [s["volumeName"] for s in saved if (s.get("podNamespace"), s.get("podName")) == mine]


def select(server: Server, contents: dict[str, list[Json]], spec: Json, volumes: dict[Any, Json]) -> Archive:
    """The archive's objects that the filters let through, in the order in which they go in."""
    rules = Filter(spec)
    found: list[Item] = []
    for qualified, entries in contents.items():
        kind = server.objects.kinds.get(qualified.split(".")[0])
        if kind is None or kind.qualified != qualified or kind.plural == "namespaces":
            continue
        if rules.takes_kind(kind) and not _excluded(kind, spec):
            found += [Item(kind, body) for body in entries if _wanted(rules, kind, body)]
    claims = {item.body.get("spec", {}).get("volumeName") for item in found if item.kind.plural.endswith("claims")}
    kept = [item for item in found if item.namespace or _cluster(rules, item, claims)]
    kept.sort(key=lambda item: (_rank(item.kind), item.kind.plural))
    spaces = {str(body["metadata"]["name"]): body for body in contents.get("namespaces", ())}
    return Archive(tuple(kept), spaces, volumes)


def _excluded(kind: Kind, spec: Json) -> bool:
    return kind.qualified in (spec.get("excludedResources") or ())


def _wanted(rules: Filter, kind: Kind, body: Json) -> bool:
    if kind.namespaced and not rules.takes_namespace(body["metadata"]["namespace"]):
        return False
    return selected(rules.spec, body["metadata"].get("labels") or {})


def _cluster(rules: Filter, item: Item, claims: set[Any]) -> bool:
    """Cluster objects come along only with everything, or if asked for; volumes come with their claims."""
    asked = rules.spec.get("includeClusterResources")
    if asked is not None:
        return bool(asked)
    return rules.everything or (item.kind.plural == "persistentvolumes" and item.name in claims)


def _rank(kind: Kind) -> int:
    return FIRST.index(kind.plural) if kind.plural in FIRST else len(FIRST)
