"""What a cluster can do: its versions, the kinds that are installed, and which fields a version of Velero knows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from domain.errors import Forbidden, ObjectNotFound, VeleroMissing
from domain.json_types import Json
from velero.fields import items, section, text
from velero.kinds import KINDS, NAMESPACE

if TYPE_CHECKING:
    from velero.api import Api

FIELD_VERSIONS: dict[str, tuple[int, int]] = {
    "spec.paused": (1, 10),
    "spec.resourcePolicy": (1, 11),
    "spec.resourceModifier": (1, 12),
    "spec.snapshotMoveData": (1, 12),
    "status.lastSkipped": (1, 13),
    "spec.skipImmediately": (1, 13),
    "spec.uploaderConfig": (1, 13),
    "BackupVolumeInfos": (1, 13),
    "RestoreVolumeInfo": (1, 14),
    "spec.volumeGroupSnapshotLabelKey": (1, 17),
    "status.queuePosition": (1, 18),
    "namespace globs": (1, 18),
}


@dataclass(frozen=True, slots=True)
class Features:
    """`uid` identifies the cluster for ever: that of its kube-system namespace. `velero` may be unknown."""

    uid: str = ""
    kubernetes: str = ""
    velero: str = ""
    kinds: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_installed(self) -> bool:
        return "Backup" in self.kinds

    def knows_field(self, what: str) -> bool | None:
        """Whether its Velero knows this field; None where the version is unknown (then a strict write tells)."""
        version = parse_version(self.velero)
        return None if version is None else version >= FIELD_VERSIONS[what]


def parse_version(version: str) -> tuple[int, int] | None:
    """`v1.18.2` → (1, 18). A development build (`main`, a digest) is unknown."""
    found = re.match(r"v?(\d{1,4})\.(\d{1,4})", version)
    return (int(found[1]), int(found[2])) if found else None


async def read_features(api: Api, namespace: str, *, velero: str = "") -> Features:
    """Raises what the version request raises: a cluster that answers that one is there."""
    version = await api.request("GET", "/version")
    return Features(
        uid=await _identity(api, namespace),
        kubernetes=text(version, "gitVersion"),
        velero=velero,
        kinds=frozenset([*await _kinds(api, "v1"), *await _kinds(api, "v2alpha1")]),
    )


async def _identity(api: Api, namespace: str) -> str:
    """Without the right to read kube-system, Velero's own namespace is the next thing that lasts."""
    for name in ("kube-system", namespace):
        try:
            found = await api.request("GET", NAMESPACE.object_path("", name))
        except (Forbidden, ObjectNotFound):
            continue
        return text(section(found, "metadata"), "uid")
    return ""


async def _kinds(api: Api, version: str) -> list[str]:
    try:
        answer: Json = await api.request("GET", f"/apis/velero.io/{version}")
    except VeleroMissing:
        return []
    except Forbidden:  # cannot tell, so nothing is said to be missing
        return [kind.name for kind in KINDS.values() if kind.group == "velero.io" and kind.version == version]
    return [text(item, "kind") for item in items(answer, "resources")]
