"""Walks through a backup's archive once and tells of each object what a restore would make of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from domain.json_types import Json
from operations.restore_preview.compare import (
    differing_fields,
    explicit_fields,
    fixed,
    is_controlled,
    merged,
    normal_form,
)
from operations.restore_preview.live_index import Live, LiveIndex, ObjectKey, digest, packed_form
from operations.restore_preview.modifier_trial import ModifierTrial
from operations.restore_preview.modifiers import Modified, Modifiers
from operations.restore_preview.prepare_object import exclusion_reason, following_objects, node_ports, prepare_object
from operations.restore_preview.preview import Fate, Preview, Row
from operations.restore_preview.scope import Scope
from operations.restore_preview.volume_bindings import (
    BindingOutcome,
    BindingRequest,
    new_addresses,
    predict_binding,
    requested_volume,
)
from operations.restore_preview.volume_claims import NodeAgent, judge_claims
from policy.globs import any_matches
from velero.artifacts.contents import StoredObject
from velero.artifacts.volumes import Volume
from velero.fields import items, section, strings, text
from velero.live import ServedKinds

_HOOKS = ("init.hook.restore.velero.io/command", "post.hook.restore.velero.io/command")
_PROVISIONED = frozenset({"PodVolumeBackup", "CSISnapshot"})
_SNAPSHOTS = frozenset({"VolumeSnapshot", "VolumeSnapshotContent"})
NAMESPACES = "namespaces"


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object of the backup. `origin` is its place there; `links` are those of what comes along with it."""

    row: Row
    origin: ObjectKey
    links: tuple[ObjectKey, ...] = ()
    ports: tuple[int, ...] = ()
    hooks: tuple[str, ...] = ()
    lacks: str = ""
    """The storage class that is missing."""
    waits: str = ""
    faults: tuple[str, ...] = ()
    volume: str = ""
    """Of a new PVC without data in the backup: the volume that it asks for by name."""
    addresses: tuple[str, ...] = ()


@dataclass(slots=True)
class Walk:
    """Sees every object of the archive once, and keeps a row of it."""

    scope: Scope
    served: ServedKinds
    shelf: LiveIndex
    unread: frozenset[str]
    modifiers: Modifiers = field(default_factory=Modifiers)
    volumes: tuple[Volume, ...] = ()
    classes: frozenset[str] | None = None
    taken: list[FoundObject] = field(default_factory=list)
    followers: dict[ObjectKey, FoundObject] = field(default_factory=dict)
    spaces: set[str] = field(default_factory=set)
    """Namespaces that are taken of their own accord."""
    defined: set[str] = field(default_factory=set)
    patching: ModifierTrial = field(default_factory=ModifierTrial)
    methods: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.methods = {one.volume: one.method for one in self.volumes if one.volume}

    def visit(self, stored: StoredObject) -> None:
        taken = self.scope.includes(stored.resource, stored.namespace, stored.object)
        if stored.resource == NAMESPACES:
            self.spaces |= {self.scope.target_namespace(stored.name)} if taken else set()
            return
        if not taken and not self.scope.may_follow(stored.resource, stored.namespace):
            return
        found = self._found(stored, taken=taken)
        if not taken:
            self.followers[found.origin] = found
            return
        if stored.kind == "CustomResourceDefinition":
            self.defined.add(stored.name)
        self.taken.append(found)

    def _found(self, stored: StoredObject, *, taken: bool) -> FoundObject:
        origin = (stored.resource, stored.namespace, stored.name)
        links = tuple(_linked(stored))
        row = self._row(stored)
        wanted = prepare_object(stored.object, self.scope)
        modified = self.modifiers.apply_to(wanted, stored.resource)
        if taken:
            self.patching.record(stored.resource, f"{row.kind} {row.location}", wanted, modified)
        if why := exclusion_reason(stored.object) or self._of_snapshots(stored.kind):
            return FoundObject(replace(row, fate=Fate.LEFT, why=why), origin, links)
        row = replace(row, modified=bool(modified.rules))
        if stored.resource == "persistentvolumes" and (found := self._volume(row, stored)) is not None:
            return replace(found, origin=origin)
        row = self._met(row, stored, modified.item)
        new = row.fate is Fate.NEW
        return FoundObject(
            row,
            origin,
            links,
            ports=node_ports(modified.item) if new and stored.kind == "Service" else (),
            hooks=tuple(_hooks(stored, row.location)) if new and stored.kind == "Pod" else (),
            lacks=self._lacking(modified.item) if new and stored.kind == "PersistentVolumeClaim" else "",
            faults=tuple(f"{row.kind} {row.location}: {fault}" for fault in self._faults(row, modified)),
            volume=self._volume_named(row, modified.item) if new and stored.kind == "PersistentVolumeClaim" else "",
            addresses=new_addresses(stored.object, modified.item) if new and stored.kind == "Service" else (),
        )

    def _volume_named(self, row: Row, claim: Json) -> str:
        """Where the backup has data of it Velero gives it a volume of its own."""
        volume = requested_volume(claim)
        return "" if self.methods.get(volume) or self._provisioned(row) else volume

    def _of_snapshots(self, kind: str) -> str:
        """Where Velero took CSI snapshots it makes their objects anew, for the claims that come back."""
        took = kind in _SNAPSHOTS and "CSISnapshot" in self.methods.values()
        return "Velero recreates it with the restored PVC" if took else ""

    def _row(self, stored: StoredObject) -> Row:
        namespace = self.scope.target_namespace(stored.namespace) if stored.namespace else ""
        return Row(
            stored.kind,
            namespace,
            stored.name,
            Fate.NEW,
            controlled=is_controlled(stored.object),
            across=not stored.namespace,
        )

    def _volume(self, row: Row, stored: StoredObject) -> FoundObject | None:
        """Volumes whose fate is not told by comparison: provisioned anew, renamed, or waited for."""
        method = self.methods.get(stored.name, "")
        spec = section(stored.object, "spec")
        if method in _PROVISIONED or (not method and text(spec, "persistentVolumeReclaimPolicy") == "Delete"):
            return FoundObject(replace(row, fate=Fate.LEFT, why="a new volume is provisioned instead"), ("", "", ""))
        live = self.shelf.find(("persistentvolumes", "", stored.name))
        if method != "NativeSnapshot" or live is None:
            return None
        if text(section(spec, "claimRef"), "namespace") in (self.scope.spec.get("namespaceMapping") or {}):
            return FoundObject(replace(row, why="under a new name, because this one exists"), ("", "", ""))
        if reason := self._leaving(live):
            return FoundObject(row, ("", "", ""), waits=f"PersistentVolume {stored.name} ({reason})")
        return None

    def _leaving(self, volume: Live) -> str:
        """Why Velero waits for a volume that is there to go."""
        if volume.going:
            return "it's being deleted or was released"
        if volume.claim is None:
            return ""
        space = self.shelf.find((NAMESPACES, "", volume.claim[0]))
        claim = self.shelf.find(("persistentvolumeclaims", *volume.claim))
        if claim is None and "persistentvolumeclaims" not in self.unread:
            return f"its PVC {'/'.join(volume.claim)} no longer exists"
        going = (claim is not None and claim.going) or (space is not None and space.going)
        return f"its PVC {'/'.join(volume.claim)} is being deleted" if going else ""

    def _met(self, row: Row, stored: StoredObject, wanted: Json) -> Row:
        """Beside what is there."""
        if self.served.of(stored.api_version, stored.kind) is None:
            unknown = stored.api_version in self.served.unknown
            return replace(row, fate=Fate.UNREAD if unknown else Fate.NOT_SERVED)
        if self._space_going(row.namespace):
            return row
        live = self.shelf.find((stored.resource, row.namespace, stored.name))
        if live is None:
            return replace(row, fate=Fate.UNREAD) if stored.resource in self.unread else row
        return self._compared(row, normal_form(wanted), live)

    def _space_going(self, namespace: str) -> bool:
        space = self.shelf.find((NAMESPACES, "", namespace)) if namespace else None
        return space is not None and space.going

    def _compared(self, row: Row, wanted: Json, live: Live) -> Row:
        if live.going:
            return replace(row, fate=Fate.GOING)
        if digest(packed_form(wanted)) == live.digest:
            return replace(row, fate=Fate.UNCHANGED)
        there = live.normal
        differs = differing_fields(wanted, explicit_fields(there, wanted) if row.kind == "Service" else there)
        if not differs:
            return replace(row, fate=Fate.UNCHANGED)
        if row.kind == "ServiceAccount":
            gains = merged(wanted, there)
            return replace(row, fate=Fate.CHANGED if gains else Fate.KEPT, fields=gains or differs, merged=True)
        row = replace(row, fields=differs)
        if self.scope.spec.get("existingResourcePolicy") != "update":
            return replace(row, fate=Fate.KEPT)
        why = fixed(row.kind, there, differs, bound=live.bound and self._asks_for_another(row))
        return replace(row, fate=Fate.FIXED if why else Fate.CHANGED, why=why)

    def _faults(self, row: Row, modified: Modified) -> Iterator[str]:
        """Seen on a real cluster: Velero waits for claims that it has volumes provisioned for, if they can be bound."""
        yield from modified.faults
        if row.kind == "PersistentVolumeClaim" and row.fate is Fate.NEW and self._provisioned(row):
            name = section(modified.item, "spec").get("storageClassName")
            if name == "" or self._lacking(modified.item):
                yield "stays Pending: nothing provisions a volume for it"

    def _asks_for_another(self, row: Row) -> bool:
        """A bound claim is patched to be unbound where its volume would be provisioned anew."""
        return row.kind != "PersistentVolumeClaim" or self._provisioned(row)

    def _provisioned(self, claim: Row) -> bool:
        saved = (one for one in self.volumes if one.pvc and one.method in _PROVISIONED)
        return any(f"{self.scope.target_namespace(one.namespace)}/{one.pvc}" == claim.location for one in saved)

    def _lacking(self, claim: Json) -> str:
        name = section(claim, "spec").get("storageClassName")
        return name if self.classes is not None and isinstance(name, str) and name not in {"", *self.classes} else ""

    @property
    def needs_node_ports(self) -> bool:
        return any(found.ports for found in self.taken)

    def preview(self, ports: Mapping[int, str] | None = None, agent: NodeAgent = NodeAgent.UNKNOWN) -> Preview:
        """`ports`: node ports in use, and by which service; None where nobody may look."""
        found = [self._served_by_then(one) for one in (*self.taken, *self._following())]
        rows = (*(_beside(one, ports) for one in found), *self._namespaces(found))
        volumes = judge_claims(rows, self.volumes, self.scope, agent)
        unsure = (one for one in found if one.ports and ports is None)
        bound = self._bindings(found)
        return Preview(
            rows,
            volumes.claims,
            (*(hook for one in found for hook in one.hooks), *_spec_hooks(self.scope)),
            tuple(f"{one.row.location} ({one.lacks})" for one in found if one.lacks),
            waits=tuple(one.waits for one in found if one.waits),
            faults=(*(fault for one in found for fault in one.faults), *volumes.faults),
            unsure=(
                *(f"whether the node ports of Service {one.row.location} are free" for one in unsure),
                *bound[BindingOutcome.UNSURE],
            ),
            terminating=tuple(name for name in self._targets(found) if self._space_going(name)),
            pending=bound[BindingOutcome.PENDING],
            originals=bound[BindingOutcome.ORIGINAL],
            addresses=tuple(f"{one.row.location} ({', '.join(one.addresses)})" for one in found if one.addresses),
            idle_hooks=tuple(_idle_hooks(self.scope, {one.row.namespace for one in found})),
            patches=tuple(self.patching.changes),
            unpatched=self.patching.refusals(self.modifiers),
            idle=self.patching.rules_without_match(self.modifiers),
        )

    def _bindings(self, found: Iterable[FoundObject]) -> Mapping[BindingOutcome, tuple[str, ...]]:
        found = tuple(found)
        volumes = {one.row.name: one.row for one in found if one.row.kind == "PersistentVolume"}
        told: dict[BindingOutcome, tuple[str, ...]] = dict.fromkeys(BindingOutcome, ())
        for one in found:
            if not one.volume:
                continue
            place = ("persistentvolumes", "", one.volume)
            known = place in self.shelf.wanted and "persistentvolumes" not in self.unread
            mapped = one.origin[1] != one.row.namespace
            asked = BindingRequest(one.row, one.volume, volumes.get(one.volume), self.shelf.find(place), known, mapped)
            which, why = predict_binding(asked)
            told[which] += (why if which is BindingOutcome.UNSURE else f"{one.row.location} ({why})",)
        return told

    def _following(self) -> Iterator[FoundObject]:
        """What comes along with what is taken, and with what comes along."""
        todo = [link for found in self.taken for link in found.links]
        done: set[ObjectKey] = set()
        while todo:
            place = todo.pop()
            if place not in done and (found := self.followers.get(place)) is not None:
                todo += found.links
                yield found
            done.add(place)

    def _served_by_then(self, found: FoundObject) -> FoundObject:
        """A kind that the backup itself defines."""
        if found.row.fate is Fate.NOT_SERVED and found.origin[0] in self.defined:
            return replace(found, row=replace(found.row, fate=Fate.NEW))
        return found

    def _namespaces(self, found: Iterable[FoundObject]) -> Iterator[Row]:
        """Those that are made because anything goes into them; one that is there is left as it is."""
        for name in self._targets(found):
            there = self.shelf.find((NAMESPACES, "", name))
            if there is None or there.going:
                fate = Fate.UNREAD if NAMESPACES in self.unread else Fate.NEW
                yield Row("Namespace", "", name, fate, across=True)

    def _targets(self, found: Iterable[FoundObject]) -> list[str]:
        return sorted(self.spaces | {one.row.namespace for one in found if one.row.namespace})


def _linked(stored: StoredObject) -> Iterator[ObjectKey]:
    for resource, name in following_objects(stored.object):
        yield resource, stored.namespace if resource == "persistentvolumeclaims" else "", name


def _beside(found: FoundObject, ports: Mapping[int, str] | None) -> Row:
    """A service that asks for a node port of another one is refused."""
    taken = [(port, ports[port]) for port in found.ports if port in ports] if ports is not None else []
    if not taken or found.row.fate is not Fate.NEW:
        return found.row
    why = ", ".join(f"node port {port} is used by {owner}" for port, owner in taken)
    return replace(found.row, fate=Fate.REFUSED, why=why)


def _hooks(stored: StoredObject, place: str) -> Iterator[str]:
    notes = section(stored.object, "metadata", "annotations")
    for key in _HOOKS:
        if key in notes:
            yield f"{place}: {str(notes[key])[:120]}"


def _idle_hooks(scope: Scope, targets: Collection[str]) -> Iterator[str]:
    """Hooks go by the namespace that a pod comes into; of one that names another none runs, and nothing is said."""
    for each in items(section(dict(scope.spec), "hooks"), "resources"):
        names = strings(each, "includedNamespaces")
        if names and not any(any_matches(names, target) for target in targets if target):
            yield f"{text(each, 'name')} (it names {', '.join(names)})"


def _spec_hooks(scope: Scope) -> Iterator[str]:
    for each in items(section(dict(scope.spec), "hooks"), "resources"):
        ways = [way for post in items(each, "postHooks") for way in ("init", "exec") if post.get(way)]
        yield f"{text(each, 'name')} ({', '.join(ways)})" if ways else text(each, "name")
