"""What is live, kept small: a packed normal form of each object that the backup may meet."""

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
    """`going`: it is being deleted, or is a volume that was released. `bound` to a node or a volume.

    `claim`: of a volume, `(namespace, name)`.
    """

    digest: bytes
    packed: bytes
    going: bool = False
    bound: bool = False
    claim: tuple[str, str] | None = None

    @property
    def normal(self) -> Json:
        found: Json = json.loads(zlib.decompress(self.packed))
        return found


@dataclass(slots=True)
class LiveIndex:
    """Live objects in their packed normal form."""

    wanted: set[ObjectKey]
    held: dict[ObjectKey, Live] = field(default_factory=dict)

    def add(self, kind: Kind, item: Json) -> None:
        meta = section(item, "metadata")
        place = (kind.resource, text(meta, "namespace"), text(meta, "name"))
        if place in self.wanted:
            self.held[place] = _live(item)

    def find(self, place: ObjectKey) -> Live | None:
        return self.held.get(place)

    def unrequested_claims(self) -> frozenset[ObjectKey]:
        """Claims of volumes that nobody asked for."""
        places = (("persistentvolumeclaims", *live.claim) for live in self.held.values() if live.claim is not None)
        return frozenset(place for place in places if place not in self.wanted)


def _live(item: Json) -> Live:
    spec, phase = section(item, "spec"), text(section(item, "status"), "phase")
    packed = packed_form(normal_form(item))
    holder = section(spec, "claimRef")
    return Live(
        digest=digest(packed),
        packed=zlib.compress(packed, 1),
        going=bool(section(item, "metadata").get("deletionTimestamp")) or phase in {"Terminating", "Released"},
        bound=bool(spec.get("nodeName") or spec.get("volumeName")),
        claim=(text(holder, "namespace"), text(holder, "name")) if holder else None,
    )


def packed_form(item: Json) -> bytes:
    return json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(packed: bytes) -> bytes:
    return blake2b(packed, digest_size=16).digest()
