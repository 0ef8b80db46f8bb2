"""Garbage collection: a deletion request for every expired backup."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from domain.json_types import Json
from sandbox.velero.names import valid_label
from sandbox.velero.server import Change, Server, labels, moment, phase, status
from sandbox.velero.work import Tick, Work

LABEL = "velero.io/gc-failure"


class GarbageCollection:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._work = Work(server.clock, self._reconcile, server.complain("gc"))
        self._tick = Tick(server.clock, server.settings.garbage_collection_period, self._due, self._sweep)

    def seen(self, change: Change) -> None:
        """Only creation triggers a check; later changes wait for the next round."""
        if change.resource != "backups" or change.type == "DELETED":
            return
        self._tick.touch()
        if change.type == "ADDED":
            self._work.add(change.name)

    def loops(self) -> Iterator[Any]:
        yield self._work.run()
        yield self._tick.run()

    def killed(self) -> None:
        self._work.forget()

    def _expirations(self) -> Iterator[tuple[datetime, str]]:
        for backup in self._server.all("backups"):
            when = moment(status(backup).get("expiration"))
            if when is not None and LABEL not in labels(backup) and phase(backup) != "Deleting":
                yield when, backup["metadata"]["name"]

    def _due(self) -> datetime | None:
        return min((when for when, _ in self._expirations()), default=None)

    def _sweep(self) -> None:
        for backup in self._server.all("backups"):
            when = moment(status(backup).get("expiration"))
            if when is not None and when < self._server.now():
                self._work.add(backup["metadata"]["name"])

    async def _reconcile(self, name: str) -> None:
        backup = self._server.find("backups", name)
        when = moment(status(backup or {}).get("expiration"))
        if backup is None or when is None or when >= self._server.now():
            return
        failure = self._failure(backup)
        if failure != labels(backup).get(LABEL):
            self._server.patch("backups", name, metadata={"labels": {LABEL: failure}})
        if failure is None and not self._requested(name):
            self._request(backup)

    def _failure(self, backup: Json) -> str | None:
        name = backup["spec"].get("storageLocation") or ""
        location = self._server.find("backupstoragelocations", name)
        if location is None:
            text = f'error getting backup storage location: BackupStorageLocation.velero.io "{name}" not found'
            self._server.say("warning", text, backup=backup["metadata"]["name"])
            return "BSLNotFound"
        return "BSLReadOnly" if location["spec"].get("accessMode") == "ReadOnly" else None

    def _requested(self, backup: str) -> bool:
        label = valid_label(backup)
        requests = self._server.all("deletebackuprequests")
        mine = [r for r in requests if labels(r).get("velero.io/backup-name") == label]
        return any(phase(request) in ("", "New", "InProgress") for request in mine)

    def _request(self, backup: Json) -> None:
        name, uid = backup["metadata"]["name"], backup["metadata"]["uid"]
        marked = {"velero.io/backup-name": valid_label(name), "velero.io/backup-uid": uid}
        body = {"metadata": {"generateName": f"{name}-", "labels": marked}, "spec": {"backupName": name}}
        self._server.create("deletebackuprequests", body)
