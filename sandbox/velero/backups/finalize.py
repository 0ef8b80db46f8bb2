"""The end of a backup after its upload: waits for data movement, sets the last phase, writes the bucket's record."""

import json
from collections.abc import Iterator
from typing import Any

from domain.json_types import Json
from sandbox.bucket import Bucket
from sandbox.velero import files
from sandbox.velero.names import valid_label
from sandbox.velero.server import Change, Server, phase, status
from sandbox.velero.store import Unreachable, reach
from sandbox.velero.work import Work

FINALIZING = ("Finalizing", "FinalizingPartiallyFailed")
WAITING = ("WaitingForPluginOperations", "WaitingForPluginOperationsPartiallyFailed")


class Finalizer:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._work = Work(server.clock, self._reconcile, server.complain("backup-finalizer"))
        self._movements = Work(server.clock, self._move, server.complain("backup-operations"))

    def seen(self, change: Change) -> None:
        """Nothing is finalized while the location is unavailable; all of it is when the location is back."""
        if change.resource == "backups" and change.type != "DELETED":
            if phase(change.new) in FINALIZING:
                self._work.add(change.name)
            elif phase(change.new) in WAITING and phase(change.old or {}) not in WAITING:
                self._movements.add(change.name)
        elif change.resource == "backupstoragelocations" and phase(change.new) == "Available":
            for backup in self._server.all("backups"):
                if phase(backup) in FINALIZING:
                    self._work.add(backup["metadata"]["name"])

    def loops(self) -> Iterator[Any]:
        yield self._work.run()
        yield self._movements.run()

    def killed(self) -> None:
        self._work.forget()
        self._movements.forget()

    async def _reconcile(self, name: str) -> None:
        backup = self._server.find("backups", name)
        if backup is None or phase(backup) not in FINALIZING:
            return
        location = self._server.find("backupstoragelocations", backup["spec"]["storageLocation"])
        if location is None:
            return
        try:
            bucket = reach(self._server, location)
        except Unreachable as gone:
            self._server.say("error", "error finalizing backup", backup=name, error=gone.text)
            return
        partly = phase(backup) == "FinalizingPartiallyFailed" or status(backup).get("errors", 0)
        ended = {"phase": "PartiallyFailed" if partly else "Completed", "completionTimestamp": self._server.stamp()}
        operations = status(backup).get("backupItemOperationsAttempted")
        if operations:
            ended["backupItemOperationsCompleted"] = operations
        record(self._server.patch("backups", name, status=ended), location, bucket)

    async def _move(self, name: str) -> None:
        """Move data: operations complete one after the other; each completed one updates the status."""
        backup = self._server.find("backups", name)
        if backup is None or phase(backup) not in WAITING:
            return
        total = max(1, int(status(backup).get("backupItemOperationsAttempted", 1)))
        uploads = [self._upload(backup, number) for number in range(total)]
        for done, upload in enumerate(uploads, start=1):
            await self._bytes(upload, self._server.settings.data_movement_seconds / total)
            self._server.patch("backups", name, status={"backupItemOperationsCompleted": done})
        self._operations_done(backup)
        following = "FinalizingPartiallyFailed" if "Partially" in phase(backup) else "Finalizing"
        self._server.patch("backups", name, status={"phase": following, "backupItemOperationsAttempted": total})

    def _operations_done(self, backup: Json) -> None:
        """Write the operations file again after the last operation."""
        location = self._server.find("backupstoragelocations", backup["spec"]["storageLocation"])
        if location is None:
            return
        try:
            bucket = reach(self._server, location)
        except Unreachable as gone:
            self._server.say("error", "error uploading item operations", error=gone.text)
            return
        key = files.key_of(location, "BackupItemOperations", backup["metadata"]["name"])
        listed = files.unpacked(bucket.get(key) or files.packed([]))
        for operation in listed:
            operation["status"] |= {"phase": "Completed", "updated": self._server.stamp()}
        bucket.put(key, files.packed(listed))

    def _upload(self, backup: Json, number: int) -> str:
        name, uid = backup["metadata"]["name"], backup["metadata"]["uid"]
        owner = {"apiVersion": "velero.io/v1", "kind": "Backup", "name": name, "uid": uid, "controller": True}
        metadata: Json = {"generateName": f"{name}-", "ownerReferences": [owner]}
        metadata["labels"] = {"velero.io/backup-name": valid_label(name), "velero.io/backup-uid": uid}
        namespace = (backup["spec"].get("includedNamespaces") or ["*"])[0]
        spec = {
            "backupStorageLocation": backup["spec"]["storageLocation"],
            "csiSnapshot": {"storageClass": "standard", "volumeSnapshot": f"velero-{name}-{number}"},
            "operationTimeout": "10m0s",
            "snapshotType": "CSI",
            "sourceNamespace": namespace,
            "sourcePVC": f"data-{number}",
        }
        created = self._server.create("datauploads", {"metadata": metadata, "spec": spec})
        return str(created["metadata"]["name"])

    async def _bytes(self, upload: str, seconds: float) -> None:
        started = {"phase": "InProgress", "startTimestamp": self._server.stamp()}
        self._server.patch("datauploads", upload, status=started)
        total, steps = 1 << 30, 4
        for step in range(1, steps + 1):
            await self._server.clock.sleep(seconds / steps)
            progress = {"bytesDone": total * step // steps, "totalBytes": total}
            self._server.patch("datauploads", upload, status={"progress": progress})
        ended = {"phase": "Completed", "completionTimestamp": self._server.stamp(), "node": "node1"}
        self._server.patch("datauploads", upload, status=ended)


def record(backup: Json, location: Json, bucket: Bucket) -> None:
    """Write the file that sync reads in all clusters; later changes of the object aren't written to it."""
    kept = backup | {"metadata": {k: v for k, v in backup["metadata"].items() if k != "managedFields"}}
    bucket.put(files.metadata_key(location, backup["metadata"]["name"]), json.dumps(kept).encode())
