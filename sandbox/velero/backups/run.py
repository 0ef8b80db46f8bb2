"""One backup from its first item to its upload."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from domain.json_types import Json
from sandbox.bucket import Bucket
from sandbox.velero import files
from sandbox.velero.backups import snapshots, volumes
from sandbox.velero.backups.pod_volumes import PodVolumes
from sandbox.velero.backups.volumes import Saved, Volume
from sandbox.velero.hooks import FAILED, NO_EXEC, Tally, hooks_of, run_hooks
from sandbox.velero.log import RunLog
from sandbox.velero.progress import Progress
from sandbox.velero.selection import Item, namespaces_of, select
from sandbox.velero.server import Server
from sandbox.velero.settings import Script
from sandbox.velero.store import Unreachable, not_looked_for, not_put, reach


class Fatal(Exception):
    def __init__(self, reason: str, uploaded: Bucket | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.uploaded = uploaded


@dataclass(slots=True)
class Record:
    """Results collected during a run."""

    journal: RunLog
    taken: list[Item] = field(default_factory=list)
    left_out: list[Item] = field(default_factory=list)
    """Pods whose hook failed: counted and listed as backed up, but not in the archive."""
    saved: list[Saved] = field(default_factory=list)
    operations: list[Json] = field(default_factory=list)
    hooks: Tally = field(default_factory=Tally)

    def archived(self) -> list[Item]:
        return [item for item in self.taken if item not in self.left_out]

    def counts(self) -> Json:
        """Return the counters of the status; zero values are left out."""
        native = sum(1 for saved in self.saved if saved.volume.method == "NativeSnapshot")
        csi = sum(1 for saved in self.saved if saved.volume.method == "CSISnapshot" and not saved.volume.moves_data)
        counted = {
            "errors": self.journal.errors.count,
            "warnings": self.journal.warnings.count,
            "volumeSnapshotsAttempted": native,
            "volumeSnapshotsCompleted": native,
            "csiVolumeSnapshotsAttempted": csi,
            "csiVolumeSnapshotsCompleted": csi,
            "backupItemOperationsAttempted": len(self.operations),
        }
        return {name: number for name, number in counted.items() if number}


class BackupRun:
    def __init__(self, server: Server, backup: Json, location: Json) -> None:
        self._server = server
        self._backup = backup
        self._spec: Json = backup["spec"]
        self.location = location
        self.name = str(backup["metadata"]["name"])
        self.script: Script = server.scripts.take("backup", self.name, namespaces_of(backup))
        self.record = Record(RunLog(server.now, {"backup": f"{server.namespace}/{self.name}"}))

    async def execute(self) -> str:
        """Return the next phase. Raises `Fatal`."""
        bucket = self._open()
        journal = self.record.journal
        for text in ("Setting up backup temp file", "Setting up plugin manager", "Getting backup item actions"):
            journal.info(text, "pkg/controller/backup_controller.go:731")
        if files.metadata_key(self.location, self.name) in bucket:
            raise Fatal("backup already exists in object storage")
        journal.info("Including namespaces: " + ", ".join(namespaces_of(self._backup)))
        await self._take()
        self._told_outcome()
        journal.info(f"Backed up a total of {len(self.record.taken)} items", "pkg/backup/backup.go:684", progress="")
        self._upload()
        return self._next_phase()

    def _open(self) -> Bucket:
        try:
            return reach(self._server, self.location)
        except Unreachable as gone:
            key = files.metadata_key(self.location, self.name)
            text = not_looked_for(self._server, self.location, key) if gone.retried else gone.text
            raise Fatal(f"error checking if backup already exists in object storage: {text}") from gone

    async def _take(self) -> None:
        journal = self.record.journal
        selection = select(self._server.objects, self._spec)
        for missing in selection.missing_namespaces:
            text = f"fail to get the namespace {missing} specified in backup.Spec.IncludedNamespaces"
            journal.error(text, "pkg/backup/item_collector.go:782", group="v1", resource="namespaces")
        planned = volumes.plan(selection.items, self._choice())
        progress = Progress(self._server, "backups", self.name, "itemsBackedUp", 0)
        progress.total = max(len(selection.items), self.script.items or 0)
        progress.tell()
        await self._walk(selection.items, planned, progress)
        pod_volumes = [v for v in planned if v.method == "PodVolumeBackup" and not self._without_pod(v)]
        self.record.saved += await PodVolumes(self._server, self._backup).save(pod_volumes, progress, self.script)
        await progress.settle()
        if self.script.outcome == "hangs":
            await self.script.gate.wait()
        progress.done = progress.total = max(len(self.record.taken), self.script.items or 0)
        ended = {"progress": progress.json(), "hookStatus": self.record.hooks.json()}
        self._server.patch("backups", self.name, status=ended)

    def _choice(self) -> volumes.Choice:
        policy = (self._spec.get("resourcePolicy") or {}).get("name")
        configmap = self._server.live("configmaps", policy) if policy else None
        return volumes.Choice(self._spec, configmap, bool(self._spec.get("volumeSnapshotLocations")))

    async def _walk(self, items: tuple[Item, ...], planned: list[Volume], progress: Progress) -> None:
        """Back up the items one by one; a scripted count or duration adds steps."""
        steps = max(len(items), self.script.items or 0)
        seconds = self.script.seconds
        pace = 1 / self._server.settings.backup_items_per_second if seconds is None else seconds / max(steps, 1)
        self.record.left_out += self._refused(items)
        for number in range(steps):
            if number < len(items):
                await self._item(items[number], planned, progress)
            progress.done = max(number + 1, len(self.record.taken))
            progress.total = max(progress.total, progress.done)
            await progress.spend(pace)
        if not steps and seconds:
            await progress.spend(seconds)
        for pod in (item for item in self.record.archived() if item.kind.plural == "pods"):
            run_hooks(
                pod, hooks_of(pod, self._spec, "post"), self._exec_error(), self.record.journal, self.record.hooks
            )

    def _refused(self, items: tuple[Item, ...]) -> list[Item]:
        """Return the pods whose hook failed; their dependents are backed up anyway."""
        pods = [item for item in items if item.kind.plural == "pods"]
        journal, tally = self.record.journal, self.record.hooks
        went_well = [run_hooks(p, hooks_of(p, self._spec, "pre"), self._exec_error(), journal, tally) for p in pods]
        return [pod for pod, well in zip(pods, went_well, strict=True) if not well]

    def _without_pod(self, volume: Volume) -> bool:
        return any(volume.pod is not None and _belongs(volume, pod) for pod in self.record.left_out)

    def _exec_error(self) -> str:
        if self.script.outcome == "hook-fails":
            return self.script.reason or FAILED
        return "" if self._server.settings.exec_works else NO_EXEC

    async def _item(self, item: Item, planned: list[Volume], progress: Progress) -> None:
        self.record.taken.append(item)
        if item in self.record.left_out:
            return
        fields = {"name": item.name, "namespace": item.namespace, "resource": item.kind.qualified}
        self.record.journal.info("Backing up item", "pkg/backup/item_backupper.go:186", **fields)
        for volume in (v for v in planned if _belongs(v, item)):
            await self._volume(volume, progress)

    async def _volume(self, volume: Volume, progress: Progress) -> None:
        if (told := volumes.warning(volume)) is not None:
            self.record.journal.warning(told[0], **told[1])
        if volume.method == "PodVolumeBackup":
            return
        started, handle = self._server.stamp(), f"snap-{self._server.new_id()[:8]}"
        operation = ""
        if volume.method == "CSISnapshot":
            operation = f"{volume.namespace}/velero-{volume.claim}-{handle[-5:]}/{started}"
            await progress.spend(self._server.settings.csi_snapshot_seconds if self.script.seconds is None else 0)
            self.record.taken += snapshots.taken(volume, handle)
            self.record.operations.append(self._operation(volume, operation, started))
        self.record.saved.append(Saved(volume, handle, started, self._server.stamp(), operation))

    def _operation(self, volume: Volume, operation: str, started: str) -> Json:
        name = operation.split("/")[1]
        target = {"Group": snapshots.GROUP, "Resource": "volumesnapshots", "Namespace": volume.namespace, "Name": name}
        spec = {"backupName": self.name, "backupUID": self._backup["metadata"]["uid"]}
        spec |= {"backupItemAction": "velero.io/csi-volumesnapshot-backupper", "resourceIdentifier": target}
        spec |= {"operationID": operation, "postOperationItems": [target]}
        done = "New" if volume.moves_data else "Completed"
        times = {"created": started, "started": started, "updated": self._server.stamp()}
        return {"spec": spec, "status": {"phase": done, **times}}

    def _told_outcome(self) -> None:
        journal, script = self.record.journal, self.script
        if script.outcome == "warns":
            journal.warning(script.reason or "unable to find the owner of an item", namespace=self._first_namespace())
        elif script.outcome == "partial":
            fields = {"resource": "pods", "name": "web-0", "namespace": self._first_namespace()}
            journal.error(
                "Error backing up item", error=script.reason or "timed out waiting for the condition", **fields
            )
        elif script.outcome == "fails":
            journal.error(
                "fatal error", error=script.reason or "rpc error: code = Unavailable desc = transport is closing"
            )

    def _first_namespace(self) -> str:
        first = namespaces_of(self._backup)[0]
        return "" if first == "*" else first

    def _upload(self) -> None:
        try:
            bucket = reach(self._server, self.location) if not self._moved() else self._old_bucket()
        except Unreachable as gone:
            key = files.metadata_key(self.location, self.name)
            raise Fatal(not_put(self._server, self.location, key) if gone.retried else gone.text) from gone
        files.write(bucket, self.location, self.name, self._files())
        bucket.put(files.pod_volume_backups_key(self.location, self.name), files.packed(self._pod_volume_backups()))
        if self.script.outcome == "fails":
            raise Fatal(self.script.reason or "rpc error: code = Unavailable desc = transport is closing", bucket)

    def _moved(self) -> bool:
        """Return whether the location was edited during the run: the run's client still uses the former address."""
        now = self._server.find("backupstoragelocations", self.location["metadata"]["name"])
        return now is None or now["spec"] != self.location["spec"]

    def _old_bucket(self) -> Bucket:
        bucket = self._server.buckets.find(self.location["spec"]["objectStorage"]["bucket"])
        if bucket is None or bucket.faults.unavailable:
            raise Unreachable("the store of the run is gone", retried=True)
        return bucket

    def _files(self) -> Mapping[str, bytes]:
        record = self.record
        listed = files.resource_list((item.type, item.listed) for item in record.taken)
        return {
            "BackupLog": files.packed(record.journal.text),
            "BackupContents": files.archive(record.archived()),
            "BackupResults": files.packed(record.journal.results),
            "BackupResourceList": files.packed(listed),
            "BackupItemOperations": files.packed(record.operations),
            "BackupVolumeInfos": files.packed([volumes.info(saved) for saved in self._all_saved()]),
            "BackupVolumeSnapshots": files.packed(list(self._native_snapshots())),
        }

    def _all_saved(self) -> list[Saved]:
        return sorted(self.record.saved, key=lambda saved: saved.volume.method is not None)

    def _pod_volume_backups(self) -> list[Json]:
        mine = self._server.all("podvolumebackups")
        return [b for b in mine if (b["metadata"].get("labels") or {}).get("velero.io/backup-name") == self.name]

    def _native_snapshots(self) -> Iterator[Json]:
        for saved in self.record.saved:
            if saved.volume.method != "NativeSnapshot":
                continue
            disk = (saved.volume.native or {}).get("volumeID", "")
            spec = {"backupName": self.name, "backupUID": self._backup["metadata"]["uid"]}
            spec |= {"location": (self._spec.get("volumeSnapshotLocations") or [""])[0]}
            spec |= {"persistentVolumeName": saved.volume.persistent_name, "providerVolumeID": disk.rsplit("/", 1)[-1]}
            spec |= {"volumeType": "gp3", "volumeAZ": "us-east-1a"}
            yield {"spec": spec, "status": {"providerSnapshotID": saved.handle, "phase": "Completed"}}

    def _next_phase(self) -> str:
        suffix = "PartiallyFailed" if self.record.journal.errors.count else ""
        waiting = self.script.outcome == "moves-data" or any(op["status"]["phase"] == "New" for op in self._ops())
        return ("WaitingForPluginOperations" if waiting else "Finalizing") + suffix

    def _ops(self) -> list[Json]:
        return self.record.operations


def _belongs(volume: Volume, item: Item) -> bool:
    """Return whether the volume is backed up with this item: with its pod if that mounts it, else with its PVC."""
    if volume.pod is not None:
        return item.kind.plural == "pods" and volume.pod["metadata"].get("uid") == item.body["metadata"].get("uid")
    return item.kind.plural == "persistentvolumeclaims" and (volume.namespace, volume.claim) == (
        item.namespace,
        item.name,
    )
