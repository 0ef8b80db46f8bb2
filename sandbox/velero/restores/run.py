"""Runs one restore, from the archive to the last object."""

from dataclasses import replace

from domain.json_types import Json
from sandbox.bucket import Bucket
from sandbox.kubernetes.failures import ApiFailure
from sandbox.velero import files
from sandbox.velero.backups import snapshots
from sandbox.velero.hooks import FAILED, NO_EXEC, run_restore_hooks
from sandbox.velero.log import RunLog
from sandbox.velero.progress import Progress
from sandbox.velero.restores import object_bodies
from sandbox.velero.restores.archive import Archive, select
from sandbox.velero.restores.modifiers import modify
from sandbox.velero.restores.place_object import Placing, Record
from sandbox.velero.restores.pod_restores import PodRestores
from sandbox.velero.selection import Filter, Item, selected
from sandbox.velero.server import Server, phase
from sandbox.velero.settings import Script
from sandbox.velero.store import Unreachable, reach

CONTROLLER = "pkg/controller/restore_controller.go:603"


class Fatal(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RestoreRun:
    def __init__(self, server: Server, restore: Json, backup: Json, location: Json) -> None:
        self._server = server
        self._restore = restore
        self._spec: Json = restore["spec"]
        self._backup = backup
        self._location = location
        self.name = str(restore["metadata"]["name"])
        self.script: Script = server.scripts.take("restore", self.name, self._targets())
        self.record = Record(RunLog(server.now, {"restore": f"{server.namespace}/{self.name}"}))
        self._placing = Placing(server, restore, str(backup["metadata"]["name"]), self.record)
        self._mapping: dict[str, str] = self._spec.get("namespaceMapping") or {}
        self._modifier = self._configmap()
        self._created: set[str] = set()
        self._waited: dict[tuple[str, str], float] = {}

    def _targets(self) -> list[str]:
        mapping: dict[str, str] = self._spec.get("namespaceMapping") or {}
        source = self._spec.get("includedNamespaces") or self._backup["spec"].get("includedNamespaces") or ["*"]
        return [mapping.get(name, name) for name in source]

    def _configmap(self) -> Json | None:
        name = (self._spec.get("resourceModifier") or {}).get("name")
        return self._server.live("configmaps", name) if name else None

    async def execute(self) -> None:
        journal = self.record.journal
        journal.info("starting restore", "pkg/controller/restore_controller.go:563")
        try:
            bucket = reach(self._server, self._location)
        except Unreachable as gone:
            raise Fatal(f"error downloading backup: {gone.text}") from gone
        archive = self._read(bucket)
        source = f"{self._server.namespace}/{self._backup['metadata']['name']}"
        journal.info(f"Starting restore of backup {source}", "pkg/restore/restore.go:434")
        await self._walk(archive)
        self._hooks(archive)
        self._told_outcome()
        self._told_findings()
        journal.info("restore completed", "pkg/controller/restore_controller.go:624")
        self._upload(bucket)

    def _read(self, bucket: Bucket) -> Archive:
        name = self._backup["metadata"]["name"]
        packed = bucket.get(files.key_of(self._location, "BackupContents", name))
        if packed is None:
            raise Fatal(f"error downloading backup: key not found: backups/{name}/{name}.tar.gz")
        infos = bucket.get(files.key_of(self._location, "BackupVolumeInfos", name))
        listed: list[Json] = files.unpacked(infos) if infos else []
        volumes = {(info.get("pvcNamespace", ""), info.get("pvcName", str(n))): info for n, info in enumerate(listed)}
        return select(self._server, files.contents(packed), self._spec, volumes)

    async def _walk(self, archive: Archive) -> None:
        spaces = sorted({item.namespace for item in archive.items if item.namespace} | set(archive.own))
        missing = [name for name in spaces if self._server.live("namespaces", self._to(name)) is None]
        known = [name for name in spaces if self._counted(archive.namespaces.get(name))]
        progress = Progress(self._server, "restores", self.name, "itemsRestored", 0)
        steps = max(len(archive.items), self.script.items or 0)
        progress.total = steps + len(known) + len(missing) if steps else 0
        seconds = self.script.seconds
        pace = 1 / self._server.settings.restore_items_per_second if seconds is None else seconds / max(steps, 1)
        for name in archive.own:
            await self._namespace(name, self._to(name), archive)
        for number in range(steps):
            if number < len(archive.items):
                await self._item(archive.items[number], archive)
            progress.done = number + 1 + len(self._created)
            await progress.spend(pace)
        self._snapshots(archive)
        if self._takes("persistentvolumeclaims", "persistentvolumes"):
            self.record.volumes += await PodRestores(self._server, self._restore, self.record.journal).run(
                archive.volumes.values(), self._to, progress
            )
        await progress.settle()
        if self.script.outcome == "hangs":
            await self.script.gate.wait()
        progress.total = progress.done = steps + len(self._created)
        progress.tell()

    def _counted(self, space: Json | None) -> bool:
        """Return whether the estimate includes this namespace: if the selector matches. Namespaces to create are counted in addition."""
        return space is not None and selected(self._spec, space["metadata"].get("labels") or {})

    def _to(self, namespace: str) -> str:
        return self._mapping.get(namespace, namespace)

    def _takes(self, *plurals: str) -> bool:
        rules = Filter(self._spec, self._server.objects.kinds.values())
        return all(rules.takes_kind(self._server.objects.kind(plural)) for plural in plurals)

    async def _item(self, item: Item, archive: Archive) -> None:
        namespace = self._to(item.namespace)
        if namespace and not await self._namespace(item.namespace, namespace, archive, item.kind.kind):
            return
        if await self._left_out(item, archive):
            self._placing.note(item.kind, namespace, item.name, "skipped")
            return
        made = self._ready(item, namespace, archive)
        if item.kind.plural == "persistentvolumes" and self._renamed(item, archive):
            made = object_bodies.renamed(made, self._restore["metadata"]["uid"])
        modified = modify(made, item.kind.qualified, item.namespace, self._modifier)
        for error in modified.errors:
            self.record.journal.errors.add(error, namespace)
        action = self._placing.put(item.kind, namespace, modified.body)
        failed = bool(modified.errors) and action == "skipped"
        self._placing.note(item.kind, namespace, made["metadata"]["name"], "failed" if failed else action)

    def _ready(self, item: Item, namespace: str, archive: Archive) -> Json:
        keep = bool(self._spec.get("preserveNodePorts"))
        made = object_bodies.ready(item.body, item.kind.plural, namespace, self._to, node_ports=keep)
        if item.kind.plural == "pods" and (saved := archive.pod_volumes(item)):
            made = object_bodies.waiting(made, str(self._restore["metadata"]["uid"]), saved)
        if item.kind.plural == "persistentvolumeclaims" and self._keeps_volume(item, namespace, archive):
            made["spec"]["volumeName"] = item.body["spec"]["volumeName"]
        return made

    def _keeps_volume(self, item: Item, namespace: str, archive: Archive) -> bool:
        """A new PVC without data refers to the original volume, unless that is restored and provisioned again."""
        name = (item.body.get("spec") or {}).get("volumeName")
        if not name or self._server.live("persistentvolumeclaims", item.name, namespace) is not None:
            return False
        if (archive.volume(name) or {}).get("backupMethod"):
            return False
        volumes = (one.body for one in archive.items if one.kind.plural == "persistentvolumes" and one.name == name)
        return all((volume.get("spec") or {}).get("persistentVolumeReclaimPolicy") != "Delete" for volume in volumes)

    async def _left_out(self, item: Item, archive: Archive) -> bool:
        """Return whether Velero's own actions discard the object."""
        if item.kind.plural == "persistentvolumes":
            return not await self._volume_wanted(item, archive)
        if item.kind.plural == "secrets" and item.body.get("type") == "kubernetes.io/service-account-token":
            accounts = self._server.objects.list("serviceaccounts", item.namespace)
            return any(item.name.startswith(f"{one['metadata']['name']}-token-") for one in accounts)
        labels = item.body["metadata"].get("labels") or {}
        return item.kind.plural == "apiservices" and "kube-aggregator.kubernetes.io/automanaged" in labels

    async def _namespace(self, source: str, target: str, archive: Archive, kind: str = "Namespace") -> bool:
        """Create a missing namespace from the backup's; wait for a terminating one, once per kind."""
        waited = self._waited.get((target, kind), 0.0)
        while (found := self._server.live("namespaces", target)) is not None and phase(found) == "Terminating":
            if waited >= self._server.settings.terminating_timeout:
                return self._timed_out(target, kind)
            await self._server.clock.sleep(1)
            waited += 1
        if found is not None:
            return True
        body = archive.namespaces.get(source, {"metadata": {"name": source}})
        made = object_bodies.ready(body, "namespaces", "", node_ports=False)
        made["metadata"]["name"] = target
        made["metadata"].pop("namespace", None)
        (made["metadata"].get("labels") or {}).pop("kubernetes.io/metadata.name", None)
        try:
            self._server.objects.create("namespaces", None, self._placing.labelled(made))
        except ApiFailure as failure:
            return self._refused(target, failure.message)
        self._created.add(target)
        self._placing.note(self._server.objects.kind("namespaces"), "", target, "created")
        return True

    def _timed_out(self, target: str, kind: str) -> bool:
        if (target, kind) not in self._waited:
            why = "to disappear before restoring: context deadline exceeded"
            self.record.journal.errors.add(f"timed out waiting for terminating namespace {target} {why}", None)
        self._waited[target, kind] = self._server.settings.terminating_timeout
        return False

    def _refused(self, namespace: str, error: str) -> bool:
        """Report a namespace once, for all its objects."""
        text = f"error getting or creating namespace {namespace}: {error}"
        if text not in self.record.journal.errors.velero:
            self.record.journal.errors.add(text, None)
        return False

    async def _volume_wanted(self, item: Item, archive: Archive) -> bool:
        """A volume with a snapshot is restored unchanged; one that can be provisioned is left to the provisioner."""
        info = archive.volume(item.name) or {}
        method = info.get("backupMethod")
        if method in ("CSISnapshot", "PodVolumeBackup"):
            return False
        if method == "NativeSnapshot":
            if not self._renamed(item, archive):
                await self._released(item.name)
            return True
        return bool(item.body.get("spec", {}).get("persistentVolumeReclaimPolicy") != "Delete")

    def _renamed(self, item: Item, archive: Archive) -> bool:
        """Return whether the volume gets a new name: if the original exists and the namespace is mapped."""
        claim = item.body.get("spec", {}).get("claimRef") or {}
        native = (archive.volume(item.name) or {}).get("backupMethod") == "NativeSnapshot"
        there = self._server.live("persistentvolumes", item.name, "") is not None
        return native and there and claim.get("namespace") in self._mapping

    async def _released(self, name: str) -> None:
        """Wait for a volume that is being deleted, or whose PVC is; nothing is reported meanwhile."""
        waited = 0.0
        while waited < self._server.settings.terminating_timeout:
            volume = self._server.live("persistentvolumes", name, "")
            if volume is None or not self._leaving(volume):
                return
            await self._server.clock.sleep(1)
            waited += 1

    def _leaving(self, volume: Json) -> bool:
        claim = (volume.get("spec") or {}).get("claimRef")
        if phase(volume) == "Released" or volume["metadata"].get("deletionTimestamp"):
            return True
        if not claim:
            return False
        found = self._server.live("persistentvolumeclaims", claim["name"], claim["namespace"])
        space = self._server.live("namespaces", claim["namespace"])
        return found is None or bool(found["metadata"].get("deletionTimestamp")) or phase(space or {}) == "Terminating"

    def _snapshots(self, archive: Archive) -> None:
        """Record the info file's entries of volumes restored from a snapshot."""
        for info in archive.volumes.values():
            method = info.get("backupMethod")
            if method not in ("NativeSnapshot", "CSISnapshot") or self._spec.get("restorePVs") is False:
                continue
            if not any(i.kind.plural == "persistentvolumeclaims" and i.name == info["pvcName"] for i in archive.items):
                continue
            namespace, claim = self._to(info["pvcNamespace"]), info["pvcName"]
            name = snapshots.restored_name(self._restore["metadata"]["uid"], namespace, claim)
            if method == "CSISnapshot":
                self._placing.note(snapshots.SNAPSHOT, namespace, name, "created")
                self._placing.note(snapshots.CONTENT, "", name, "created")
            entry = {"pvcName": claim, "pvcNamespace": namespace, "pvName": info.get("pvName", "")}
            entry |= {"restoreMethod": method, "snapshotDataMoved": False}
            self.record.volumes.append(entry | snapshots.restored(info, name))

    def _hooks(self, archive: Archive) -> None:
        error = "" if self._server.settings.exec_works else NO_EXEC
        if self.script.outcome == "hook-fails":
            error = self.script.reason or FAILED
        pods = [replace(i, body=self._moved(i.body)) for i in archive.items if i.kind.plural == "pods"]
        run_restore_hooks(pods, self._spec, error, self.record.journal, self.record.hooks)

    def _moved(self, body: Json) -> Json:
        return {**body, "metadata": {**body["metadata"], "namespace": self._to(body["metadata"]["namespace"])}}

    def _told_outcome(self) -> None:
        journal, script = self.record.journal, self.script
        place = next(iter(self._targets()), "")
        place = "" if place == "*" else place
        if script.outcome == "warns":
            journal.warnings.add(script.reason or "could not restore an item", place)
        elif script.outcome == "partial":
            journal.errors.add(
                script.reason or "error restoring pods/web-0: timed out waiting for the condition", place
            )
        elif script.outcome == "fails":
            raise Fatal(script.reason or "error downloading backup: context deadline exceeded")

    def _told_findings(self) -> None:
        """Repeat the results in the log, warnings after errors."""
        journal = self.record.journal
        for level, words, found in (("error", "error", journal.errors), ("warning", "warning", journal.warnings)):
            for text in found.velero:
                journal.note(level, f"Velero restore {words}: {text}", CONTROLLER)
            for text in found.cluster:
                journal.note(level, f"Cluster resource restore {words}: {text}", CONTROLLER)
            for namespace, texts in found.namespaces.items():
                for text in texts:
                    journal.note(level, f"Namespace {namespace}, resource restore {words}: {text}", CONTROLLER)

    def _upload(self, bucket: Bucket) -> None:
        if bucket.faults.unavailable:
            raise Fatal("error uploading restore logs: the object store does not answer")
        written = {
            "RestoreLog": files.packed(self.record.journal.text),
            "RestoreResults": files.packed(self.record.journal.results),
            "RestoreResourceList": files.packed(files.resource_list(self.record.done)),
            "RestoreItemOperations": files.packed([]),
            "RestoreVolumeInfo": files.packed(self.record.volumes),
        }
        files.write(bucket, self._location, self.name, written)
