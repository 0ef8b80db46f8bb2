"""Garbage collection: finalizers, owners, namespaces."""

from collections import defaultdict

from domain.json_types import Json
from sandbox.kubernetes import failures
from sandbox.kubernetes.history import Change, Key, Version
from sandbox.kubernetes.patches import clone
from sandbox.kubernetes.schemas.kinds import Kind
from sandbox.kubernetes.storage import ObjectStorage

_FOREGROUND = "foregroundDeletion"
_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


class Collector:
    """Deletion, garbage collection by owner references, termination of namespaces.

    `hold_namespaces`: while True, a deleted namespace stays Terminating with its contents until `drain` is called.
    """

    def __init__(self, objects: ObjectStorage) -> None:
        self._objects = objects
        self._dependents: dict[str, set[tuple[str, Key]]] = defaultdict(set)
        self._alive: set[str] = set()
        self._held: set[str] = set()
        self.hold_namespaces = False

    def index(self, change: Change) -> None:
        place = (change.resource, change.key)
        for owner in _owners(change.old.object if change.old else None):
            self._dependents[owner["uid"]].discard(place)
        uid = change.version.object["metadata"]["uid"]
        if change.type == "DELETED":
            self._alive.discard(uid)
            return
        self._alive.add(uid)
        for owner in _owners(change.version.object):
            self._dependents[owner["uid"]].add(place)

    def admit(self, kind: Kind, metadata: Json) -> None:
        """Refuse to create an object in a namespace that doesn't exist or is terminating."""
        if not kind.namespaced:
            return
        name = metadata.get("namespace", "")
        found = self._objects.table("namespaces").now.get(("", name))
        if found is None:
            raise failures.not_found(self._objects.kind("namespaces"), name)
        if found.object["status"]["phase"] == "Terminating":
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {name} is being terminated",
                "field": "metadata.namespace",
            }
            why = f"unable to create new content in namespace {name} because it is being terminated"
            raise failures.forbidden(kind, metadata.get("name", ""), why, [cause])

    def delete(self, kind: Kind, old: Version, propagation: str | None) -> Json | None:
        """Start a deletion; return the remaining object, or None if it is gone."""
        if kind.plural == "namespaces":
            return self._terminate(kind, old)
        if propagation == "Foreground" and self._dependents[old.object["metadata"]["uid"]]:
            return self._foreground(kind, old)
        if propagation == "Orphan":
            self._orphan(old.object["metadata"]["uid"])
        if old.object["metadata"].get("finalizers"):
            return self._mark(kind, old)
        self.remove(kind, old)
        return self._dying(old) if kind.plural == "pods" else None

    def remove(self, kind: Kind, old: Version, last: Json | None = None) -> None:
        """Remove an object and its dependents for good."""
        item: Json = clone(old.object) if last is None else last
        self._objects.drop(kind, old, item)
        self._collect(item["metadata"]["uid"])
        for owner in _owners(item):
            self._finish_foreground(owner["uid"])
        if kind.namespaced:
            self._finish_namespace(item["metadata"]["namespace"])

    def drain(self, namespace: str) -> None:
        """Delete a namespace's contents, then the namespace itself if no finalizer holds it."""
        self._held.discard(namespace)
        for resource, kind in self._objects.kinds.items():
            if not kind.namespaced:
                continue
            for key in [k for k in self._objects.table(resource).keys if k[0] == namespace]:
                if key in self._objects.table(resource).now:
                    self._objects.delete(resource, *key)
        self._finish_namespace(namespace)

    def _mark(self, kind: Kind, old: Version) -> Json:
        if old.object["metadata"].get("deletionTimestamp"):
            return clone(old.object)  # type: ignore[no-any-return]
        return self._objects.store(kind, old, self._dying(old))

    def _dying(self, old: Version) -> Json:
        item: Json = clone(old.object)
        metadata = item["metadata"]
        metadata |= {"deletionTimestamp": self._objects.timestamp(), "deletionGracePeriodSeconds": 0}
        if "generation" in metadata:
            metadata["generation"] += 1
        return item

    def _terminate(self, kind: Kind, old: Version) -> Json:
        name = old.object["metadata"]["name"]
        if name in _IMMORTAL:
            raise failures.forbidden(kind, name, "this namespace may not be deleted")
        item: Json = clone(old.object)
        if not item["metadata"].get("deletionTimestamp"):
            item["metadata"]["deletionTimestamp"] = self._objects.timestamp()
            item["status"]["phase"] = "Terminating"
            item = self._objects.store(kind, old, item)
        if self.hold_namespaces:
            self._held.add(name)
        else:
            self.drain(name)
        return item

    def _finish_namespace(self, name: str) -> None:
        namespaces = self._objects.table("namespaces")
        found = namespaces.now.get(("", name))
        if found is None or not found.object["metadata"].get("deletionTimestamp") or name in self._held:
            return
        if not any(self._holds(kind, name) for kind in self._objects.kinds.values() if kind.namespaced):
            self._objects.drop(namespaces.kind, found, clone(found.object))

    def _holds(self, kind: Kind, namespace: str) -> bool:
        return any(key[0] == namespace for key in self._objects.table(kind.plural).keys)

    def _foreground(self, kind: Kind, old: Version) -> Json | None:
        item = self._dying(old)
        metadata = item["metadata"]
        metadata["finalizers"] = [*metadata.get("finalizers", []), _FOREGROUND]
        marked = self._objects.store(kind, old, item)
        self._collect(metadata["uid"], going=True)
        self._finish_foreground(metadata["uid"])
        return marked

    def _finish_foreground(self, uid: str) -> None:
        if uid not in self._alive or self._dependents[uid]:
            return
        for kind, version in self._with_uid(uid):
            item: Json = clone(version.object)
            finalizers = item["metadata"].get("finalizers", [])
            if _FOREGROUND in finalizers:
                item["metadata"]["finalizers"] = [f for f in finalizers if f != _FOREGROUND]
                self._objects.store(kind, version, item)

    def _with_uid(self, uid: str) -> list[tuple[Kind, Version]]:
        tables = [self._objects.table(resource) for resource in self._objects.kinds]
        return [(t.kind, v) for t in tables for v in t.now.values() if v.object["metadata"]["uid"] == uid]

    def _collect(self, uid: str, *, going: bool = False) -> None:
        for resource, key in sorted(self._dependents.get(uid, ())):
            version = self._objects.table(resource).now.get(key)
            if version is None:
                continue
            living = [o for o in _owners(version.object) if o["uid"] in self._alive and not (going and o["uid"] == uid)]
            if not living:
                self._objects.delete(resource, *key, propagation="Background")
            elif not going:
                self._keep_owners(resource, version, living)

    def _orphan(self, uid: str) -> None:
        for resource, key in sorted(self._dependents.get(uid, ())):
            version = self._objects.table(resource).now[key]
            self._keep_owners(resource, version, [o for o in _owners(version.object) if o["uid"] != uid])

    def _keep_owners(self, resource: str, version: Version, owners: list[Json]) -> None:
        item: Json = clone(version.object)
        item["metadata"]["ownerReferences"] = clone(owners)
        if not owners:
            del item["metadata"]["ownerReferences"]
        self._objects.store(self._objects.kind(resource), version, item)

    def collect_orphan(self, kind: Kind, item: Json) -> None:
        """Delete an object if all its owners are gone; owners of unknown kinds count as present."""
        known = {(k.api_version, k.kind) for k in self._objects.kinds.values()}
        owners = _owners(item)
        if not owners or any(o["uid"] in self._alive or (o["apiVersion"], o["kind"]) not in known for o in owners):
            return
        metadata = item["metadata"]
        if (metadata.get("namespace", ""), metadata["name"]) in self._objects.table(kind.plural).now:
            self._objects.delete(kind.plural, metadata.get("namespace"), metadata["name"])


def _owners(item: Json | None) -> list[Json]:
    return (item["metadata"].get("ownerReferences") or []) if item else []
