"""An index of the live objects that the backup may touch, each in a compressed normal form to keep memory small."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from hashlib import blake2b

from domain.json_types import Json
from operations.restore_preview.compare import normal_form
from velero.fields import section, text
from velero.kinds import Kind

ObjectKey = tuple[str, str, str]
"""Resource (`deployments.apps`), namespace, name."""


@dataclass(frozen=True, slots=True)
class Live:
    """`terminating`: it is being deleted, or is a released volume. `bound` to a node or a volume.

    `claim`: the PVC of a volume, as `(namespace, name)`.
    """

    digest: bytes
    packed: bytes
    terminating: bool = False
    bound: bool = False
    claim: tuple[str, str] | None = None

    @property
    def normal(self) -> Json:
        found: Json = json.loads(zlib.decompress(self.packed))
        return found


@dataclass(slots=True)
class LiveIndex:
    """Keeps only the objects in `wanted`."""

    wanted: set[ObjectKey]
    objects: dict[ObjectKey, Live] = field(default_factory=dict)

    def add(self, kind: Kind, item: Json) -> None:
        meta = section(item, "metadata")
        key = (kind.resource, text(meta, "namespace"), text(meta, "name"))
        if key in self.wanted:
            self.objects[key] = _live(item)

    def find(self, key: ObjectKey) -> Live | None:
        return self.objects.get(key)

    def unrequested_claims(self) -> frozenset[ObjectKey]:
        """The PVCs of the indexed volumes that aren't in `wanted` yet."""
        keys = (("persistentvolumeclaims", *live.claim) for live in self.objects.values() if live.claim is not None)
        return frozenset(key for key in keys if key not in self.wanted)

    def forget_requested_objects(self) -> None:
        """Keep only the requested volumes, the ones that are asked about later: the index is sent to another process."""
        self.wanted = {key for key in self.wanted if key[0] == "persistentvolumes"}


def _live(item: Json) -> Live:
    spec, phase = section(item, "spec"), text(section(item, "status"), "phase")
    packed = packed_form(normal_form(item))
    claim = section(spec, "claimRef")
    return Live(
        digest=digest(packed),
        packed=zlib.compress(packed, 1),
        terminating=bool(section(item, "metadata").get("deletionTimestamp")) or phase in {"Terminating", "Released"},
        bound=bool(spec.get("nodeName") or spec.get("volumeName")),
        claim=(text(claim, "namespace"), text(claim, "name")) if claim else None,
    )


def packed_form(item: Json) -> bytes:
    return json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(packed: bytes) -> bytes:
    return blake2b(packed, digest_size=16).digest()
