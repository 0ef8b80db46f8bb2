"""Predicts which volumes of a backup get their data restored, and why not. Pure.

Source: velero 1.18 pkg/restore (restoreItem, handlePVHasNativeSnapshot) and pkg/podvolume restorer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.counting import plural_of
from operations.restore_preview.preview import Fate, Row, VolumeOutcome
from operations.restore_preview.scope import Scope
from velero.artifacts.volumes import Volume

FILES = "PodVolumeBackup"
PVC_EXISTS = "the PVC exists and keeps its data"
PVC_TERMINATING = "the PVC is being deleted and isn't restored, so its data is lost"


class NodeAgent(StrEnum):
    """Whether Velero's node agent, which writes files into volumes, is installed."""

    PRESENT = "present"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class VolumeOutcomes:
    volumes: tuple[VolumeOutcome, ...]
    errors: tuple[str, ...] = ()


def predict_volumes(rows: Iterable[Row], volumes: tuple[Volume, ...], scope: Scope, agent: NodeAgent) -> VolumeOutcomes:
    prediction = _Prediction({(row.kind, row.namespace, row.name): row for row in rows}, scope, agent)
    saved: Mapping[str, Volume] = {
        f"{scope.target_namespace(one.namespace)}/{one.pvc}": one for one in volumes if one.pvc
    }
    wanted = [row for (kind, _, _), row in prediction.rows.items() if kind == "PersistentVolumeClaim"]
    found = [prediction.predict(row, saved.get(row.location)) for row in wanted]
    found += prediction.unclaimed(volumes)
    return VolumeOutcomes(tuple(found), tuple(prediction.errors(volumes)))


@dataclass(frozen=True, slots=True)
class _Prediction:
    rows: Mapping[tuple[str, str, str], Row]
    scope: Scope
    agent: NodeAgent

    def predict(self, row: Row, volume: Volume | None) -> VolumeOutcome:
        if volume is not None and volume.method == FILES and volume.has_data and row.fate is not Fate.TERMINATING:
            return self._by_files(row.location, volume, overwrites=row.fate not in {Fate.NEW, Fate.UNREAD})
        if row.fate is Fate.UNREAD:
            return VolumeOutcome(row.location, is_restored=False, why="not checked")
        if row.fate is Fate.TERMINATING:
            return VolumeOutcome(row.location, is_restored=False, why=PVC_TERMINATING)
        if row.fate is not Fate.NEW:
            return VolumeOutcome(row.location, is_restored=False, why=PVC_EXISTS)
        return self._by_snapshot(row, volume)

    def _by_snapshot(self, row: Row, volume: Volume | None) -> VolumeOutcome:
        if self.scope.spec.get("restorePVs") is False:
            return VolumeOutcome(row.location, is_restored=False, why="volumes are excluded; the new PVC is empty")
        if volume is None or not volume.has_data:
            why = volume.why[0] if volume is not None and volume.why else "no data in the backup"
            return VolumeOutcome(row.location, is_restored=False, why=why)
        live = self.rows.get(("PersistentVolume", "", volume.volume))
        if volume.method == "NativeSnapshot" and live is not None and live.fate is not Fate.NEW:
            return VolumeOutcome(
                row.location, is_restored=False, why=f"its volume `{volume.volume}` exists and is kept"
            )
        return VolumeOutcome(row.location, is_restored=True)

    def _by_files(self, shown: str, volume: Volume, *, overwrites: bool) -> VolumeOutcome:
        """Files are written only through a pod that this restore creates, even if the volume already exists."""
        why = self._not_written(volume)
        return VolumeOutcome(shown, is_restored=not why, why=why, overwrites=overwrites and not why)

    def _not_written(self, volume: Volume) -> str:
        kinds = ("persistentvolumeclaims", "persistentvolumes")
        if not all(self.scope.includes_kind(kind) for kind in kinds):
            return "PVCs and PVs are excluded from this restore"
        pod = self._pod(volume)
        if pod is None:
            return f"its files are restored only with pod `{volume.pod}`, which isn't restored"
        if pod.fate is Fate.UNREAD:
            return "not checked"
        if pod.fate is not Fate.NEW:
            return f"pod {pod.location} exists; files are restored only into recreated pods"
        return "Velero's node agent isn't installed" if self.agent is NodeAgent.MISSING else ""

    def _pod(self, volume: Volume) -> Row | None:
        return self.rows.get(("Pod", self.scope.target_namespace(volume.namespace), volume.pod))

    def unclaimed(self, volumes: Iterable[Volume]) -> Iterator[VolumeOutcome]:
        """Pod volumes without a PVC, such as emptyDir, of pods that are part of the restore."""
        for one in volumes:
            if not one.pvc and one.method == FILES and one.has_data and (pod := self._pod(one)) is not None:
                yield self._by_files(f"{pod.location}:{one.pod_volume}", one, overwrites=False)

    def errors(self, volumes: Iterable[Volume]) -> Iterator[str]:
        if self.agent is not NodeAgent.MISSING:
            return
        pods = {
            pod.location
            for one in volumes
            if one.method == FILES and (pod := self._pod(one)) is not None and pod.fate is Fate.NEW
        }
        if pods and all(self.scope.includes_kind(kind) for kind in ("persistentvolumeclaims", "persistentvolumes")):
            yield f"Velero's node agent isn't installed, so no files are restored for {plural_of(len(pods), 'pod')} {', '.join(sorted(pods)[:5])}"
