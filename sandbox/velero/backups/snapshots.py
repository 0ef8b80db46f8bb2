"""The snapshot objects that a CSI snapshot adds to an archive, and those that a restore creates from them."""

import hashlib
from collections.abc import Iterator

from domain.json_types import Json
from sandbox.kubernetes.schemas.kinds import Kind, custom
from sandbox.velero.backups.volumes import Volume
from sandbox.velero.selection import Item

GROUP = "snapshot.storage.k8s.io"
SNAPSHOT = custom(GROUP, "v1", "volumesnapshots", "VolumeSnapshot")
CONTENT = custom(GROUP, "v1", "volumesnapshotcontents", "VolumeSnapshotContent", namespaced=False)
CLASS = custom(GROUP, "v1", "volumesnapshotclasses", "VolumeSnapshotClass", namespaced=False)


def taken(volume: Volume, handle: str) -> Iterator[Item]:
    driver = (volume.persistent or {}).get("spec", {}).get("csi", {}).get("driver", "")
    snapshot = f"velero-{volume.claim}-{handle[-5:]}"
    bodies: list[tuple[Kind, Json, Json]] = [
        (SNAPSHOT, {"name": snapshot, "namespace": volume.namespace}, {"volumeSnapshotClassName": f"{driver}-class"}),
        (CONTENT, {"name": f"snapcontent-{handle}"}, {"driver": driver, "deletionPolicy": "Retain"}),
        (CLASS, {"name": f"{driver}-class"}, {}),
    ]
    for kind, metadata, spec in bodies:
        yield Item(kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec})


def restored_name(restore_uid: str, namespace: str, claim: str) -> str:
    """Return the name of the restored snapshot and content: a hash, because the original may still exist."""
    return hashlib.sha256(f"{restore_uid}/{namespace}/{claim}".encode()).hexdigest()


def restored(info: Json, name: str) -> Json:
    """Return the snapshot's entry in the restore's info file; the snapshot isn't read again."""
    if native := info.get("nativeSnapshotInfo"):
        return {"nativeSnapshotInfo": {**native, "Phase": ""}}
    saved = info.get("csiSnapshotInfo") or {}
    kept = {key: saved[key] for key in ("snapshotHandle", "size", "driver") if key in saved}
    return {"csiSnapshotInfo": kept | {"vscName": name, "ReadyToUse": None}}
