"""Parses which volumes have data in a backup, and why others have none (BackupVolumeInfos, RestoreVolumeInfo).

Velero's phase is Completed even if volumes were skipped; only this list shows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import DownloadError
from domain.json_types import Json
from velero.artifacts.results import parse_json
from velero.fields import number, section, text, timestamp


class VolumeDataState(StrEnum):
    """Where a volume's data is. IN_LOCATION survives the loss of the cluster, IN_SNAPSHOT only with its storage."""

    IN_LOCATION = "in-location"
    IN_SNAPSHOT = "in-snapshot"
    UNDER_WAY = "under-way"
    FAILED = "failed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Volume:
    """`pod` and `pod_volume` name volumes without a PVC (emptyDir)."""

    namespace: str
    pvc: str
    volume: str
    pod: str
    pod_volume: str
    method: str
    data: VolumeDataState
    why: tuple[str, ...]
    size: int
    incremental: int
    started: datetime | None
    completed: datetime | None

    @property
    def has_data(self) -> bool:
        return self.data in {VolumeDataState.IN_LOCATION, VolumeDataState.IN_SNAPSHOT}

    @property
    def shown(self) -> str:
        if self.pvc:
            return f"{self.namespace}/{self.pvc}"
        return f"{self.namespace}/{self.pod}:{self.pod_volume}" if self.pod else self.volume


def volumes_of(body: bytes) -> tuple[Volume, ...]:
    parsed = parse_json(body, "The volume list")
    if not isinstance(parsed, list):
        raise DownloadError("The volume list can't be read.", why="it isn't a list")
    return tuple(_volume(item) for item in parsed if isinstance(item, dict))


def _volume(source: Json) -> Volume:
    files = section(source, "pvbInfo") or section(source, "pvrInfo")
    moved, csi = section(source, "snapshotDataMovementInfo"), section(source, "csiSnapshotInfo")
    return Volume(
        namespace=text(source, "pvcNamespace") or text(files, "podNamespace"),
        pvc=text(source, "pvcName"),
        volume=text(source, "pvName"),
        pod=text(files, "podName"),
        pod_volume=text(files, "volumeName"),
        method=text(source, "backupMethod") or text(source, "restoreMethod"),
        data=_data_state(source),
        why=missing_data_reasons(text(source, "skippedReason")),
        size=number(files, "size") or number(moved, "size") or number(csi, "size"),
        incremental=number(files, "incrementalSize") or number(moved, "incrementalSize"),
        started=timestamp(source, "startTimestamp"),
        completed=timestamp(source, "completionTimestamp"),
    )


def _data_state(source: Json) -> VolumeDataState:
    method = text(source, "backupMethod") or text(source, "restoreMethod")
    if source.get("skipped") is True or not method:
        return VolumeDataState.NONE
    if text(source, "result") == "failed":
        return VolumeDataState.FAILED
    if "backupMethod" in source and not text(source, "result"):
        return VolumeDataState.UNDER_WAY
    is_in_location = method in {"PodVolumeBackup", "PodVolumeRestore"} or source.get("snapshotDataMoved") is True
    return VolumeDataState.IN_LOCATION if is_in_location else VolumeDataState.IN_SNAPSHOT


# Texts of Velero 1.18.2. Velero writes "opted out" also for a pod without any annotation.
_SKIP_REASONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"csiSnapshot: skipped b/c it's not a CSI volume"), "no CSI snapshot: not a CSI volume"),
    (
        re.compile(r"podvolume: opted out due to annotation in pod (\S+)"),
        "no file-system backup: pod {0} doesn't opt in with the annotation backup.velero.io/backup-volumes",
    ),
    (
        re.compile(r"volumeSnapshot: no applicable volumesnapshotter found"),
        "no snapshot: no snapshot plugin supports this volume",
    ),
    (
        re.compile(r"volumeSnapshot: not satisfy the criteria for VolumePolicy or the legacy snapshot way"),
        "no snapshot: snapshots are off for this backup, or a volume policy skips this volume",
    ),
    (re.compile(r"any: skipped due to resource policy ?"), "skipped by a volume policy"),
)


def missing_data_reasons(skipped: str) -> tuple[str, ...]:
    """Return one reason per method that could have saved the data; an unknown text stays as it is."""
    return tuple(_reason(part.strip()) for part in skipped.split(";") if part.strip())


def _reason(part: str) -> str:
    for pattern, reason in _SKIP_REASONS:
        if (found := pattern.fullmatch(part)) is not None:
            return reason.format(*found.groups())
    return part
