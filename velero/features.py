"""The features of a cluster: its versions, the installed kinds, and the fields that its version of Velero knows."""

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
    """`uid` is that of the namespace kube-system, which stays for the life of the cluster. `velero` may be unknown."""

    uid: str = ""
    kubernetes: str = ""
    velero: str = ""
    kinds: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_installed(self) -> bool:
        return "Backup" in self.kinds

    def knows_field(self, name: str) -> bool | None:
        """Tell whether its Velero knows this field; None if the version is unknown (then only a strict write can tell)."""
        version = parse_version(self.velero)
        return None if version is None else version >= FIELD_VERSIONS[name]


def parse_version(version: str) -> tuple[int, int] | None:
    """Parse `v1.18.2` to (1, 18); None for a development build (`main`, a digest)."""
    found = re.match(r"v?(\d{1,4})\.(\d{1,4})", version)
    return (int(found[1]), int(found[2])) if found else None


async def read_features(api: Api, namespace: str, *, velero: str = "") -> Features:
    """Read the features. Raises ClusterError if the version request fails; a cluster that answers it is reachable."""
    version = await api.request("GET", "/version")
    return Features(
        uid=await _cluster_uid(api, namespace),
        kubernetes=text(version, "gitVersion"),
        velero=velero,
        kinds=frozenset([*await _kinds(api, "v1"), *await _kinds(api, "v2alpha1")]),
    )


async def _cluster_uid(api: Api, namespace: str) -> str:
    """Return the uid of kube-system, or of Velero's namespace if the bot has no permission to read that."""
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
    except Forbidden:  # unknown, so no kind is reported as missing
        return [kind.name for kind in KINDS.values() if kind.group == "velero.io" and kind.version == version]
    return [text(item, "kind") for item in items(answer, "resources")]
