"""Backup objects: `Backup` has all fields, `BackupRow` the few that lists and tracking use for ten thousand of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import field

from domain.json_types import Json
from velero.fields import flag, number, section, strings, text, timestamp
from velero.gateway import Gateway
from velero.kinds import BACKUP
from velero.names import SCHEDULE_NAME
from velero.objects import Object, meta_of
from velero.phases import BACKUP_PHASES
from velero.resources.rows import Part, Row, Rows, RunStatus

if TYPE_CHECKING:
    from velero.api import Api


@dataclass(frozen=True, slots=True)
class Backup(Object):
    """`completed` can be None although the backup has ended: FailedValidation has no start and no end."""

    phase: str
    storage_location: str
    snapshot_locations: tuple[str, ...]
    included_namespaces: tuple[str, ...]
    excluded_namespaces: tuple[str, ...]
    ttl: str
    snapshot_volumes: bool | None
    started: datetime | None
    completed: datetime | None
    expires: datetime | None
    errors: int
    warnings: int
    items_done: int
    items_total: int
    queue_position: int
    failure_reason: str
    validation_errors: tuple[str, ...]
    hooks_attempted: int
    hooks_failed: int
    snapshots_attempted: int
    snapshots_completed: int
    csi_attempted: int
    csi_completed: int
    operations_attempted: int
    operations_completed: int
    operations_failed: int

    @property
    def schedule(self) -> str:
        return self.meta.labels.get(SCHEDULE_NAME, "")

    @property
    def has_ended(self) -> bool:
        return self.phase in BACKUP_PHASES.terminal


def backup_of(source: Json) -> Backup:
    spec, status = section(source, "spec"), section(source, "status")
    progress, hooks = section(status, "progress"), section(status, "hookStatus")
    return Backup(
        meta=meta_of(source),
        raw=source,
        phase=text(status, "phase"),
        storage_location=text(spec, "storageLocation"),
        snapshot_locations=strings(spec, "volumeSnapshotLocations"),
        included_namespaces=strings(spec, "includedNamespaces"),
        excluded_namespaces=strings(spec, "excludedNamespaces"),
        ttl=text(spec, "ttl"),
        snapshot_volumes=flag(spec, "snapshotVolumes"),
        started=timestamp(status, "startTimestamp"),
        completed=timestamp(status, "completionTimestamp"),
        expires=timestamp(status, "expiration"),
        errors=number(status, "errors"),
        warnings=number(status, "warnings"),
        items_done=number(progress, "itemsBackedUp"),
        items_total=number(progress, "totalItems"),
        queue_position=number(status, "queuePosition"),
        failure_reason=text(status, "failureReason"),
        validation_errors=strings(status, "validationErrors"),
        hooks_attempted=number(hooks, "hooksAttempted"),
        hooks_failed=number(hooks, "hooksFailed"),
        snapshots_attempted=number(status, "volumeSnapshotsAttempted"),
        snapshots_completed=number(status, "volumeSnapshotsCompleted"),
        csi_attempted=number(status, "csiVolumeSnapshotsAttempted"),
        csi_completed=number(status, "csiVolumeSnapshotsCompleted"),
        operations_attempted=number(status, "backupItemOperationsAttempted"),
        operations_completed=number(status, "backupItemOperationsCompleted"),
        operations_failed=number(status, "backupItemOperationsFailed"),
    )


class BackupProgress(Part, frozen=True):
    done: int = field(name="itemsBackedUp", default=0)
    total: int = field(name="totalItems", default=0)


class BackupSpec(Part, frozen=True):
    location: str = field(name="storageLocation", default="")
    namespaces: Sequence[str] = field(name="includedNamespaces", default=())


class BackupStatus(RunStatus, frozen=True):
    progress: BackupProgress = field(default_factory=BackupProgress)
    expires: str = field(name="expiration", default="")
    queue_position: int = 0


class BackupRow(Row, frozen=True):
    spec: BackupSpec = field(default_factory=BackupSpec)
    status: BackupStatus = field(default_factory=BackupStatus)

    @property
    def schedule(self) -> str:
        return self.meta.labels.get(SCHEDULE_NAME, "")


def backups(api: Api, namespace: str) -> Gateway[Backup]:
    return Gateway(api, BACKUP, backup_of, namespace)


def backup_rows(api: Api, namespace: str) -> Rows[BackupRow]:
    return Rows(api, BACKUP, BackupRow, namespace)
