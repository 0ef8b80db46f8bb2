"""The restore controller: one worker for restores and their deletion, and the last phase."""

from collections.abc import Iterator
from typing import Any

from domain.json_types import Json
from sandbox.kubernetes.failures import ApiFailure
from sandbox.velero import files
from sandbox.velero.restores.checks import Known, check
from sandbox.velero.restores.run import Fatal, RestoreRun
from sandbox.velero.server import Change, Server, phase, status
from sandbox.velero.store import Unreachable, reach
from sandbox.velero.work import Work

FINALIZER = "restores.velero.io/external-resources-finalizer"
FINALIZING = ("Finalizing", "FinalizingPartiallyFailed")


class Restores:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._work = Work(server.clock, self._reconcile, server.complain("restore"))
        self._ends = Work(server.clock, self._finalize, server.complain("restore-finalizer"))

    def seen(self, change: Change) -> None:
        if change.resource == "backupstoragelocations" and phase(change.new) == "Available":
            for restore in self._server.all("restores"):
                self._queue(restore)
        elif change.resource == "restores" and change.type != "DELETED":
            self._queue(change.new)

    def _queue(self, restore: Json) -> None:
        name = restore["metadata"]["name"]
        if restore["metadata"].get("deletionTimestamp") or phase(restore) in ("", "New"):
            self._work.add(name)
        if phase(restore) in FINALIZING:
            self._ends.add(name)

    def loops(self) -> Iterator[Any]:
        yield self._work.run()
        yield self._ends.run()

    def killed(self) -> None:
        self._work.forget()
        self._ends.forget()

    async def _reconcile(self, name: str) -> None:
        restore = self._server.find("restores", name)
        if restore is None:
            return
        if restore["metadata"].get("deletionTimestamp"):
            self._release(restore)
        elif phase(restore) in ("", "New"):
            await self._start(restore)

    async def _start(self, restore: Json) -> None:
        name = restore["metadata"]["name"]
        finalizers = restore["metadata"].get("finalizers") or []
        if FINALIZER not in finalizers:
            restore = self._server.patch("restores", name, metadata={"finalizers": [*finalizers, FINALIZER]})
        checked = check(restore, self._known())
        if checked.errors:
            refused = {"phase": "FailedValidation", "validationErrors": list(checked.errors)}
            self._server.patch("restores", name, spec=checked.spec, status=refused)
            return
        started = {"phase": "InProgress", "startTimestamp": self._server.stamp()}
        restore = self._server.patch("restores", name, spec=checked.spec, status=started)
        backup = self._server.find("backups", restore["spec"]["backupName"])
        location = self._server.find("backupstoragelocations", (backup or restore)["spec"].get("storageLocation", ""))
        if backup is not None and location is not None:
            await self._run(RestoreRun(self._server, restore, backup, location))

    def _known(self) -> Known:
        configmaps = self._server.objects.list("configmaps", self._server.namespace)
        return Known(
            self._server.namespace,
            self._server.cache.of("backups"),
            self._server.cache.of("backupstoragelocations"),
            {str(configmap["metadata"]["name"]): configmap for configmap in configmaps},
        )

    async def _run(self, run: RestoreRun) -> None:
        try:
            await run.execute()
        except Fatal as fatal:
            ended = {"phase": "Failed", "failureReason": fatal.reason, "completionTimestamp": self._server.stamp()}
            self._server.patch("restores", run.name, status=run.record.counts() | ended)
            return
        partly = "PartiallyFailed" if run.record.journal.errors.count else ""
        ended = {"phase": f"Finalizing{partly}", **run.record.counts()}
        self._server.patch("restores", run.name, status=ended)
        self._hooks(run)

    def _hooks(self, run: RestoreRun) -> None:
        if self._server.find("restores", run.name) is not None:
            self._server.patch("restores", run.name, status={"hookStatus": run.record.hooks.json()})

    async def _finalize(self, name: str) -> None:
        restore = self._server.find("restores", name)
        if restore is None or phase(restore) not in FINALIZING or "hookStatus" not in status(restore):
            return
        location = self._location(restore)
        if location is None:
            return
        try:
            reach(self._server, location)
        except Unreachable as gone:
            self._server.say("error", "error finalizing restore", restore=name, error=gone.text)
            return
        ended = "PartiallyFailed" if phase(restore) == "FinalizingPartiallyFailed" else "Completed"
        done = {"phase": ended, "completionTimestamp": self._server.stamp()}
        self._server.patch("restores", name, status=done)

    def _location(self, restore: Json) -> Json | None:
        backup = self._server.find("backups", restore["spec"].get("backupName", ""))
        return backup and self._server.find("backupstoragelocations", backup["spec"].get("storageLocation", ""))

    def _release(self, restore: Json) -> None:
        """Delete the files first; while the location is unavailable, the object keeps its finalizer and is retried with growing delays."""
        name = restore["metadata"]["name"]
        location = self._location(restore)
        if location is not None:
            if phase(location) == "Unavailable":
                text = f"bsl {location['metadata']['name']} is unavailable, cannot get the backup info"
                raise ApiFailure(500, "", text)
            try:
                bucket = reach(self._server, location)
            except Unreachable as gone:
                raise ApiFailure(500, "", gone.text) from gone
            bucket.delete_under(f"{files.prefix_of(location)}restores/{name}/")
        kept = [word for word in restore["metadata"].get("finalizers") or () if word != FINALIZER]
        self._server.patch("restores", name, metadata={"finalizers": kept})
