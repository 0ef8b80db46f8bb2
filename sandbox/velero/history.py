"""Weeks of past backups: objects are created at once, files when they are first read."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.json_types import Json
from sandbox.bucket import Bucket
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.schemas.kinds import KINDS
from sandbox.velero import durations, files
from sandbox.velero.log import RunLog, stamp
from sandbox.velero.names import timestamped
from sandbox.velero.selection import Item

FAULT = "timed out waiting for the condition"


@dataclass(frozen=True, slots=True)
class Past:
    """A schedule's runs at a fixed interval; the last one is just before `until`."""

    count: int
    until: datetime
    schedule: str = "nightly"
    namespace: str = "shop"
    every: timedelta = timedelta(days=1)
    lasting: timedelta = timedelta(seconds=42)
    ttl: timedelta | None = None
    location: str = "default"
    outcome: Callable[[int], str] = lambda _: "Completed"
    items: Callable[[int], int] = lambda _: 40

    @property
    def kept(self) -> timedelta:
        return self.ttl if self.ttl is not None else self.every * self.count + timedelta(days=30)


def seed(objects: Objects, bucket: Bucket, location: Json, past: Past, velero_namespace: str) -> list[str]:
    """Return the names of the added backups, oldest first."""
    return [_one(objects, bucket, location, past, velero_namespace, number) for number in range(past.count)]


def _one(objects: Objects, bucket: Bucket, location: Json, past: Past, velero_namespace: str, number: int) -> str:
    started = past.until - past.every * (past.count - number) + timedelta(seconds=19)
    name = timestamped(past.schedule, started)
    body = _body(past, number, name, started)
    created = objects.create("backups", velero_namespace, body)
    bucket.put(files.metadata_key(location, name), functools.partial(_dumped, created))
    maker = _Files(past, number, name, started)
    for kind in maker.makers:
        bucket.put(files.key_of(location, kind, name), maker.makers[kind])
    return name


def _dumped(body: Json) -> bytes:
    return json.dumps(body).encode()


def _body(past: Past, number: int, name: str, started: datetime) -> Json:
    labels = {"velero.io/schedule-name": past.schedule, "velero.io/storage-location": past.location}
    phase, items = past.outcome(number), past.items(number)
    status: Json = {
        "completionTimestamp": stamp(started + past.lasting),
        "expiration": stamp(started + past.kept),
        "formatVersion": "1.1.0",
        "hookStatus": {},
        "phase": phase,
        "progress": {"itemsBackedUp": items, "totalItems": items},
        "startTimestamp": stamp(started),
        "version": 1,
    }
    status |= {"errors": 1} if phase == "PartiallyFailed" else {}
    status |= {"failureReason": FAULT} if phase == "Failed" else {}
    spec = {
        "csiSnapshotTimeout": "10m0s",
        "defaultVolumesToFsBackup": False,
        "includedNamespaces": [past.namespace],
        "itemOperationTimeout": "4h0m0s",
        "snapshotMoveData": False,
        "storageLocation": past.location,
        "ttl": durations.text(past.kept),
    }
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}


class _Files:
    """The seven files of one backup, created on demand."""

    def __init__(self, past: Past, number: int, name: str, started: datetime) -> None:
        self._past = past
        self._number = number
        self._name = name
        self._started = started
        self.makers: dict[str, Callable[[], bytes]] = {
            "BackupLog": lambda: files.packed(self._journal().text),
            "BackupContents": lambda: files.archive(self._items()),
            "BackupResults": lambda: files.packed(self._journal().results),
            "BackupResourceList": lambda: files.packed(
                files.resource_list((item.type, item.listed) for item in self._items())
            ),
            "BackupItemOperations": lambda: files.packed([]),
            "BackupVolumeInfos": lambda: files.packed([]),
            "BackupVolumeSnapshots": lambda: files.packed([]),
        }

    def _items(self) -> list[Item]:
        spaces, maps = KINDS["namespaces"], KINDS["configmaps"]
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._past.namespace}}
        bodies = [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"settings-{n}", "namespace": self._past.namespace},
                "data": {"revision": str(self._number)},
            }
            for n in range(max(self._past.items(self._number) - 1, 0))
        ]
        return [Item(spaces, namespace), *(Item(maps, body) for body in bodies)]

    def _journal(self) -> RunLog:
        journal = RunLog(lambda: self._started, {"backup": f"velero/{self._name}"})
        journal.info(f"Including namespaces: {self._past.namespace}")
        for item in self._items():
            fields = {"name": item.name, "namespace": item.namespace, "resource": item.kind.qualified}
            journal.info("Backing up item", "pkg/backup/item_backupper.go:186", **fields)
        if self._past.outcome(self._number) == "PartiallyFailed":
            where = {"resource": "pods", "name": "web-0", "namespace": self._past.namespace}
            journal.error("Error backing up item", error=FAULT, **where)
        journal.info(f"Backed up a total of {len(self._items())} items", "pkg/backup/backup.go:684", progress="")
        return journal
