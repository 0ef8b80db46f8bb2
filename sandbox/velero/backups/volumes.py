"""Decides how each volume is backed up, or why not, and writes the volume info file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from domain.json_types import Json
from sandbox.velero.backups.volume_policies import action_for
from sandbox.velero.selection import Item

Method = Literal["NativeSnapshot", "CSISnapshot", "PodVolumeBackup"]

NO_SNAPSHOTTER = "volumeSnapshot: no applicable volumesnapshotter found;"
NOT_ASKED = "volumeSnapshot: not satisfy the criteria for VolumePolicy or the legacy snapshot way;"
NOT_CSI = "csiSnapshot: skipped b/c it's not a CSI volume;"
BY_POLICY = "any: skipped due to resource policy ;"
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume of the selected objects, and the decision about it."""

    method: Method | None
    reason: str = ""
    moves_data: bool = False
    claim: str = ""
    namespace: str = ""
    persistent: Json | None = None
    pod: Json | None = None
    volume: str = ""
    warned: bool = False

    @property
    def persistent_name(self) -> str:
        return str(self.persistent["metadata"]["name"]) if self.persistent else ""

    @property
    def size(self) -> int:
        text = str(((self.persistent or {}).get("spec", {}).get("capacity") or {}).get("storage", "1Gi"))
        units = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": GIB, "Ti": 1 << 40}
        unit = next((u for u in units if text.endswith(u)), "")
        number = text.removesuffix(unit)
        return int(float(number) * units.get(unit, 1)) if number.replace(".", "").isdigit() else GIB

    @property
    def native(self) -> Json | None:
        spec: Json = (self.persistent or {}).get("spec", {})
        return spec.get("awsElasticBlockStore") or spec.get("gcePersistentDisk") or spec.get("azureDisk")


@dataclass(frozen=True, slots=True)
class Choice:
    """The spec's and the server's settings for all volumes."""

    spec: Json
    policy: Json | None
    snapshotters: bool

    def snapshots(self) -> bool:
        return self.spec.get("snapshotVolumes") is not False


def plan(items: Sequence[Item], choice: Choice) -> list[Volume]:
    """Decide for pods first, because a volume's file-system backup excludes its snapshot; then for the other PVCs."""
    claims = {(i.namespace, i.name): i.body for i in items if i.kind.plural == "persistentvolumeclaims"}
    persistent = {i.name: i.body for i in items if i.kind.plural == "persistentvolumes"}
    pods = [item for item in items if item.kind.plural == "pods"]
    mounted = {key: pod for pod in pods for key in _claims_of(pod)}
    by_pod = [volume for pod in pods for volume in _of_pod(pod, choice, claims, persistent)]
    taken = {(v.namespace, v.claim) for v in by_pod if v.claim}
    rest = [
        _of_claim(key, claim, persistent, mounted.get(key), choice) for key, claim in claims.items() if key not in taken
    ]
    return sorted((v for v in (*rest, *by_pod)), key=lambda v: v.method is not None)


def _claims_of(pod: Item) -> Iterator[tuple[str, str]]:
    for volume in pod.body.get("spec", {}).get("volumes") or ():
        if claim := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            yield pod.namespace, claim


def _listed(pod: Item, annotation: str) -> list[str]:
    text = (pod.body["metadata"].get("annotations") or {}).get(f"backup.velero.io/{annotation}", "")
    return [word.strip() for word in text.split(",") if word.strip()]


def _of_pod(
    pod: Item, choice: Choice, claims: Mapping[tuple[str, str], Json], persistent: Mapping[str, Json]
) -> Iterator[Volume]:
    opted_in, opted_out = _listed(pod, "backup-volumes"), _listed(pod, "backup-volumes-excludes")
    for volume in pod.body.get("spec", {}).get("volumes") or ():
        name = str(volume["name"])
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName", "")
        if {"configMap", "secret", "projected", "downwardAPI"} & volume.keys():
            continue
        body = persistent.get(_volume_name(claims.get((pod.namespace, claim))))
        policy = action_for(body or volume, choice.policy)
        default = bool(choice.spec.get("defaultVolumesToFsBackup")) and name not in opted_out
        if policy != "fs-backup" and (policy is not None or not (default or name in opted_in)):
            continue
        common: Json = {"claim": claim, "namespace": pod.namespace, "persistent": body, "pod": pod.body, "volume": name}
        if "hostPath" in volume or (body is not None and "hostPath" in body.get("spec", {})):
            yield Volume(None, NOT_ASKED, warned=True, **common)
        else:
            yield Volume("PodVolumeBackup", **common)


def _volume_name(claim: Json | None) -> str:
    return str((claim or {}).get("spec", {}).get("volumeName", ""))


def _of_claim(
    key: tuple[str, str], claim: Json, persistent: Mapping[str, Json], pod: Item | None, choice: Choice
) -> Volume:
    body = persistent.get(_volume_name(claim))
    common: Json = {"claim": key[1], "namespace": key[0], "persistent": body}
    opted_out = f"podvolume: opted out due to annotation in pod {pod.name};" if pod else ""
    spec = (body or {}).get("spec", {})
    if body is not None and action_for(body, choice.policy) == "skip":
        return Volume(None, BY_POLICY + opted_out + NOT_ASKED, **common)
    if not choice.snapshots():
        return Volume(None, opted_out + NOT_ASKED, **common)
    if "csi" in spec:
        return Volume("CSISnapshot", moves_data=bool(choice.spec.get("snapshotMoveData")), **common)
    candidate = Volume("NativeSnapshot", **common)
    if candidate.native and choice.snapshotters:
        return candidate
    return Volume(None, NOT_CSI + opted_out + NO_SNAPSHOTTER, warned=body is not None, **common)


def warning(volume: Volume) -> tuple[str, dict[str, str]] | None:
    """Return the log line of a volume that should have been backed up and wasn't."""
    if not volume.warned:
        return None
    if volume.pod is not None:
        name = volume.pod["metadata"]["name"]
        text = f"Volume {volume.volume} in pod {volume.namespace}/{name} is a hostPath volume"
        fields = {"resource": "pods", "name": name, "namespace": volume.namespace}
        return f"{text} which is not supported for pod volume backup, skipping", fields
    text = "No volume ID returned by volume snapshotter for persistent volume"
    return text, {"resource": "persistentvolumes", "name": volume.persistent_name, "namespace": ""}


@dataclass(frozen=True, slots=True)
class Saved:
    """The result of one volume's backup."""

    volume: Volume
    handle: str
    started: str
    completed: str
    operation: str = ""
    failed: bool = False


def info(saved: Saved) -> Json:
    """Return a volume's entry in the volume info file."""
    volume = saved.volume
    named = {"pvcName": volume.claim, "pvcNamespace": volume.namespace, "pvName": volume.persistent_name}
    entry: Json = {key: value for key, value in named.items() if value} if volume.claim else {}
    entry |= {"backupMethod": volume.method} if volume.method else {}
    entry |= {"snapshotDataMoved": volume.moves_data, "preserveLocalSnapshot": _keeps_snapshot(volume)}
    entry |= {"skipped": volume.method is None}
    if volume.method is None:
        entry["skippedReason"] = volume.reason
    else:
        if volume.method != "NativeSnapshot":
            entry |= {"startTimestamp": saved.started, "completionTimestamp": saved.completed}
        entry |= {"result": "failed" if saved.failed else "succeeded", **_method(saved)}
    if volume.persistent is not None:
        labels = volume.persistent["metadata"].get("labels") or {}
        policy = volume.persistent.get("spec", {}).get("persistentVolumeReclaimPolicy", "Delete")
        entry["pvInfo"] = {"reclaimPolicy": policy, "labels": labels}
    return entry


def _keeps_snapshot(volume: Volume) -> bool:
    return volume.method == "CSISnapshot" and not volume.moves_data


def _method(saved: Saved) -> Json:
    volume = saved.volume
    if volume.method == "PodVolumeBackup":
        return {"pvbInfo": _pod_volume(saved)}
    if volume.method == "NativeSnapshot":
        native = {"snapshotHandle": saved.handle, "volumeType": "gp3", "volumeAZ": "us-east-1a", "iops": "0"}
        return {"nativeSnapshotInfo": native | {"Phase": "Completed"}}
    driver = (volume.persistent or {}).get("spec", {}).get("csi", {}).get("driver", "")
    snapshot = {"snapshotHandle": saved.handle, "size": volume.size, "driver": driver}
    snapshot |= {"vscName": f"snapcontent-{saved.handle}", "operationID": saved.operation, "ReadyToUse": True}
    if not volume.moves_data:
        return {"csiSnapshotInfo": snapshot}
    moved: Json = {
        "dataMover": "velero",
        "uploaderType": "kopia",
        "retainedSnapshot": "",
        "snapshotHandle": saved.handle,
    }
    moved |= {"operationID": saved.operation, "size": volume.size, "incrementalSize": volume.size // 20}
    return {"csiSnapshotInfo": snapshot, "snapshotDataMovementInfo": moved | {"Phase": "Completed"}}


def _pod_volume(saved: Saved) -> Json:
    volume, pod = saved.volume, saved.volume.pod or {"metadata": {}}
    return {
        "snapshotHandle": saved.handle,
        "size": volume.size,
        "incrementalSize": volume.size // 20,
        "uploaderType": "kopia",
        "volumeName": volume.volume,
        "podName": pod["metadata"].get("name", ""),
        "podNamespace": volume.namespace,
        "nodeName": pod.get("spec", {}).get("nodeName", "node1"),
        "Phase": "Failed" if saved.failed else "Completed",
    }
