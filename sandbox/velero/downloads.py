"""DownloadRequests: a presigned link, even if the file doesn't exist."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from domain.json_types import Json
from sandbox.bucket import SIGNED_FOR
from sandbox.velero import files
from sandbox.velero.log import stamp
from sandbox.velero.server import Change, Server, moment, phase, status
from sandbox.velero.store import public_endpoint
from sandbox.velero.work import Tick, Work


class Downloads:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._work = Work(server.clock, self._reconcile, server.complain("download-request"))
        self._tick = Tick(server.clock, server.settings.cleanup_tick, self._due, self._clean)

    def seen(self, change: Change) -> None:
        if change.resource != "downloadrequests":
            return
        self._tick.touch()
        if change.type != "DELETED" and phase(change.new) != "Processed" and change.spec_changed:
            self._work.add(change.name)

    def loops(self) -> Iterator[Any]:
        yield self._work.run()
        yield self._tick.run()

    def killed(self) -> None:
        self._work.forget()

    async def _reconcile(self, name: str) -> None:
        """A request for an object that doesn't exist never gets a phase."""
        request = self._server.find("downloadrequests", name)
        if request is None or phase(request) == "Processed":
            return
        expiration = stamp(self._server.now() + SIGNED_FOR)
        url = self._url(request["spec"]["target"])
        if url is None:
            self._server.patch("downloadrequests", name, status={"expiration": expiration})
            return
        done = {"phase": "Processed", "downloadURL": url, "expiration": expiration}
        self._server.patch("downloadrequests", name, status=done)

    def _url(self, target: Json) -> str | None:
        backup = target["name"]
        if target["kind"] in files.RESTORE_FILES:
            restore = self._server.find("restores", target["name"])
            if restore is None:
                return None
            backup = restore["spec"].get("backupName", "")
        found = self._server.find("backups", backup)
        location = found and self._server.find("backupstoragelocations", found["spec"].get("storageLocation", ""))
        if not location:
            return None
        key = files.key_of(location, target["kind"], target["name"])
        bucket = str(location["spec"]["objectStorage"]["bucket"])
        return self._server.buckets.presign(bucket, key, endpoint=public_endpoint(self._server, location))

    def _expirations(self) -> Iterator[tuple[datetime, str]]:
        for request in self._server.all("downloadrequests"):
            if (when := moment(status(request).get("expiration"))) is not None:
                yield when, request["metadata"]["name"]

    def _due(self) -> datetime | None:
        return min((when for when, _ in self._expirations()), default=None)

    def _clean(self) -> None:
        for when, name in list(self._expirations()):
            if when <= self._server.now():
                self._server.remove("downloadrequests", name)
