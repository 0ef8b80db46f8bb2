"""Reads a backup's contents beside the live cluster. Nothing is written but Velero's own DownloadRequests.

The archive is walked once, object by object, in a thread; of the live side only a packed normal form is kept, so that
memory stays small beside a large backup.
"""

from __future__ import annotations

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
_AGENTS = frozenset({"node-agent", "node-agent-windows"})
_UNREADABLE = "the resource modifiers can't be read"
_UNTRIED = "The resource modifiers cannot be read: Velero could not apply them either."


async def add_preview(plan: Plan, cluster: Cluster) -> Plan:
    """The plan with what it would change; where that cannot be told, it says so."""
    manifest = next(
        (step.manifest for step in plan.steps if step.kind == "Restore" and step.verb is StepVerb.CREATE), None
    )
    if manifest is None:
        return plan
    own = {step.name: section(step.manifest, "data") for step in plan.steps if step.kind == "ConfigMap"}
    try:
        found = await read_preview(manifest, cluster, own)
    except (DownloadError, ClusterError) as error:
        return replace(plan, notes=(*plan.notes, f"No preview of the changes: {_words(error)}"))
    notes = (*plan.notes, *found.summary())
    return replace(plan, impact=found.impact, notes=notes, report=found.report(), guards=_guards(plan, manifest, found))


def _guards(plan: Plan, manifest: Json, found: Preview) -> tuple[Guard, ...]:
    """What was only feared of node ports is known now."""
    kept = tuple(guard for guard in plan.guards if guard.code != "node-ports" or found.unsure)
    if all(row.kind == "Namespace" for row in found.rows):
        return (*kept, _nothing(manifest))
    if found.terminating and not any(guard.code == TERMINATING for guard in kept):
        kept = (*kept, terminating_guard(found.terminating))
    refused = (*found.unpatched, *((_UNTRIED,) if _UNREADABLE in found.faults else ()))
    return (
        *kept,
        *(Guard("modifier-fails", Level.REFUSE, text) for text in refused[:5]),
        *_warnings(found),
        *(Guard("would-fail", Level.WARN, f"The restore would end {found.phase}: {one}.") for one in found.errors[:5]),
    )


def _warnings(found: Preview) -> Iterable[Guard]:
    """What ends Completed and is not what was wanted."""
    if going := [f"{row.kind} {row.location}" for row in found.rows_with(Fate.GOING)]:
        text = f"Being deleted, so Velero won't restore them: {', '.join(going[:8])}. Wait until they are gone."
        yield Guard("objects-terminating", Level.WARN, text)
    if found.pending:
        yield Guard("pvc-pending", Level.WARN, f"PVCs would stay Pending: {', '.join(found.pending[:5])}.")
    if found.originals:
        text = f"PVCs would take the original volume itself, not a copy: {', '.join(found.originals[:5])}."
        yield Guard("original-volume", Level.WARN, text)
    if found.idle_hooks:
        text = f"Hooks that would not run: {', '.join(found.idle_hooks[:5])}. Hooks go by the target namespace."
        yield Guard("idle-hooks", Level.WARN, text)


def _nothing(manifest: Json) -> Guard:
    text = f"Nothing in backup {manifest['spec'].get('backupName')} is selected. Velero would restore 0 items and report Completed."
    return Guard("nothing-selected", Level.REFUSE, text)


def _words(error: ChatopsError) -> str:
    return " ".join(part for part in (error.text, error.why) if part)


async def read_preview(manifest: Json, cluster: Cluster, own: Mapping[str, Json] | None = None) -> Preview:
    """`own`: ConfigMaps that are made before it. Raises DownloadError or ClusterError."""
    spec = manifest["spec"]
    backup, scope = text(spec, "backupName"), Scope(spec)
    listed = await cluster.artifacts.resources(backup)
    volumes = await _volumes(cluster, backup)
    modifiers = await _modifiers(spec, cluster, own or {})
    served = await live.read_served_kinds(cluster.api)
    wanted = _wanted(listed, served, scope)
    shelf, unread = await _shelf(cluster, served, wanted)
    classes = await _storage_classes(cluster, served)
    walk = Walk(scope, served, shelf, unread, modifiers or Modifiers(), volumes, classes)
    walk = await cluster.artifacts.contents(backup, walk)
    ports = await _ports_in_use(cluster, served) if walk.needs_node_ports else {}
    agent = await _node_agent(cluster, served) if any(one.method == FILES for one in volumes) else NodeAgent.UNKNOWN
    found = walk.preview(ports, agent)
    return found if modifiers is not None else replace(found, faults=(*found.faults, _UNREADABLE))


@dataclass(frozen=True, slots=True)
class _Wanted:
    kinds: Mapping[str, Kind]
    places: frozenset[ObjectKey]

    @property
    def spaces(self) -> frozenset[str]:
        return frozenset(namespace for _, namespace, _ in self.places if namespace)


def _wanted(listed: Iterable[ListedItem], served: ServedKinds, scope: Scope) -> _Wanted:
    """Where what the backup holds would meet something, with the namespaces it goes into."""
    kinds: dict[str, Kind] = {}
    places: set[ObjectKey] = set()
    for one in listed:
        kind = served.of(one.api_version, one.kind)
        if kind is None or not _concerns(scope, kind.resource, one):
            continue
        kinds[kind.resource] = kind
        target = scope.target_namespace(one.namespace) if one.namespace else ""
        places.add(
            (kind.resource, target, scope.target_namespace(one.name) if kind.resource == NAMESPACES else one.name)
        )
        places |= {(NAMESPACES, "", target)} if target else set()
    space = served.of("v1", "Namespace")
    return _Wanted(kinds | ({NAMESPACES: space} if space is not None and places else {}), frozenset(places))


def _concerns(scope: Scope, resource: str, one: ListedItem) -> bool:
    if scope.includes_location(resource, one.namespace, one.name) or resource == "persistentvolumes":
        return True  # a PVC may name a volume that is left out of the restore
    return resource in FOLLOWERS and scope.may_follow(resource, one.namespace)


async def _shelf(cluster: Cluster, served: ServedKinds, wanted: _Wanted) -> tuple[LiveIndex, frozenset[str]]:
    shelf = LiveIndex(set(wanted.places))
    found = await live.read_live_objects(cluster.api, wanted.kinds.values(), wanted.spaces, shelf.add)
    unread = {kind.resource for kind in found.unread}
    claim, strange = served.of("v1", "PersistentVolumeClaim"), shelf.unrequested_claims()
    if claim is not None and strange:
        shelf.wanted |= strange | {(NAMESPACES, "", namespace) for _, namespace, _ in strange}
        kinds = [claim, *(kind for kind in [served.of("v1", "Namespace")] if kind is not None)]
        again = await live.read_live_objects(
            cluster.api, kinds, frozenset(namespace for _, namespace, _ in strange), shelf.add
        )
        unread |= {kind.resource for kind in again.unread}
    return shelf, frozenset(unread)


async def _modifiers(spec: Json, cluster: Cluster, own: Mapping[str, Json]) -> Modifiers | None:
    """None where they cannot be read."""
    name = text(section(spec, "resourceModifier"), "name")
    if not name:
        return Modifiers()
    if name in own:
        return parse_modifiers(own[name])
    found = await cluster.config_maps.find(name)
    return None if found is None else parse_modifiers(found.data)


async def _names(cluster: Cluster, served: ServedKinds, kind: tuple[str, str], namespace: str) -> frozenset[str] | None:
    """None where they cannot be read."""
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
    return NodeAgent.THERE if names & _AGENTS else NodeAgent.MISSING


async def _ports_in_use(cluster: Cluster, served: ServedKinds) -> Mapping[int, str] | None:
    """In the whole cluster, since node ports are the cluster's. None where they cannot be read."""
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
