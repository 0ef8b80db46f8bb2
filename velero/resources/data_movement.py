"""DataUpload and DataDownload: the transfer of one CSI snapshot's data to or from the backup repository."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from domain.json_types import Json
from velero.fields import number, section, text, timestamp
from velero.gateway import Gateway
from velero.kinds import DATA_DOWNLOAD, DATA_UPLOAD
from velero.objects import Object, meta_of
from velero.phases import VOLUME_PHASES

if TYPE_CHECKING:
    from velero.api import Api


@dataclass(frozen=True, slots=True)
class DataMovement(Object):
    phase: str
    message: str
    pvc_namespace: str
    pvc: str
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


def movement_of(source: Json) -> DataMovement:
    spec, status = section(source, "spec"), section(source, "status")
    target, progress = section(spec, "targetVolume"), section(status, "progress")
    return DataMovement(
        meta=meta_of(source),
        raw=source,
        phase=text(status, "phase"),
        message=text(status, "message"),
        pvc_namespace=text(target, "namespace") or text(spec, "sourceNamespace"),
        pvc=text(target, "pvc") or text(spec, "sourcePVC"),
        storage_location=text(spec, "backupStorageLocation"),
        node=text(status, "node"),
        snapshot=text(status, "snapshotID") or text(spec, "snapshotID"),
        bytes_done=number(progress, "bytesDone"),
        bytes_total=number(progress, "totalBytes"),
        incremental=number(status, "incrementalBytes"),
        started=timestamp(status, "startTimestamp"),
        completed=timestamp(status, "completionTimestamp"),
    )


def data_uploads(api: Api, namespace: str) -> Gateway[DataMovement]:
    return Gateway(api, DATA_UPLOAD, movement_of, namespace)


def data_downloads(api: Api, namespace: str) -> Gateway[DataMovement]:
    return Gateway(api, DATA_DOWNLOAD, movement_of, namespace)
