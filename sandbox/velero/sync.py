"""Backup sync: creates objects for backups in the bucket, and deletes objects without files."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from domain.json_types import Json
from sandbox.bucket import Bucket
from sandbox.kubernetes.failures import ApiFailure
from sandbox.velero import durations, files
from sandbox.velero.names import valid_label
from sandbox.velero.server import TERMINAL, Change, Server, labels, moment, phase, status
from sandbox.velero.store import Unreachable, reach
from sandbox.velero.work import Tick

LOCATIONS = "backupstoragelocations"
LABEL = "velero.io/storage-location"
KEPT = ("name", "labels", "annotations", "ownerReferences")


class Sync:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._tick = Tick(server.clock, server.settings.sync_tick, self._due, self._sweep)
        self._synced: dict[str, datetime] = {}
        self._dirty = True
        server.buckets.listeners.append(self._changed)

    def seen(self, change: Change) -> None:
        if change.resource == LOCATIONS or (change.resource == "backups" and change.type == "DELETED"):
            self._changed()

    def _changed(self) -> None:
        self._dirty = True
        self._tick.touch()

    def loops(self) -> Iterator[Any]:
        yield self._run()

    async def _run(self) -> None:
        """Sync at the start and then once a minute."""
        self._sweep()
        await self._tick.run()

    def killed(self) -> None:
        self._server.buckets.listeners.remove(self._changed)

    def _again(self, location: Json) -> datetime | None:
        given = location["spec"].get("backupSyncPeriod")
        parsed = durations.parse(str(given)) if given is not None else None
        period = timedelta(seconds=self._server.settings.sync_period) if parsed is None else parsed
        if not period or phase(location) != "Available":
            return None
        known = moment(status(location).get("lastSyncedTime"))
        last = self._synced.get(location["metadata"]["name"], known)
        return self._server.now() if last is None else last + period

    def _due(self) -> datetime | None:
        if not (self._dirty or self._server.settings.heartbeats):
            return None
        whens = (self._again(location) for location in self._server.all(LOCATIONS))
        return min((when for when in whens if when is not None), default=None)

    def _sweep(self) -> None:
        self._dirty = False
        for location in self._server.all(LOCATIONS):
            when = self._again(location)
            if when is not None and when <= self._server.now():
                self._sync(location)

    def _sync(self, location: Json) -> None:
        name = location["metadata"]["name"]
        try:
            bucket = reach(self._server, location)
        except Unreachable as gone:
            self._server.say("error", "Error getting backup store for this location", error=gone.text, location=name)
            return
        present = set(bucket.directories(f"{files.prefix_of(location)}backups/"))
        known = self._server.cache.of("backups")
        for backup in sorted(present - known.keys()):
            self._add(bucket, location, backup)
        for orphan in [b for b in known.values() if self._orphaned(b, name, present)]:
            self._server.remove("backups", orphan["metadata"]["name"])
        self._synced[name] = self._server.now()
        if self._server.settings.heartbeats:
            self._server.patch(LOCATIONS, name, status={"lastSyncedTime": self._server.stamp()})

    def _orphaned(self, backup: Json, location: str, present: set[str]) -> bool:
        mine = labels(backup).get(LABEL) == valid_label(location)
        done = phase(backup) in ("Completed", "PartiallyFailed")
        return mine and done and backup["metadata"]["name"] not in present

    def _add(self, bucket: Bucket, location: Json, name: str) -> None:
        text = bucket.get(files.metadata_key(location, name))
        if text is None:
            return
        stored = json.loads(text)
        if phase(stored) not in TERMINAL:
            return
        metadata = {key: value for key, value in stored["metadata"].items() if key in KEPT}
        here = location["metadata"]["name"]
        metadata["labels"] = {**(metadata.get("labels") or {}), LABEL: valid_label(here)}
        metadata["ownerReferences"] = [owner for owner in metadata.get("ownerReferences", ()) if self._known(owner)]
        if not metadata["ownerReferences"]:
            del metadata["ownerReferences"]
        spec = {**stored["spec"], "storageLocation": here}
        try:
            created = self._server.create("backups", {"metadata": metadata, "spec": spec, "status": stored["status"]})
        except ApiFailure as failure:
            self._server.say("error", "Error syncing backup into cluster", backup=name, error=failure.message)
            return
        self._pod_volumes(bucket, location, created)

    def _known(self, owner: Json) -> bool:
        """Return whether the owner still exists: a schedule that is gone or was recreated owns nothing."""
        if owner["kind"] != "Schedule":
            return True
        schedule = self._server.find("schedules", owner["name"])
        return schedule is not None and schedule["metadata"]["uid"] == owner["uid"]

    def _pod_volumes(self, bucket: Bucket, location: Json, backup: Json) -> None:
        name = backup["metadata"]["name"]
        packed = bucket.get(files.pod_volume_backups_key(location, name))
        for stored in files.unpacked(packed) if packed else ():
            if self._server.live("podvolumebackups", stored["metadata"]["name"]) is not None:
                continue
            metadata = {key: value for key, value in stored["metadata"].items() if key in ("name", "labels")}
            owner = {"apiVersion": "velero.io/v1", "kind": "Backup", "name": name, "uid": backup["metadata"]["uid"]}
            metadata["ownerReferences"] = [owner | {"controller": True}]
            body = {"metadata": metadata, "spec": stored["spec"], "status": stored.get("status", {})}
            self._server.create("podvolumebackups", body)
