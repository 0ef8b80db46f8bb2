"""Reads a backup's archive once, object by object, and predicts what a restore does with each. Pure.

A backup can be larger than the memory, so of each object only a row stays. What depends on other objects (PVCs of restored
pods, kinds that the backup itself defines, volumes, namespaces) is decided in `preview`, when everything has been seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from domain.json_types import Json
from operations.restore_preview.compare import (
    differing_fields,
    explicit_fields,
    immutable_reason,
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
from operations.restore_preview.volume_claims import NodeAgent, predict_volumes
from policy.globs import any_matches
from velero.artifacts.contents import StoredObject
from velero.artifacts.volumes import Volume
from velero.fields import items, section, strings, text
from velero.live import ServedKinds

_HOOK_ANNOTATIONS = ("init.hook.restore.velero.io/command", "post.hook.restore.velero.io/command")
_PROVISIONED = frozenset({"PodVolumeBackup", "CSISnapshot"})
_SNAPSHOTS = frozenset({"VolumeSnapshot", "VolumeSnapshotContent"})
NAMESPACES = "namespaces"


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object of the backup. `origin` is its key there; `links` are the keys of objects that are restored with it."""

    row: Row
    origin: ObjectKey
    links: tuple[ObjectKey, ...] = ()
    ports: tuple[int, ...] = ()
    hooks: tuple[str, ...] = ()
    missing_class: str = ""
    """The storage class that doesn't exist."""
    blocker: str = ""
    errors: tuple[str, ...] = ()
    volume: str = ""
    """For a new PVC without data in the backup: the volume that it names."""
    addresses: tuple[str, ...] = ()


@dataclass(slots=True)
class Walk:
    """The visitor of the archive; `preview` returns the result."""

    scope: Scope
    served: ServedKinds
    live_index: LiveIndex
    unread: frozenset[str]
    modifiers: Modifiers = field(default_factory=Modifiers)
    volumes: tuple[Volume, ...] = ()
    classes: frozenset[str] | None = None
    taken: list[FoundObject] = field(default_factory=list)
    followers: dict[ObjectKey, FoundObject] = field(default_factory=dict)
    namespaces: set[str] = field(default_factory=set)
    """Target namespaces that are selected themselves, not only because of their contents."""
    defined: set[str] = field(default_factory=set)
    trial: ModifierTrial = field(default_factory=ModifierTrial)
    methods: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.methods = {one.volume: one.method for one in self.volumes if one.volume}

    def visit(self, stored: StoredObject) -> None:
        taken = self.scope.includes(stored.resource, stored.namespace, stored.object)
        if stored.resource == NAMESPACES:
            self.namespaces |= {self.scope.target_namespace(stored.name)} if taken else set()
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
            self.trial.record(stored.resource, f"{row.kind} {row.location}", wanted, modified)
        if why := exclusion_reason(stored.object) or self._snapshot_reason(stored.kind):
            return FoundObject(replace(row, fate=Fate.EXCLUDED, why=why), origin, links)
        row = replace(row, modified=bool(modified.applied))
        if stored.resource == "persistentvolumes" and (found := self._volume(row, stored)) is not None:
            return replace(found, origin=origin)
        row = self._match(row, stored, modified.item)
        new = row.fate is Fate.NEW
        return FoundObject(
            row,
            origin,
            links,
            ports=node_ports(modified.item) if new and stored.kind == "Service" else (),
            hooks=tuple(_hooks(stored, row.location)) if new and stored.kind == "Pod" else (),
            missing_class=self._missing_class(modified.item) if new and stored.kind == "PersistentVolumeClaim" else "",
            errors=tuple(f"{row.kind} {row.location}: {error}" for error in self._errors(row, modified)),
            volume=self._volume_named(row, modified.item) if new and stored.kind == "PersistentVolumeClaim" else "",
            addresses=new_addresses(stored.object, modified.item) if new and stored.kind == "Service" else (),
        )

    def _volume_named(self, row: Row, claim: Json) -> str:
        """Empty if the backup has data for the PVC: then Velero provisions a new volume."""
        volume = requested_volume(claim)
        return "" if self.methods.get(volume) or self._provisioned(row) else volume

    def _snapshot_reason(self, kind: str) -> str:
        """Velero recreates the objects of its own CSI snapshots with the restored PVCs."""
        is_own = kind in _SNAPSHOTS and "CSISnapshot" in self.methods.values()
        return "Velero recreates it with the restored PVC" if is_own else ""

    def _row(self, stored: StoredObject) -> Row:
        namespace = self.scope.target_namespace(stored.namespace) if stored.namespace else ""
        return Row(
            stored.kind,
            namespace,
            stored.name,
            Fate.NEW,
            controlled=is_controlled(stored.object),
            cluster_scoped=not stored.namespace,
        )

    def _volume(self, row: Row, stored: StoredObject) -> FoundObject | None:
        """Volumes that Velero provisions again, renames or waits for; None if the comparison decides."""
        method = self.methods.get(stored.name, "")
        spec = section(stored.object, "spec")
        if method in _PROVISIONED or (not method and text(spec, "persistentVolumeReclaimPolicy") == "Delete"):
            return FoundObject(
                replace(row, fate=Fate.EXCLUDED, why="a new volume is provisioned instead"), ("", "", "")
            )
        live = self.live_index.find(("persistentvolumes", "", stored.name))
        if method != "NativeSnapshot" or live is None:
            return None
        if text(section(spec, "claimRef"), "namespace") in (self.scope.spec.get("namespaceMapping") or {}):
            return FoundObject(replace(row, why="under a new name, because this one exists"), ("", "", ""))
        if reason := self._deletion_reason(live):
            return FoundObject(row, ("", "", ""), blocker=f"PersistentVolume {stored.name} ({reason})")
        return None

    def _deletion_reason(self, volume: Live) -> str:
        """Why Velero waits for the deletion of an existing volume; empty if it doesn't."""
        if volume.terminating:
            return "it's being deleted or was released"
        if volume.claim is None:
            return ""
        space = self.live_index.find((NAMESPACES, "", volume.claim[0]))
        claim = self.live_index.find(("persistentvolumeclaims", *volume.claim))
        if claim is None and "persistentvolumeclaims" not in self.unread:
            return f"its PVC {'/'.join(volume.claim)} no longer exists"
        terminating = (claim is not None and claim.terminating) or (space is not None and space.terminating)
        return f"its PVC {'/'.join(volume.claim)} is being deleted" if terminating else ""

    def _match(self, row: Row, stored: StoredObject, wanted: Json) -> Row:
        """The row after the comparison with the live object, if there is one."""
        if self.served.of(stored.api_version, stored.kind) is None:
            if stored.api_version in self.served.unknown:
                return replace(row, fate=Fate.UNREAD, why="the cluster's API group doesn't respond")
            return replace(row, fate=Fate.NOT_SERVED)
        if self._is_terminating(row.namespace):
            return row
        live = self.live_index.find((stored.resource, row.namespace, stored.name))
        if live is None:
            return replace(row, fate=Fate.UNREAD) if stored.resource in self.unread else row
        return self._compared(row, normal_form(wanted), live)

    def _is_terminating(self, namespace: str) -> bool:
        space = self.live_index.find((NAMESPACES, "", namespace)) if namespace else None
        return space is not None and space.terminating

    def _compared(self, row: Row, wanted: Json, live: Live) -> Row:
        if live.terminating:
            return replace(row, fate=Fate.TERMINATING)
        if digest(packed_form(wanted)) == live.digest:
            return replace(row, fate=Fate.UNCHANGED)
        current = live.normal
        differs = differing_fields(wanted, explicit_fields(current, wanted) if row.kind == "Service" else current)
        if not differs:
            return replace(row, fate=Fate.UNCHANGED)
        if row.kind == "ServiceAccount":
            gains = merged(wanted, current)
            return replace(row, fate=Fate.CHANGED if gains else Fate.KEPT, fields=gains or differs, merged=True)
        row = replace(row, fields=differs)
        if self.scope.spec.get("existingResourcePolicy") != "update":
            return replace(row, fate=Fate.KEPT)
        why = immutable_reason(row.kind, current, differs, bound=live.bound and self._changes_binding(row))
        return replace(row, fate=Fate.IMMUTABLE if why else Fate.CHANGED, why=why)

    def _errors(self, row: Row, modified: Modified) -> Iterator[str]:
        """Observed on a real cluster: Velero waits for PVCs with data until a volume is provisioned, then reports an error."""
        yield from modified.errors
        if row.kind == "PersistentVolumeClaim" and row.fate is Fate.NEW and self._provisioned(row):
            name = section(modified.item, "spec").get("storageClassName")
            if name == "" or self._missing_class(modified.item):
                yield "stays Pending because nothing provisions a volume for it"

    def _changes_binding(self, row: Row) -> bool:
        """Whether the patch changes the node or volume: for a PVC only if Velero provisions a new volume."""
        return row.kind != "PersistentVolumeClaim" or self._provisioned(row)

    def _provisioned(self, claim: Row) -> bool:
        saved = (one for one in self.volumes if one.pvc and one.method in _PROVISIONED)
        return any(f"{self.scope.target_namespace(one.namespace)}/{one.pvc}" == claim.location for one in saved)

    def _missing_class(self, claim: Json) -> str:
        name = section(claim, "spec").get("storageClassName")
        return name if self.classes is not None and isinstance(name, str) and name not in {"", *self.classes} else ""

    @property
    def needs_node_ports(self) -> bool:
        return any(found.ports for found in self.taken)

    def preview(self, ports: Mapping[int, str] | None = None, agent: NodeAgent = NodeAgent.UNKNOWN) -> Preview:
        """`ports`: the node ports in use, each with its Service; None if they can't be read."""
        found = [self._with_defined_kind(one) for one in (*self.taken, *self._following())]
        rows = (*(_with_port_conflict(one, ports) for one in found), *self._namespaces(found))
        volumes = predict_volumes(rows, self.volumes, self.scope, agent)
        unchecked = (one for one in found if one.ports and ports is None)
        bound = self._bindings(found)
        return Preview(
            rows,
            volumes.volumes,
            (*(hook for one in found for hook in one.hooks), *_spec_hooks(self.scope)),
            tuple(f"{one.row.location} ({one.missing_class})" for one in found if one.missing_class),
            blockers=tuple(one.blocker for one in found if one.blocker),
            other_errors=(*(error for one in found for error in one.errors), *volumes.errors),
            unpredictable=(
                *(f"whether the node ports of Service {one.row.location} are free" for one in unchecked),
                *bound[BindingOutcome.UNSURE],
            ),
            terminating=tuple(name for name in self._targets(found) if self._is_terminating(name)),
            pending=bound[BindingOutcome.PENDING],
            original_volumes=bound[BindingOutcome.ORIGINAL],
            new_addresses=tuple(f"{one.row.location} ({', '.join(one.addresses)})" for one in found if one.addresses),
            skipped_hooks=tuple(_idle_hooks(self.scope, {one.row.namespace for one in found})),
            patches=tuple(self.trial.changes),
            modifier_errors=self.trial.refusals(self.modifiers),
            rules_without_effect=self.trial.rules_without_match(self.modifiers),
        )

    def _bindings(self, found: Iterable[FoundObject]) -> Mapping[BindingOutcome, tuple[str, ...]]:
        found = tuple(found)
        volumes = {one.row.name: one.row for one in found if one.row.kind == "PersistentVolume"}
        outcomes: dict[BindingOutcome, tuple[str, ...]] = dict.fromkeys(BindingOutcome, ())
        for one in found:
            if not one.volume:
                continue
            key = ("persistentvolumes", "", one.volume)
            known = key in self.live_index.wanted and "persistentvolumes" not in self.unread
            mapped = one.origin[1] != one.row.namespace
            request = BindingRequest(
                one.row, one.volume, volumes.get(one.volume), self.live_index.find(key), known, mapped
            )
            outcome, why = predict_binding(request)
            outcomes[outcome] += (why if outcome is BindingOutcome.UNSURE else f"{one.row.location} ({why})",)
        return outcomes

    def _following(self) -> Iterator[FoundObject]:
        """The objects that are restored along with the selected ones, directly or through another one."""
        todo = [link for found in self.taken for link in found.links]
        done: set[ObjectKey] = set()
        while todo:
            key = todo.pop()
            if key not in done and (found := self.followers.get(key)) is not None:
                todo += found.links
                yield found
            done.add(key)

    def _with_defined_kind(self, found: FoundObject) -> FoundObject:
        """The object as new if the backup itself contains the CustomResourceDefinition of its kind."""
        if found.row.fate is Fate.NOT_SERVED and found.origin[0] in self.defined:
            return replace(found, row=replace(found.row, fate=Fate.NEW))
        return found

    def _namespaces(self, found: Iterable[FoundObject]) -> Iterator[Row]:
        """Target namespaces that Velero creates. It leaves existing ones unchanged."""
        for name in self._targets(found):
            live = self.live_index.find((NAMESPACES, "", name))
            if live is None or live.terminating:
                fate = Fate.UNREAD if NAMESPACES in self.unread else Fate.NEW
                yield Row("Namespace", "", name, fate, cluster_scoped=True)

    def _targets(self, found: Iterable[FoundObject]) -> list[str]:
        return sorted(self.namespaces | {one.row.namespace for one in found if one.row.namespace})


def _linked(stored: StoredObject) -> Iterator[ObjectKey]:
    for resource, name in following_objects(stored.object):
        yield resource, stored.namespace if resource == "persistentvolumeclaims" else "", name


def _with_port_conflict(found: FoundObject, ports: Mapping[int, str] | None) -> Row:
    """The row, refused if its Service requests a node port that another one uses."""
    taken = [(port, ports[port]) for port in found.ports if port in ports] if ports is not None else []
    if not taken or found.row.fate is not Fate.NEW:
        return found.row
    why = ", ".join(f"node port {port} is used by {owner}" for port, owner in taken)
    return replace(found.row, fate=Fate.REFUSED, why=why)


def _hooks(stored: StoredObject, location: str) -> Iterator[str]:
    annotations = section(stored.object, "metadata", "annotations")
    for key in _HOOK_ANNOTATIONS:
        if key in annotations:
            yield f"{location}: {str(annotations[key])[:120]}"


def _idle_hooks(scope: Scope, targets: Collection[str]) -> Iterator[str]:
    """Hooks that name no target namespace. Velero matches hooks with the target namespace and skips others silently."""
    for each in items(section(dict(scope.spec), "hooks"), "resources"):
        names = strings(each, "includedNamespaces")
        if names and not any(any_matches(names, target) for target in targets if target):
            yield f"{text(each, 'name')} (names {', '.join(names)})"


def _spec_hooks(scope: Scope) -> Iterator[str]:
    for each in items(section(dict(scope.spec), "hooks"), "resources"):
        ways = [way for post in items(each, "postHooks") for way in ("init", "exec") if post.get(way)]
        yield f"{text(each, 'name')} ({', '.join(ways)})" if ways else text(each, "name")
