"""Restores of file-system backups: waiting init containers, an object for each volume, and the node agents' part."""

from collections.abc import Callable, Iterable
from typing import Any

from domain.json_types import Json
from sandbox.velero.log import RunLog
from sandbox.velero.names import valid_label
from sandbox.velero.progress import Progress
from sandbox.velero.server import Server

NO_AGENT = "error to check node agent status: daemonset not found"


class PodRestores:
    def __init__(self, server: Server, restore: Json, journal: RunLog) -> None:
        self._server = server
        self._restore = restore
        self._journal = journal

    async def run(self, infos: Iterable[Json], to: Callable[[str], str], progress: Progress) -> list[Json]:
        """Restore the volumes of every pod that has file-system backups; without the node agents, each is an error."""
        by_pod: dict[tuple[str, str], list[Json]] = {}
        for info in infos:
            if (saved := info.get("pvbInfo")) and self._restored(saved["podName"], to(saved["podNamespace"])):
                by_pod.setdefault((saved["podName"], to(saved["podNamespace"])), []).append(info)
        done: list[Json] = []
        for (pod, namespace), volumes in by_pod.items():
            if self._server.live("daemonsets", "node-agent") is None:
                self._journal.errors.add(NO_AGENT, None)
                continue
            done += [await self._volume(info, pod, namespace, progress) for info in volumes]
        return done

    def _restored(self, pod: str, namespace: str) -> bool:
        found = self._server.live("pods", pod, namespace)
        labels: Json = (found or {"metadata": {}})["metadata"].get("labels") or {}
        return bool(labels.get("velero.io/restore-name") == valid_label(self._restore["metadata"]["name"]))

    async def _volume(self, info: Json, pod: str, namespace: str, progress: Progress) -> Json:
        saved = info["pvbInfo"]
        created = self._create(saved, pod, namespace)
        name = created["metadata"]["name"]
        self._status(name, phase="Accepted", acceptedTimestamp=self._server.stamp())
        started = {"phase": "InProgress", "startTimestamp": self._server.stamp()}
        self._status(name, **started, progress={"totalBytes": saved["size"]})
        await progress.spend(self._server.settings.pod_volume_seconds)
        done = {"bytesDone": saved["size"], "totalBytes": saved["size"]}
        ended = {"phase": "Completed", "completionTimestamp": self._server.stamp(), "node": "node1"}
        self._status(name, **ended, progress=done)
        entry: Json = {key: info[key] for key in ("pvcName", "pvName") if key in info}
        entry |= {"pvcNamespace": namespace} if "pvcName" in info else {}
        kept = {key: saved[key] for key in ("snapshotHandle", "size", "uploaderType", "volumeName")}
        detail = kept | {"podName": pod, "podNamespace": namespace, "Phase": ""}
        return entry | {"restoreMethod": "PodVolumeRestore", "snapshotDataMoved": False, "pvrInfo": detail}

    def _status(self, name: str, **status: Any) -> None:
        self._server.patch("podvolumerestores", name, status=status)

    def _create(self, saved: Json, pod: str, namespace: str) -> Json:
        name, uid = self._restore["metadata"]["name"], self._restore["metadata"]["uid"]
        owner = {"apiVersion": "velero.io/v1", "kind": "Restore", "name": name, "uid": uid, "controller": True}
        pod_uid = (self._server.live("pods", pod, namespace) or {"metadata": {"uid": ""}})["metadata"]["uid"]
        labels = {
            "velero.io/pod-uid": pod_uid,
            "velero.io/restore-name": valid_label(name),
            "velero.io/restore-uid": uid,
        }
        metadata = {"generateName": f"{name}-", "labels": labels, "ownerReferences": [owner]}
        backup = self._server.find("backups", self._restore["spec"].get("backupName", "")) or {"spec": {}}
        spec = {
            "backupStorageLocation": backup["spec"].get("storageLocation", ""),
            "pod": {"kind": "Pod", "name": pod, "namespace": namespace, "uid": pod_uid},
            "repoIdentifier": "",
            "snapshotID": saved["snapshotHandle"],
            "snapshotSize": saved["size"],
            "sourceNamespace": saved["podNamespace"],
            "uploaderType": "kopia",
            "volume": saved["volumeName"],
        }
        return self._server.create("podvolumerestores", {"metadata": metadata, "spec": spec})
