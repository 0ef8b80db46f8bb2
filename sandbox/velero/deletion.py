"""DeleteBackupRequests: refused with a reason, or the backup, its files, restores and requests are deleted."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from domain.json_types import Json
from sandbox.velero import files
from sandbox.velero.names import valid_label
from sandbox.velero.server import Change, Server, labels, moment, phase
from sandbox.velero.store import Unreachable, reach
from sandbox.velero.work import Tick, Work

REQUESTS = "deletebackuprequests"
MAX_AGE = timedelta(hours=24)
RESTORES_WAIT = 60.0


class Deletions:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._work = Work(server.clock, self._reconcile, server.complain("backup-deletion"))
        self._tick = Tick(server.clock, 3600, self._oldest, self._clean)

    def seen(self, change: Change) -> None:
        if change.resource == REQUESTS:
            self._tick.touch()
            if change.type != "DELETED" and phase(change.new) in ("", "New"):
                self._work.add(change.name)

    def loops(self) -> Iterator[Any]:
        yield self._work.run()
        yield self._tick.run()

    def killed(self) -> None:
        self._work.forget()

    async def _reconcile(self, name: str) -> None:
        request = self._server.find(REQUESTS, name)
        if request is None or phase(request) not in ("", "New"):
            return
        backup_name = request["spec"]["backupName"]
        if not backup_name:
            self._refuse(name, "spec.backupName is required")
            return
        for other in self._siblings(backup_name):
            if other["metadata"]["name"] != name:
                self._server.remove(REQUESTS, other["metadata"]["name"])
        backup = self._server.live("backups", backup_name)
        refused = self._refusal(backup)
        if refused or backup is None:
            self._refuse(name, refused or "backup not found")
        else:
            await self._carry_out(request, backup)

    def _siblings(self, backup: str) -> list[Json]:
        label = valid_label(backup)
        return [r for r in self._server.all(REQUESTS) if labels(r).get("velero.io/backup-name") == label]

    def _refusal(self, backup: Json | None) -> str | None:
        if backup is None:
            return "backup not found"
        if phase(backup) in ("InProgress", "ReadyToStart"):
            return "backup is still in progress"
        name = backup["spec"].get("storageLocation") or ""
        location = self._server.find("backupstoragelocations", name)
        if location is None:
            return f"backup storage location {name} not found"
        refused = f"cannot delete backup because backup storage location {name} is currently in"
        if location["spec"].get("accessMode") == "ReadOnly":
            return f"{refused} read-only mode"
        return f"{refused} Unavailable state" if phase(location) == "Unavailable" else None

    def _refuse(self, name: str, error: str) -> None:
        self._server.patch(REQUESTS, name, status={"phase": "Processed", "errors": [error]})

    async def _carry_out(self, request: Json, backup: Json) -> None:
        name, backup_name, uid = request["metadata"]["name"], backup["metadata"]["name"], backup["metadata"]["uid"]
        own = labels(request)
        marked = {"velero.io/backup-name": valid_label(backup_name), "velero.io/backup-uid": uid}
        changes: Json = {"status": {"phase": "InProgress"}}
        if missing := {key: value for key, value in marked.items() if key not in own}:
            changes["metadata"] = {"labels": missing}
        self._server.patch(REQUESTS, name, **changes)
        self._server.patch("backups", backup_name, status={"phase": "Deleting"})
        await self._server.clock.sleep(self._server.settings.deletion_seconds)
        errors = self._remove_files(backup)
        await self._remove_restores(backup_name)
        if not errors:
            self._server.remove("backups", backup_name)
        ended: Json = {"phase": "Processed"} | ({"errors": errors} if errors else {})
        self._server.patch(REQUESTS, name, status=ended)
        if errors:
            return
        for done in self._siblings(backup_name):
            if labels(done).get("velero.io/backup-uid") == uid:
                self._server.remove(REQUESTS, done["metadata"]["name"])

    def _remove_files(self, backup: Json) -> list[str]:
        name = backup["metadata"]["name"]
        location = self._server.find("backupstoragelocations", backup["spec"]["storageLocation"])
        if location is None:
            return []
        try:
            bucket = reach(self._server, location)
        except Unreachable as gone:
            return [f"error getting the backup store: {gone.text}"]
        bucket.delete_under(f"{files.prefix_of(location)}backups/{name}/")
        return []

    async def _remove_restores(self, backup: str) -> None:
        """Delete the backup's restores and wait, for a limited time, until their finalizers have removed their files."""
        mine = [r["metadata"]["name"] for r in self._server.all("restores") if r["spec"].get("backupName") == backup]
        for name in mine:
            self._server.remove("restores", name)
        waited = 0.0
        while waited < RESTORES_WAIT and any(self._server.find("restores", name) for name in mine):
            await self._server.clock.sleep(0.1)
            waited += 0.1

    def _ages(self) -> Iterator[tuple[Any, str]]:
        for request in self._server.all(REQUESTS):
            created = moment(request["metadata"]["creationTimestamp"])
            if created is not None and phase(request) in ("InProgress", "Processed"):
                yield created + MAX_AGE, request["metadata"]["name"]

    def _oldest(self) -> Any:
        return min((when for when, _ in self._ages()), default=None)

    def _clean(self) -> None:
        for when, name in list(self._ages()):
            if when <= self._server.now():
                self._server.remove(REQUESTS, name)
