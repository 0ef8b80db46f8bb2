"""Reads a backup's contents and the live cluster for the preview, and adds the result to the plan.

The archive is read once, object by object, in a thread. Of the live objects only a packed normal form is kept, so memory
stays small next to a large backup. Nothing is written to the cluster except Velero's DownloadRequests. A preview that
can't be read never stops the restore; the plan says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from commands.restore.guards import TERMINATING, terminating_guard
from domain.errors import ChatopsError, ClusterError, DownloadError, NotUploaded
from domain.json_types import Json
from domain.plan import Guard, Level, Plan, StepVerb
from operations.restore_preview.live_index import LiveIndex, ObjectKey
from operations.restore_preview.modifiers import Modifiers, parse_modifiers
from operations.restore_preview.prepare_object import node_ports
from operations.restore_preview.preview import Fate, Preview
from operations.restore_preview.scope import FOLLOWERS, Scope
from operations.restore_preview.volume_claims import FILES, NodeAgent
from operations.restore_preview.walk import NAMESPACES, Walk
from velero import live
from velero.artifacts.resource_list import ListedItem
from velero.artifacts.volumes import Volume
from velero.cluster import Cluster
from velero.fields import section, text
from velero.kinds import Kind
from velero.live import ServedKinds

EVERYWHERE = frozenset({"*"})
_NODE_AGENTS = frozenset({"node-agent", "node-agent-windows"})
_MODIFIERS_UNREADABLE = "the resource modifiers can't be read"


async def add_preview(plan: Plan, cluster: Cluster) -> Plan:
    """The plan with its preview, or with a note why there is none."""
    manifest = next(
        (step.manifest for step in plan.steps if step.kind == "Restore" and step.verb is StepVerb.CREATE), None
    )
    if manifest is None:
        return plan
    own_config_maps = {step.name: section(step.manifest, "data") for step in plan.steps if step.kind == "ConfigMap"}
    try:
        found = await read_preview(manifest, cluster, own_config_maps)
    except (DownloadError, ClusterError) as error:
        return replace(plan, notes=(*plan.notes, f"The changes can't be previewed: {_text_of(error)}"))
    return await asyncio.to_thread(_with_preview, plan, manifest, found)


def _with_preview(plan: Plan, manifest: Json, found: Preview) -> Plan:
    notes = (*plan.notes, *found.summary())
    return replace(plan, impact=found.impact, notes=notes, report=found.report(), guards=_guards(plan, manifest, found))


def _guards(plan: Plan, manifest: Json, found: Preview) -> tuple[Guard, ...]:
    """The plan's guards and those of the preview, which replaces the general warning about node ports."""
    guards = tuple(guard for guard in plan.guards if guard.code != "node-ports" or found.unpredictable)
    if all(row.kind == "Namespace" for row in found.rows):
        return (*guards, _nothing_selected(manifest))
    if found.terminating and not any(guard.code == TERMINATING for guard in guards):
        guards = (*guards, terminating_guard(found.terminating))
    return (
        *guards,
        *(Guard("modifier-fails", Level.REFUSE, text) for text in found.modifier_errors[:5]),
        *_warnings(found),
        *(Guard("would-fail", Level.WARN, f"The restore would end {found.phase}: {one}.") for one in found.errors[:5]),
    )


def _warnings(found: Preview) -> Iterable[Guard]:
    """Results that Velero reports as Completed although they are hardly intended."""
    if going := [f"{row.kind} {row.location}" for row in found.rows_with(Fate.TERMINATING)]:
        text = f"Velero won't restore objects that are being deleted: {', '.join(going[:8])}. Wait until they are gone."
        yield Guard("objects-terminating", Level.WARN, text)
    if found.pending:
        yield Guard("pvc-pending", Level.WARN, f"PVCs would stay Pending: {', '.join(found.pending[:5])}.")
    if found.original_volumes:
        text = f"PVCs would bind to the original volume, not to a copy: {', '.join(found.original_volumes[:5])}."
        yield Guard("original-volume", Level.WARN, text)
    if found.skipped_hooks:
        text = f"Hooks would not run: {', '.join(found.skipped_hooks[:5])}. Velero matches hooks with the target namespace."
        yield Guard("idle-hooks", Level.WARN, text)


def _nothing_selected(manifest: Json) -> Guard:
    text = f"Nothing in backup `{manifest['spec'].get('backupName')}` is selected. Velero would restore 0 items and report Completed."
    return Guard("nothing-selected", Level.REFUSE, text)


def _text_of(error: ChatopsError) -> str:
    return " ".join(part for part in (error.text, error.why) if part)


async def read_preview(manifest: Json, cluster: Cluster, own_config_maps: Mapping[str, Json] | None = None) -> Preview:
    """`own_config_maps`: ConfigMaps that the plan creates before the restore. Raises DownloadError or ClusterError."""
    spec = manifest["spec"]
    backup, scope = text(spec, "backupName"), Scope(spec)
    listed = await cluster.artifacts.resources(backup)
    volumes = await _volumes(cluster, backup)
    modifiers = await _modifiers(spec, cluster, own_config_maps or {})
    served = await live.read_served_kinds(cluster.api)
    wanted = await asyncio.to_thread(_wanted, listed, served, scope)
    index, unread = await _read_index(cluster, served, wanted)
    classes = await _storage_classes(cluster, served)
    walk = Walk(scope, served, index, unread, modifiers or Modifiers(), volumes, classes)
    walk = await cluster.artifacts.contents(backup, walk)
    ports = await _ports_in_use(cluster, served) if walk.needs_node_ports else {}
    agent = await _node_agent(cluster, served) if any(one.method == FILES for one in volumes) else NodeAgent.UNKNOWN
    found = await asyncio.to_thread(walk.preview, ports, agent)
    if modifiers is not None:
        return found
    refusal = "The resource modifiers can't be read. Velero couldn't apply them either."
    return replace(
        found,
        other_errors=(*found.other_errors, _MODIFIERS_UNREADABLE),
        modifier_errors=(*found.modifier_errors, refusal),
    )


@dataclass(frozen=True, slots=True)
class _Wanted:
    kinds: Mapping[str, Kind]
    keys: set[ObjectKey]

    @property
    def namespaces(self) -> frozenset[str]:
        return frozenset(namespace for _, namespace, _ in self.keys if namespace)


def _wanted(listed: Iterable[ListedItem], served: ServedKinds, scope: Scope) -> _Wanted:
    """The live objects to read: those that the backup's objects would meet, and the target namespaces."""
    kinds: dict[str, Kind] = {}
    keys: set[ObjectKey] = set()
    for one in listed:
        kind = served.of(one.api_version, one.kind)
        if kind is None or not _is_relevant(scope, kind.resource, one):
            continue
        kinds[kind.resource] = kind
        target = scope.target_namespace(one.namespace) if one.namespace else ""
        keys.add((kind.resource, target, scope.target_namespace(one.name) if kind.resource == NAMESPACES else one.name))
        keys |= {(NAMESPACES, "", target)} if target else set()
    namespace_kind = served.of("v1", "Namespace")
    if namespace_kind is not None and keys:
        kinds[NAMESPACES] = namespace_kind
    return _Wanted(kinds, keys)


def _is_relevant(scope: Scope, resource: str, one: ListedItem) -> bool:
    if scope.includes_location(resource, one.namespace, one.name) or resource == "persistentvolumes":
        return True  # a PVC may name a volume that isn't part of the restore
    return resource in FOLLOWERS and scope.may_follow(resource, one.namespace)


async def _read_index(cluster: Cluster, served: ServedKinds, wanted: _Wanted) -> tuple[LiveIndex, frozenset[str]]:
    """The live objects, and the resources that can't be read."""
    index = LiveIndex(wanted.keys)
    found = await live.read_live_objects(cluster.api, wanted.kinds.values(), wanted.namespaces, index.add)
    unread = {kind.resource for kind in found.unread}
    claim_kind, claims = served.of("v1", "PersistentVolumeClaim"), index.unrequested_claims()
    if claim_kind is not None and claims:
        index.wanted |= claims | {(NAMESPACES, "", namespace) for _, namespace, _ in claims}
        kinds = [claim_kind, *(kind for kind in [served.of("v1", "Namespace")] if kind is not None)]
        found = await live.read_live_objects(
            cluster.api, kinds, frozenset(namespace for _, namespace, _ in claims), index.add
        )
        unread |= {kind.resource for kind in found.unread}
    index.forget_requested_objects()
    return index, frozenset(unread)


async def _modifiers(spec: Json, cluster: Cluster, own_config_maps: Mapping[str, Json]) -> Modifiers | None:
    """None if they can't be read."""
    name = text(section(spec, "resourceModifier"), "name")
    if not name:
        return Modifiers()
    if name in own_config_maps:
        return parse_modifiers(own_config_maps[name])
    found = await cluster.config_maps.find(name)
    return None if found is None else parse_modifiers(found.data)


async def _names(cluster: Cluster, served: ServedKinds, kind: tuple[str, str], namespace: str) -> frozenset[str] | None:
    """None if they can't be read."""
    found = served.of(*kind)
    if found is None:
        return None
    names: set[str] = set()
    reading = live.read_live_objects(
        cluster.api, [found], frozenset({namespace}), lambda _, item: names.add(text(section(item, "metadata"), "name"))
    )
    return None if (await reading).unread else frozenset(names)


async def _storage_classes(cluster: Cluster, served: ServedKinds) -> frozenset[str] | None:
    return await _names(cluster, served, ("storage.k8s.io/v1", "StorageClass"), "*")


async def _node_agent(cluster: Cluster, served: ServedKinds) -> NodeAgent:
    names = await _names(cluster, served, ("apps/v1", "DaemonSet"), cluster.namespace)
    if names is None:
        return NodeAgent.UNKNOWN
    return NodeAgent.PRESENT if names & _NODE_AGENTS else NodeAgent.MISSING


async def _ports_in_use(cluster: Cluster, served: ServedKinds) -> Mapping[int, str] | None:
    """The node ports of the whole cluster, each with its Service; None if they can't be read."""
    kind = served.of("v1", "Service")
    if kind is None:
        return None
    used: dict[int, str] = {}

    def visit(_: Kind, item: Json) -> None:
        meta = section(item, "metadata")
        used.update(dict.fromkeys(node_ports(item), f"{text(meta, 'namespace')}/{text(meta, 'name')}"))

    return None if (await live.read_live_objects(cluster.api, [kind], EVERYWHERE, visit)).unread else used


async def _volumes(cluster: Cluster, backup: str) -> tuple[Volume, ...]:
    try:
        return await cluster.artifacts.volumes(backup)
    except NotUploaded:
        return ()
