"""Reads a backup's contents beside the live cluster. Nothing is written but Velero's own DownloadRequests.

The archive is walked once, object by object, in a thread; of the live side only a packed normal form is kept, so that
memory stays small beside a large backup.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from commands.restore.compare import controlled, fields, fixed, normal
from commands.restore.preview import Claim, Fate, Preview, Row
from commands.restore.scope import Scope
from domain.errors import ChatopsError, ClusterError, DownloadError, NotUploaded
from domain.plan import Guard, Level, Plan, StepVerb
from velero import live
from velero.cluster import Cluster
from velero.contents import Stored
from velero.kinds import Kind
from velero.live import Served
from velero.volumes import Volume

Json = dict[str, Any]
Place = tuple[str, str, str]
"""Resource (`deployments.apps`), namespace, name."""

_HOOKS = ("init.hook.restore.velero.io/command", "post.hook.restore.velero.io/command")


@dataclass(slots=True)
class Shelf:
    """Live objects in their packed normal form."""

    wanted: frozenset[Place]
    held: dict[Place, tuple[bytes, bytes]] = field(default_factory=dict)

    def put(self, kind: Kind, item: Json) -> None:
        meta = item.get("metadata") or {}
        place = (kind.resource, str(meta.get("namespace", "")), str(meta.get("name", "")))
        if place in self.wanted:
            packed = _bytes(normal(item))
            self.held[place] = (_digest(packed), zlib.compress(packed, 1))

    def find(self, place: Place) -> tuple[bytes, Json] | None:
        found = self.held.get(place)
        return None if found is None else (found[0], json.loads(zlib.decompress(found[1])))


async def looked(plan: Plan, cluster: Cluster) -> Plan:
    """The plan with what it would change; where that cannot be told, it says so."""
    manifest = next(
        (step.manifest for step in plan.steps if step.kind == "Restore" and step.verb is StepVerb.CREATE), None
    )
    if manifest is None:
        return plan
    try:
        found = await preview(manifest, cluster)
    except (DownloadError, ClusterError) as fault:
        return replace(plan, notes=(*plan.notes, f"What it would change could not be looked at: {_words(fault)}"))
    guards = plan.guards if any(row.kind != "Namespace" for row in found.rows) else (*plan.guards, _nothing(manifest))
    notes = (*plan.notes, *found.summary())
    return replace(plan, impact=found.impact, notes=notes, report=found.report(), guards=guards)


def _nothing(manifest: Json) -> Guard:
    text = (
        f"Nothing in backup {manifest['spec'].get('backupName')} is selected: Velero would say Completed with 0 items."
    )
    return Guard("nothing-selected", Level.REFUSE, text)


def _words(fault: ChatopsError) -> str:
    return " ".join(part for part in (fault.text, fault.why) if part)


async def preview(manifest: Json, cluster: Cluster) -> Preview:
    """Raises DownloadError or ClusterError."""
    spec = manifest["spec"]
    backup, scope = str(spec.get("backupName", "")), Scope(spec)
    listed = await cluster.artifacts.resources(backup)
    served = await live.served(cluster.api)
    kinds: dict[Kind, None] = {}
    wanted: set[Place] = set()
    for one in listed:
        kind = served.of(one.api_version, one.kind)
        if kind is not None and scope.has_place(kind.resource, one.namespace, one.name):
            kinds[kind] = None
            wanted.add(_place(kind, scope, one.namespace, one.name))
    shelf = Shelf(frozenset(wanted))
    spaces = frozenset(namespace for _, namespace, _ in wanted if namespace)
    read = await live.read(cluster.api, kinds, spaces, shelf.put)
    unread = frozenset(kind.resource for kind in read.unread)
    walk = Walk(scope, served, shelf, unread, classes=await _storage_classes(cluster, served))
    await cluster.artifacts.contents(backup, walk.visit)
    return walk.preview(await _volumes(cluster, backup))


def _place(kind: Kind, scope: Scope, namespace: str, name: str) -> Place:
    if kind.resource == "namespaces":
        return kind.resource, "", scope.target(name)
    return kind.resource, scope.target(namespace) if namespace else "", name


async def _storage_classes(cluster: Cluster, served: Served) -> frozenset[str] | None:
    """None where they cannot be read."""
    kind = served.of("storage.k8s.io/v1", "StorageClass")
    if kind is None:
        return None
    names: set[str] = set()
    read = await live.read(
        cluster.api, [kind], frozenset({"*"}), lambda _, item: names.add(str((item.get("metadata") or {}).get("name")))
    )
    return None if read.unread else frozenset(names)


async def _volumes(cluster: Cluster, backup: str) -> tuple[Volume, ...]:
    try:
        return await cluster.artifacts.volumes(backup)
    except NotUploaded:
        return ()


@dataclass(slots=True)
class Walk:
    """Sees every object of the archive once, and keeps a row of it."""

    scope: Scope
    served: Served
    shelf: Shelf
    unread: frozenset[str]
    rows: list[Row] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)
    defined: set[str] = field(default_factory=set)
    resources: list[str] = field(default_factory=list)
    classes: frozenset[str] | None = None
    classless: list[str] = field(default_factory=list)

    def visit(self, stored: Stored) -> None:
        if not self.scope.has(stored.resource, stored.namespace, stored.object):
            return
        if stored.kind == "CustomResourceDefinition":
            self.defined.add(stored.name)
        if stored.kind == "Pod":
            self.hooks += _hooks(stored)
        row = self._row(stored)
        if row.kind == "PersistentVolumeClaim" and row.fate is Fate.NEW:
            self._class(row, stored.object)
        self.rows.append(row)
        self.resources.append(stored.resource)

    def _class(self, row: Row, claim: Json) -> None:
        name = (claim.get("spec") or {}).get("storageClassName")
        if self.classes is not None and isinstance(name, str) and name and name not in self.classes:
            self.classless.append(f"{row.place} ({name})")

    def _row(self, stored: Stored) -> Row:
        namespace = self.scope.target(stored.namespace) if stored.namespace else ""
        name = self.scope.target(stored.name) if stored.resource == "namespaces" else stored.name
        row = Row(
            stored.kind, namespace, name, Fate.NEW, controlled=controlled(stored.object), across=not stored.namespace
        )
        if self.served.of(stored.api_version, stored.kind) is None:
            unknown = stored.api_version in self.served.unknown
            return replace(row, fate=Fate.UNREAD if unknown else Fate.NOT_SERVED)
        found = self.shelf.find((stored.resource, namespace, name))
        if found is None:
            return replace(row, fate=Fate.UNREAD) if stored.resource in self.unread else row
        return self._compared(row, stored, *found)

    def _compared(self, row: Row, stored: Stored, digest: bytes, there: Json) -> Row:
        wanted = normal(stored.object)
        if stored.resource == "namespaces" or _digest(_bytes(wanted)) == digest:
            return replace(row, fate=Fate.UNCHANGED)
        differs = fields(wanted, there)
        row = replace(row, fields=differs)
        if self.scope.spec.get("existingResourcePolicy") != "update":
            return replace(row, fate=Fate.KEPT)
        why = fixed(stored.object, differs)
        return replace(row, fate=Fate.FIXED if why else Fate.CHANGED, why=why)

    def preview(self, volumes: tuple[Volume, ...]) -> Preview:
        """A kind that the backup itself defines is served by then."""
        rows = tuple(
            replace(row, fate=Fate.NEW) if row.fate is Fate.NOT_SERVED and resource in self.defined else row
            for row, resource in zip(self.rows, self.resources, strict=True)
        )
        hooks = tuple(self.hooks + _spec_hooks(self.scope))
        return Preview(rows, tuple(_claims(rows, volumes, self.scope)), hooks, tuple(self.classless))


def _claims(rows: tuple[Row, ...], volumes: tuple[Volume, ...], scope: Scope) -> list[Claim]:
    saved: Mapping[str, Volume] = {f"{scope.target(one.namespace)}/{one.claim}": one for one in volumes if one.claim}
    return [_claim(row, saved.get(row.place), scope) for row in rows if row.kind == "PersistentVolumeClaim"]


def _claim(row: Row, volume: Volume | None, scope: Scope) -> Claim:
    if row.fate is Fate.UNREAD:
        return Claim(row.place, comes_back=False, why="not looked at")
    if row.fate is not Fate.NEW:
        return Claim(row.place, comes_back=False, why="the claim is there and keeps its data")
    if scope.spec.get("restorePVs") is False:
        return Claim(row.place, comes_back=False, why="volumes are left out; the new claim is empty")
    if volume is None or not volume.saved:
        why = volume.why[0] if volume is not None and volume.why else "the backup has no data of it"
        return Claim(row.place, comes_back=False, why=why)
    return Claim(row.place, comes_back=True)


def _hooks(stored: Stored) -> list[str]:
    notes = (stored.object.get("metadata") or {}).get("annotations") or {}
    return [f"{stored.namespace}/{stored.name}: {str(notes[key])[:120]}" for key in _HOOKS if key in notes]


def _spec_hooks(scope: Scope) -> list[str]:
    resources = (scope.spec.get("hooks") or {}).get("resources") or []
    return [str(each.get("name", "")) for each in resources if isinstance(each, dict)]


def _bytes(item: Json) -> bytes:
    return json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _digest(packed: bytes) -> bytes:
    return blake2b(packed, digest_size=16).digest()
