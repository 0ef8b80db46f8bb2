"""BackupRepository: stores the file-system data of one namespace in one storage location."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from domain.json_types import Json
from velero.fields import items, section, text, timestamp
from velero.gateway import Gateway
from velero.kinds import REPOSITORY
from velero.objects import Object, meta_of

if TYPE_CHECKING:
    from velero.api import Api


@dataclass(frozen=True, slots=True)
class Maintenance:
    started: datetime | None
    completed: datetime | None
    result: str
    message: str


@dataclass(frozen=True, slots=True)
class Repository(Object):
    phase: str
    message: str
    type: str
    volume_namespace: str
    storage_location: str
    last_maintenance: datetime | None
    maintenance: tuple[Maintenance, ...]


def repository_of(source: Json) -> Repository:
    spec, status = section(source, "spec"), section(source, "status")
    return Repository(
        meta=meta_of(source),
        raw=source,
        phase=text(status, "phase"),
        message=text(status, "message"),
        type=text(spec, "repositoryType"),
        volume_namespace=text(spec, "volumeNamespace"),
        storage_location=text(spec, "backupStorageLocation"),
        last_maintenance=timestamp(status, "lastMaintenanceTime"),
        maintenance=tuple(_maintenance(run) for run in items(status, "recentMaintenance")),
    )


def _maintenance(source: Json) -> Maintenance:
    return Maintenance(
        timestamp(source, "startTimestamp"),
        timestamp(source, "completeTimestamp"),
        text(source, "result"),
        text(source, "message"),
    )


def repositories(api: Api, namespace: str) -> Gateway[Repository]:
    return Gateway(api, REPOSITORY, repository_of, namespace)
