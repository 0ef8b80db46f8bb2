"""PodVolumeBackup and PodVolumeRestore: the file-system backup or restore of one pod volume."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from domain.json_types import Json
from velero.fields import number, section, text, timestamp
from velero.gateway import Gateway
from velero.kinds import POD_VOLUME_BACKUP, POD_VOLUME_RESTORE
from velero.names import BACKUP_NAME, label_value
from velero.objects import Object, meta_of
from velero.phases import VOLUME_PHASES

if TYPE_CHECKING:
    from velero.api import Api


@dataclass(frozen=True, slots=True)
class PodVolume(Object):
    """`pvc` is set for backups only, `source_namespace` for restores only."""

    phase: str
    message: str
    pod_namespace: str
    pod: str
    volume: str
    pvc: str
    source_namespace: str
    uploader: str
    storage_location: str
    node: str
    snapshot: str
    bytes_done: int
    bytes_total: int
    incremental: int
    started: datetime | None
    completed: datetime | None

    @property
    def has_ended(self) -> bool:
        return self.phase in VOLUME_PHASES.terminal


def pod_volume_of(source: Json) -> PodVolume:
    spec, status = section(source, "spec"), section(source, "status")
    pod, progress, meta = section(spec, "pod"), section(status, "progress"), meta_of(source)
    return PodVolume(
        meta=meta,
        raw=source,
        phase=text(status, "phase"),
        message=text(status, "message"),
        pod_namespace=text(pod, "namespace"),
        pod=text(pod, "name"),
        volume=text(spec, "volume"),
        pvc=meta.annotations.get("velero.io/pvc-name", ""),
        source_namespace=text(spec, "sourceNamespace"),
        uploader=text(spec, "uploaderType"),
        storage_location=text(spec, "backupStorageLocation"),
        node=text(spec, "node") or text(status, "node"),
        snapshot=text(status, "snapshotID") or text(spec, "snapshotID"),
        bytes_done=number(progress, "bytesDone"),
        bytes_total=number(progress, "totalBytes"),
        incremental=number(status, "incrementalBytes"),
        started=timestamp(status, "startTimestamp"),
        completed=timestamp(status, "completionTimestamp"),
    )


def backup_selector(backup: str) -> str:
    """Return the label selector of the objects that belong to a backup."""
    return f"{BACKUP_NAME}={label_value(backup)}"


def pod_volume_backups(api: Api, namespace: str) -> Gateway[PodVolume]:
    return Gateway(api, POD_VOLUME_BACKUP, pod_volume_of, namespace)


def pod_volume_restores(api: Api, namespace: str) -> Gateway[PodVolume]:
    return Gateway(api, POD_VOLUME_RESTORE, pod_volume_of, namespace)
