"""ServerStatusRequests: the only way to see whether a server is running."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from domain.json_types import Json
from sandbox.velero.server import Change, Server, moment, phase, status
from sandbox.velero.work import Work

KEPT = timedelta(minutes=1)
_BUILT_IN = {
    "BackupItemAction": ("crd-remap-version", "pod", "pv", "service-account"),
    "BackupItemActionV2": ("csi-pvc-backupper", "csi-volumesnapshot-backupper", "csi-volumesnapshotcontent-backupper"),
    "DeleteItemAction": ("csi-volumesnapshotcontent-delete", "dataupload-delete"),
    "ItemBlockAction": ("pod", "pvc", "service-account"),
    "RestoreItemAction": ("add-pvc-from-pod", "change-image-name", "change-storage-class", "job", "pod", "service"),
    "RestoreItemActionV2": ("csi-pvc-restorer", "csi-volumesnapshot-restorer"),
}
_OF_PROVIDER = ("ObjectStore", "VolumeSnapshotter")


def plugins() -> list[Json]:
    """The provider's plugin exports the built-in plugins again, so each is listed twice."""
    named = [{"kind": kind, "name": f"velero.io/{name}"} for kind, names in _BUILT_IN.items() for name in names]
    own = [{"kind": kind, "name": "velero.io/aws"} for kind in _OF_PROVIDER]
    return sorted((*named, *named, *own), key=lambda plugin: (plugin["kind"], plugin["name"]))


class StatusRequests:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._work = Work(server.clock, self._reconcile, server.complain("server-status-request"))

    def seen(self, change: Change) -> None:
        if change.resource == "serverstatusrequests" and change.type != "DELETED":
            self._work.add(change.name)

    def loops(self) -> Iterator[Any]:
        yield self._work.run()

    def killed(self) -> None:
        self._work.forget()

    async def _reconcile(self, name: str) -> None:
        """Answer at once; remove the request at a reconciliation more than a minute later."""
        request = self._server.find("serverstatusrequests", name)
        if request is None:
            return
        if phase(request) != "Processed":
            answer: Json = {"phase": "Processed", "processedTimestamp": self._server.stamp(), "plugins": plugins()}
            if self._server.settings.version is not None:
                answer["serverVersion"] = self._server.settings.version
            self._server.patch("serverstatusrequests", name, status=answer)
        elif self._server.now() - (moment(status(request)["processedTimestamp"]) or self._server.now()) > KEPT:
            self._server.remove("serverstatusrequests", name)
            return
        self._work.add_later(name, self._server.settings.status_requeue)
