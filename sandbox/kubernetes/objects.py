"""All objects of one cluster, with the API server's semantics and no network.

Synchronous and meant for one event loop. What is returned is a copy; what is refused raises `ApiFailure`.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from domain.json_types import Json
from sandbox.kubernetes import bodies, builtin, failures, patches, validation
from sandbox.kubernetes.bodies import FieldValidation, Warn
from sandbox.kubernetes.collector import Collector
from sandbox.kubernetes.failures import ApiFailure, Cause
from sandbox.kubernetes.history import Change, ChangeType, Key, Table, Version
from sandbox.kubernetes.lists import ListQuery, Page, page
from sandbox.kubernetes.patches import clone
from sandbox.kubernetes.schemas.kinds import KINDS, Kind
from sandbox.kubernetes.subscription import Subscription

Listener = Callable[[ChangeType, str, Json | None, Json | None], None]
Causes = list[Cause]
Jsons = list[Json]

__all__ = ["ApiFailure", "FieldValidation", "Objects"]

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_KEPT_FIELDS = ("creationTimestamp", "deletionGracePeriodSeconds", "generation")
FIRST_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Objects:
    """Storage, validation, history and garbage collection of one cluster."""

    def __init__(self, *, now: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self.kinds: dict[str, Kind] = dict(KINDS)
        self.revision = 0
        self.collector = Collector(self)
        self._now = now
        self._new_id = new_id
        self._tables: dict[str, Table] = {}
        self._listeners: list[Listener] = []
        self._untold: deque[Change] = deque()
        self._telling = False
        for name in FIRST_NAMESPACES:
            self.create("namespaces", None, {"metadata": {"name": name}})

    # reading

    def kind(self, resource: str) -> Kind:
        if (kind := self.kinds.get(resource)) is None:
            raise ApiFailure(404, "NotFound", "the server could not find the requested resource", {})
        return kind

    def table(self, resource: str) -> Table:
        if resource not in self._tables:
            self._tables[resource] = Table(self.kind(resource))
        return self._tables[resource]

    def version(self, resource: str, namespace: str | None, name: str) -> Version:
        """Return the stored version itself; callers must not change it."""
        table = self.table(resource)
        if (found := table.now.get(_key(table.kind, namespace, name))) is None:
            raise failures.not_found(table.kind, name)
        return found

    def get(self, resource: str, namespace: str | None, name: str) -> Json:
        return _copy(self.version(resource, namespace, name).object)

    def find(self, resource: str, namespace: str | None, name: str) -> Json | None:
        table = self.table(resource)
        found = table.now.get(_key(table.kind, namespace, name))
        return _copy(found.object) if found else None

    def list(
        self,
        resource: str,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Jsons:
        query = ListQuery(namespace, label_selector, field_selector)
        return page(self.table(resource), self.revision, query).items()

    def list_page(
        self,
        resource: str,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = 0,
        continue_: str = "",
        resource_version: str = "",
        match: str = "",
    ) -> Page:
        query = ListQuery(namespace, label_selector, field_selector, limit, continue_, resource_version, match)
        return page(self.table(resource), self.revision, query)

    def subscribe(self, resource: str, namespace: str | None = None, *, since: int | None = None) -> Subscription:
        """Return the changes after a revision (None: from now on) as `(type, object, revision)`. Collecting starts at once."""
        table = self.table(resource)
        if since is not None and since < table.watchable_from:
            raise failures.expired(f"too old resource version: {since} ({table.watchable_from})")
        return Subscription(table, namespace, self.revision if since is None else since)

    def on_change(self, callback: Listener) -> None:
        """Call a listener with `(type, resource, old, new)` after every change, in order, before the changing call returns."""
        self._listeners.append(callback)

    def compact(self, *, watches: bool = True) -> None:
        """Forget old revisions: lists, continue tokens and watches from before are too old."""
        for resource in self.kinds:
            table = self.table(resource)
            table.listable_from = self.revision
            if watches:
                table.watchable_from = self.revision

    def forget_watches(self) -> None:
        """Forget the history, like a restarted server: every watch from an older revision is too old."""
        for resource in self.kinds:
            self.table(resource).watchable_from = self.revision

    # writing

    def create(
        self,
        resource: str,
        namespace: str | None,
        body: Mapping[str, Any],
        *,
        field_validation: FieldValidation = "Warn",
        dry_run: bool = False,
        warn: Warn = bodies.silent,
    ) -> Json:
        kind = self.kind(resource)
        item = bodies.pruned(kind, bodies.sent(kind, namespace, body), field_validation, warn)
        metadata = item["metadata"]
        versioned = metadata.get("resourceVersion")
        self._fill(kind, metadata)
        self.collector.admit(kind, metadata)
        builtin.admit_create(self.table("services"), kind, item)
        self._check(kind, item, [*validation.name_causes(kind, metadata)])
        if versioned not in {None, "", "0"}:
            raise failures.internal("resourceVersion should not be set on objects to be created")
        key = _key(kind, namespace, metadata["name"])
        if key in self.table(resource).now:
            raise failures.already_exists(kind, key[1])
        _warn_of_finalizers(kind, metadata, warn)
        if dry_run:
            return _copy(item)
        self._commit("ADDED", kind, key, item)
        created = _copy(item)
        if kind.plural == "customresourcedefinitions":
            self.kinds |= builtin.defined(item)
        self.collector.collect_orphan(kind, item)
        return created

    def patch(
        self,
        resource: str,
        namespace: str | None,
        name: str,
        patch: Any,
        *,
        content_type: str = patches.MERGE,
        field_validation: FieldValidation = "Warn",
        dry_run: bool = False,
        warn: Warn = bodies.silent,
    ) -> Json:
        old = self.version(resource, namespace, name)
        kind = self.kind(resource)
        item = bodies.patched(kind, old.object, patch, content_type)
        item = bodies.pruned(kind, item, field_validation, warn, patching=True)
        return self._update(kind, old, item, dry_run=dry_run)

    def replace(
        self,
        resource: str,
        namespace: str | None,
        name: str,
        body: Mapping[str, Any],
        *,
        field_validation: FieldValidation = "Warn",
        dry_run: bool = False,
        warn: Warn = bodies.silent,
    ) -> Json:
        kind = self.kind(resource)
        item = bodies.pruned(kind, bodies.sent(kind, namespace, body), field_validation, warn)
        metadata = item["metadata"]
        bodies.named(metadata, name)
        old = self.version(resource, namespace, name)
        have = old.object["metadata"]
        if kind.custom and not metadata.get("resourceVersion"):
            cause = failures.invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise failures.unprocessable(kind.group, kind.plural, name, [cause])
        if metadata.setdefault("uid", have["uid"]) != have["uid"]:
            raise _another_uid(kind, namespace, name, metadata["uid"], have["uid"])
        if "deletionTimestamp" in have:
            metadata.setdefault("deletionTimestamp", have["deletionTimestamp"])
        return self._update(kind, old, item, dry_run=dry_run)

    def delete(
        self,
        resource: str,
        namespace: str | None,
        name: str,
        *,
        propagation: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        dry_run: bool = False,
    ) -> Json:
        """Return a Status if the object is gone, else the object that waits for its finalizers."""
        kind = self.kind(resource)
        old = self.version(resource, namespace, name)
        have = old.object["metadata"]
        if uid and uid != have["uid"]:
            why = f"the UID in the precondition ({uid}) does not match the UID in record ({have['uid']}). "
            raise failures.precondition_failed(
                kind, name, f"{why}The object might have been deleted and then recreated"
            )
        if resource_version and resource_version != have["resourceVersion"]:
            why = (
                f"the ResourceVersion in the precondition ({resource_version}) does not match the ResourceVersion "
                f"in record ({have['resourceVersion']}). The object might have been modified"
            )
            raise failures.precondition_failed(kind, name, why)
        if dry_run:
            return bodies.gone(kind, have)
        return self.collector.delete(kind, old, propagation) or bodies.gone(kind, have)

    # internals

    def timestamp(self) -> str:
        return stamp(self._now())

    def store(self, kind: Kind, old: Version, item: Json) -> Json:
        """Store an accepted change. A deleted object without finalizers is removed."""
        key = _key_of(kind, old.object)
        metadata = item["metadata"]
        if metadata.get("deletionTimestamp") and not (metadata.get("finalizers") or _namespace_finalizers(kind, item)):
            self.collector.remove(kind, old, last=item)
            return _copy(item)
        self._commit("MODIFIED", kind, key, item)
        self.collector.collect_orphan(kind, item)
        return _copy(item)

    def drop(self, kind: Kind, old: Version, last: Json) -> None:
        if kind.plural == "customresourcedefinitions":
            self._undefine(last)
        self._commit("DELETED", kind, _key_of(kind, old.object), last)

    def _undefine(self, definition: Json) -> None:
        """Remove the kind of a deleted definition, after all its objects."""
        for plural, kind in builtin.defined(definition).items():
            for version in list(self.table(plural).now.values()):
                self._commit("DELETED", kind, _key_of(kind, version.object), _copy(version.object))
            self.kinds.pop(plural, None)

    def _commit(self, change_type: ChangeType, kind: Kind, key: Key, item: Json) -> None:
        self.revision += 1
        item["metadata"]["resourceVersion"] = str(self.revision)
        table = self.table(kind.plural)
        version = Version(item, self.revision, builtin=not kind.custom)
        change = Change(change_type, kind.plural, key, version, table.now.get(key))
        table.record(change)
        self.collector.index(change)
        self._untold.append(change)
        self._tell()

    def _tell(self) -> None:
        """Listeners may change objects: those changes are reported after this one, not inside it."""
        if self._telling:
            return
        self._telling = True
        try:
            while self._untold:
                change = self._untold.popleft()
                for listener in self._listeners:
                    old = _copy(change.old.object) if change.old else None
                    new = _copy(change.version.object) if change.type != "DELETED" else None
                    listener(change.type, change.resource, old, new)
        finally:
            self._telling = False

    def _update(self, kind: Kind, old: Version, item: Json, *, dry_run: bool) -> Json:
        have, metadata = old.object["metadata"], item["metadata"]
        version = metadata.get("resourceVersion", have["resourceVersion"])
        if not version.isdigit():
            raise failures.internal(f'strconv.ParseUint: parsing "{version}": invalid syntax')
        if version not in {"0", have["resourceVersion"]}:
            raise failures.stale(kind, have["name"])
        metadata["resourceVersion"] = have["resourceVersion"]
        for key in _KEPT_FIELDS:
            metadata.pop(key, None)
            if key in have:
                metadata[key] = have[key]
        # A custom resource's metadata is checked twice, so its errors appear twice.
        self._check(kind, item, [*validation.update_causes(have, metadata)] * (2 if kind.custom else 1))
        builtin.admit_update(self.table("services"), kind, old.object, item)
        if item == old.object:
            return _copy(old.object)
        if bodies.differs_in_content(kind, old.object, item):
            metadata["generation"] = have.get("generation", 0) + 1
        return _copy(item) if dry_run else self.store(kind, old, item)

    def _check(self, kind: Kind, item: Json, causes: Causes) -> None:
        name = item["metadata"].get("name", "")
        if kind.custom and (wrong := validation.type_causes(kind, item)):
            raise failures.unprocessable(kind.group, item["kind"], name, wrong)
        causes += [*validation.metadata_causes(item["metadata"]), *validation.schema_causes(kind, item)]
        causes += builtin.causes(kind, item)
        if causes:
            raise failures.invalid_object(kind, name, causes)

    def _fill(self, kind: Kind, metadata: Json) -> None:
        for key in (*bodies.SYSTEM_FIELDS, "managedFields", "resourceVersion", "generation"):
            metadata.pop(key, None)
        metadata["uid"] = self._new_id()
        metadata["creationTimestamp"] = self.timestamp()
        if kind.generation != "never":
            metadata["generation"] = 1
        if metadata.get("generateName") and not metadata.get("name"):
            metadata["name"] = metadata["generateName"][:58] + self._suffix()

    def _suffix(self) -> str:
        digest = hashlib.sha256(self._new_id().encode()).digest()
        return "".join(_SUFFIX_LETTERS[byte % len(_SUFFIX_LETTERS)] for byte in digest[:5])


def _copy(item: Json) -> Json:
    copied: Json = clone(item)
    return copied


def _key(kind: Kind, namespace: str | None, name: str) -> Key:
    return (namespace or "", name) if kind.namespaced else ("", name)


def _namespace_finalizers(kind: Kind, item: Json) -> bool:
    return kind.plural == "namespaces" and bool(item["spec"].get("finalizers"))


def _key_of(kind: Kind, item: Json) -> Key:
    return _key(kind, item["metadata"].get("namespace"), item["metadata"]["name"])


def _warn_of_finalizers(kind: Kind, metadata: Json, warn: Warn) -> None:
    for text in validation.finalizer_warnings(metadata) if kind.custom else ():
        warn(text)


def _another_uid(kind: Kind, namespace: str | None, name: str, asked: str, have: str) -> ApiFailure:
    place = "/".join(p for p in ("/registry", kind.group, kind.plural, namespace, name) if p)
    said = f"Precondition failed: UID in precondition: {asked}, UID in object meta: {have}"
    why = f"StorageError: invalid object, Code: 4, Key: {place}, ResourceVersion: 0, AdditionalErrorMsg: {said}"
    return failures.conflict(kind, name, why)
