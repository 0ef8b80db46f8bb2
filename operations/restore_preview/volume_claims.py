"""Which volumes of a backup get their data back by a restore, and why not. Pure.

Source of the rules: velero 1.18 pkg/restore (restoreItem, handlePVHasNativeSnapshot) and pkg/podvolume restorer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from operations.restore_preview.preview import Claim, Fate, Row
from operations.restore_preview.scope import Scope
from velero.artifacts.volumes import Volume

FILES = "PodVolumeBackup"
KEEPS = "the PVC exists and keeps its data"
GOES = "it is being deleted and is not restored, so nothing of it is left"


class NodeAgent(StrEnum):
    """Velero's DaemonSet that writes files into volumes."""

    THERE = "there"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Claims:
    claims: tuple[Claim, ...]
    faults: tuple[str, ...] = ()


def judge_claims(rows: Iterable[Row], volumes: tuple[Volume, ...], scope: Scope, agent: NodeAgent) -> Claims:
    known = _Known({(row.kind, row.namespace, row.name): row for row in rows}, scope, agent)
    saved: Mapping[str, Volume] = {
        f"{scope.target_namespace(one.namespace)}/{one.pvc}": one for one in volumes if one.pvc
    }
    wanted = [row for (kind, _, _), row in known.rows.items() if kind == "PersistentVolumeClaim"]
    found = [known.claim(row, saved.get(row.location)) for row in wanted]
    found += known.unclaimed(volumes)
    return Claims(tuple(found), tuple(known.faults(volumes)))


@dataclass(frozen=True, slots=True)
class _Known:
    rows: Mapping[tuple[str, str, str], Row]
    scope: Scope
    agent: NodeAgent

    def claim(self, row: Row, volume: Volume | None) -> Claim:
        if volume is not None and volume.method == FILES and volume.has_data and row.fate is not Fate.GOING:
            return self._by_files(row.location, volume, over=row.fate not in {Fate.NEW, Fate.UNREAD})
        if row.fate is Fate.UNREAD:
            return Claim(row.location, comes_back=False, why="not checked")
        if row.fate is Fate.GOING:
            return Claim(row.location, comes_back=False, why=GOES)
        if row.fate is not Fate.NEW:
            return Claim(row.location, comes_back=False, why=KEEPS)
        return self._by_snapshot(row, volume)

    def _by_snapshot(self, row: Row, volume: Volume | None) -> Claim:
        if self.scope.spec.get("restorePVs") is False:
            return Claim(row.location, comes_back=False, why="volumes are excluded; the new PVC is empty")
        if volume is None or not volume.has_data:
            why = volume.why[0] if volume is not None and volume.why else "no data in the backup"
            return Claim(row.location, comes_back=False, why=why)
        there = self.rows.get(("PersistentVolume", "", volume.volume))
        if volume.method == "NativeSnapshot" and there is not None and there.fate is not Fate.NEW:
            return Claim(row.location, comes_back=False, why=f"its volume {volume.volume} exists and is kept")
        return Claim(row.location, comes_back=True)

    def _by_files(self, shown: str, volume: Volume, *, over: bool) -> Claim:
        """Files are written into a pod that this restore makes, also where its volume is there; never into one that is."""
        why = self._not_written(volume)
        return Claim(shown, comes_back=not why, why=why, over=over and not why)

    def _not_written(self, volume: Volume) -> str:
        kinds = ("persistentvolumeclaims", "persistentvolumes")
        if not all(self.scope.includes_kind(kind) for kind in kinds):
            return "PVCs and PVs are excluded from this restore"
        pod = self._pod(volume)
        if pod is None:
            return f"its files are restored only with pod {volume.pod}, which isn't restored"
        if pod.fate is Fate.UNREAD:
            return "not checked"
        if pod.fate is not Fate.NEW:
            return f"pod {pod.location} exists; files are restored only into recreated pods"
        return "Velero's node agent isn't running" if self.agent is NodeAgent.MISSING else ""

    def _pod(self, volume: Volume) -> Row | None:
        return self.rows.get(("Pod", self.scope.target_namespace(volume.namespace), volume.pod))

    def unclaimed(self, volumes: Iterable[Volume]) -> Iterator[Claim]:
        """Volumes of pods without a claim, such as emptyDir; told where the pod is part of the restore."""
        for one in volumes:
            if not one.pvc and one.method == FILES and one.has_data and (pod := self._pod(one)) is not None:
                yield self._by_files(f"{pod.location}:{one.pod_volume}", one, over=False)

    def faults(self, volumes: Iterable[Volume]) -> Iterator[str]:
        """One per pod."""
        if self.agent is not NodeAgent.MISSING:
            return
        pods = {
            pod.location for one in volumes if one.method == FILES and (pod := self._pod(one)) is not None and _new(pod)
        }
        if pods and all(self.scope.includes_kind(kind) for kind in ("persistentvolumeclaims", "persistentvolumes")):
            yield f"Velero's node agent isn't running; it restores the files of pod {', '.join(sorted(pods)[:5])}"


def _new(pod: Row) -> bool:
    return pod.fate is Fate.NEW
