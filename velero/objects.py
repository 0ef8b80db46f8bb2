"""The metadata that every Kubernetes object has, and the base class of parsed objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.json_types import Json
from velero.fields import items, number, section, string_map, strings, text, timestamp


@dataclass(frozen=True, slots=True)
class Owner:
    kind: str
    name: str
    uid: str
    controller: bool


@dataclass(frozen=True, slots=True)
class Meta:
    """`resource_version` is opaque: compare it for equality only, never by order."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    created: datetime | None = None
    deleting: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    owners: tuple[Owner, ...] = ()


def meta_of(source: Json) -> Meta:
    meta = section(source, "metadata")
    return Meta(
        name=text(meta, "name"),
        namespace=text(meta, "namespace"),
        uid=text(meta, "uid"),
        resource_version=text(meta, "resourceVersion"),
        generation=number(meta, "generation"),
        created=timestamp(meta, "creationTimestamp"),
        deleting=timestamp(meta, "deletionTimestamp"),
        labels=string_map(meta, "labels"),
        annotations=string_map(meta, "annotations"),
        finalizers=strings(meta, "finalizers"),
        owners=tuple(_owner(owner) for owner in items(meta, "ownerReferences")),
    )


def _owner(source: Json) -> Owner:
    return Owner(text(source, "kind"), text(source, "name"), text(source, "uid"), source.get("controller") is True)


@dataclass(frozen=True, slots=True)
class Object:
    """`raw` is the object as received, without managedFields: for manifests, reach and digests."""

    meta: Meta
    raw: Json = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.meta.name

    @property
    def uid(self) -> str:
        return self.meta.uid

    @property
    def labels(self) -> Mapping[str, str]:
        return self.meta.labels

    @property
    def spec(self) -> Json:
        return section(self.raw, "spec")

    @property
    def status(self) -> Json:
        return section(self.raw, "status")


def without_managed_fields(source: Json) -> Json:
    """Drop managedFields, the server's bookkeeping: half of an object's size, and unused here."""
    meta = source.get("metadata")
    if not isinstance(meta, dict) or "managedFields" not in meta:
        return source
    return {**source, "metadata": {key: value for key, value in meta.items() if key != "managedFields"}}
