"""File-system backups of pod volumes: their objects, progress and repositories."""

from typing import Any

from domain.json_types import Json
from sandbox.velero.backups.volumes import Saved, Volume
from sandbox.velero.names import valid_label
from sandbox.velero.progress import Progress
from sandbox.velero.server import Server
from sandbox.velero.settings import Script

STEPS = 4


class PodVolumes:
    """The node agents' part: file-system backups of pod volumes."""

    def __init__(self, server: Server, backup: Json) -> None:
        self._server = server
        self._backup = backup

    async def save(self, wanted: list[Volume], progress: Progress, script: Script) -> list[Saved]:
        """Back up all volumes concurrently; the backup waits for the last one."""
        if not wanted:
            return []
        created = [self._create(volume) for volume in wanted]
        started = self._server.stamp()
        for body in created:
            self._status(body, phase="Accepted", acceptedTimestamp=started)
        seconds = self._server.settings.pod_volume_seconds if script.seconds is None else 0.0
        for body, volume in zip(created, wanted, strict=True):
            self._status(body, phase="InProgress", startTimestamp=started, progress={"totalBytes": volume.size})
        for step in range(1, STEPS + 1 if seconds > STEPS else 1):
            await progress.spend(seconds / STEPS)
            for body, volume in zip(created, wanted, strict=True):
                done = {"bytesDone": volume.size * step // STEPS, "totalBytes": volume.size}
                self._status(body, progress=done)
        if seconds <= STEPS:
            await progress.spend(seconds)
        return [self._complete(body, volume, started) for body, volume in zip(created, wanted, strict=True)]

    def _status(self, body: Json, **status: Any) -> None:
        self._server.patch("podvolumebackups", body["metadata"]["name"], status=status)

    def _create(self, volume: Volume) -> Json:
        self._repository(volume.namespace)
        name, uid = self._backup["metadata"]["name"], self._backup["metadata"]["uid"]
        pod = (volume.pod or {})["metadata"]
        tags = {"backup": name, "backup-uid": uid, "ns": volume.namespace, "pod": pod["name"], "volume": volume.volume}
        owner = {"apiVersion": "velero.io/v1", "kind": "Backup", "name": name, "uid": uid, "controller": True}
        metadata: Json = {"generateName": f"{name}-", "ownerReferences": [owner]}
        metadata["labels"] = {"velero.io/backup-name": valid_label(name), "velero.io/backup-uid": uid}
        if volume.claim:
            metadata["annotations"] = {"velero.io/pvc-name": volume.claim}
        spec = {
            "backupStorageLocation": self._backup["spec"]["storageLocation"],
            "node": (volume.pod or {}).get("spec", {}).get("nodeName", "node1"),
            "pod": {"kind": "Pod", "name": pod["name"], "namespace": volume.namespace, "uid": pod["uid"]},
            "repoIdentifier": "",
            "tags": tags,
            "uploaderType": "kopia",
            "volume": volume.volume,
        }
        return self._server.create("podvolumebackups", {"metadata": metadata, "spec": spec})

    def _complete(self, body: Json, volume: Volume, started: str) -> Saved:
        handle = self._server.new_id().replace("-", "")
        done = {"bytesDone": volume.size, "totalBytes": volume.size}
        ended = self._server.stamp()
        self._status(
            body,
            phase="Completed",
            completionTimestamp=ended,
            incrementalBytes=volume.size // 20,
            path="/host_pods/x/volumes/v",
            progress=done,
            snapshotID=handle,
        )
        return Saved(volume, handle, started, ended)

    def _repository(self, namespace: str) -> None:
        """Create the namespace's repository if it doesn't exist."""
        location = self._backup["spec"]["storageLocation"]
        name = f"{namespace}-{location}-kopia"
        if self._server.live("backuprepositories", name) is not None:
            return
        labels = {"velero.io/repository-type": "kopia", "velero.io/storage-location": valid_label(location)}
        labels["velero.io/volume-namespace"] = namespace
        spec = {"backupStorageLocation": location, "maintenanceFrequency": "1h0m0s", "repositoryType": "kopia"}
        spec["volumeNamespace"] = namespace
        self._server.create("backuprepositories", {"metadata": {"name": name, "labels": labels}, "spec": spec})
        ready = {"phase": "Ready", "lastMaintenanceTime": self._server.stamp()}
        self._server.patch("backuprepositories", name, status=ready)
