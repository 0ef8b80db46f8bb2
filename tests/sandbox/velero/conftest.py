"""A cluster with a Velero in it, seen through the Kubernetes API only, and the things that a test does to it from outside."""

import gzip
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from sandbox.bucket import Bucket, Buckets, Faults
from sandbox.clock import ManualClock
from sandbox.kubernetes.objects import Objects
from sandbox.velero.emulator import VeleroEmulator
from sandbox.velero.settings import VeleroSettings

Json = dict[str, Any]
START = datetime(2026, 11, 21, 11, 13, 19, tzinfo=UTC)
DEAD = "http://127.0.0.1:15999"


@dataclass(frozen=True)
class Seen:
    """One watch line."""

    type: str
    resource: str
    object: Json
    at: datetime

    @property
    def name(self) -> str:
        return self.object["metadata"]["name"]

    @property
    def phase(self) -> str:
        return (self.object.get("status") or {}).get("phase", "")


def phase(thing: Json | None) -> str:
    return ((thing or {}).get("status") or {}).get("phase", "")


class World:
    """What a client of the Kubernetes API can do; scenarios use nothing else, so they can run elsewhere too."""

    def __init__(self, objects: Objects, clock: ManualClock) -> None:
        self._objects = objects
        self._clock = clock
        self.lines: list[Seen] = []
        objects.on_change(self._watch)

    def _watch(self, kind: str, resource: str, old: Json | None, new: Json | None) -> None:
        self.lines.append(Seen(kind, resource, new or old or {}, self._clock.now()))

    async def create(
        self, resource: str, name: str, spec: Json | None = None, *, namespace: str | None = "velero", **more: Any
    ) -> Json:
        metadata = {"name": name, **more.pop("metadata", {})}
        body: Json = {"metadata": metadata, **more}
        if spec is not None:
            body["spec"] = spec
        return self._objects.create(resource, namespace, body)

    async def get(self, resource: str, name: str, namespace: str | None = "velero") -> Json | None:
        return self._objects.find(resource, namespace, name)

    async def all(self, resource: str, namespace: str | None = "velero") -> list[Json]:
        return self._objects.list(resource, namespace)

    async def patch(self, resource: str, name: str, patch: Json, namespace: str | None = "velero") -> Json:
        return self._objects.patch(resource, namespace, name, patch)

    async def delete(self, resource: str, name: str, namespace: str | None = "velero", **options: Any) -> None:
        self._objects.delete(resource, namespace, name, **options)

    def seen(self, resource: str, name: str) -> list[Seen]:
        return [line for line in self.lines if (line.resource, line.name) == (resource, name)]

    def phases(self, resource: str, name: str) -> list[str]:
        """Each phase once, in the order of the watch."""
        return [key for key, _ in itertools.groupby(line.phase for line in self.seen(resource, name))]

    async def pause(self, seconds: float) -> None:
        await self._clock.advance(seconds)

    def now(self) -> datetime:
        return self._clock.now()

    async def wait_for(self, predicate: Callable[[], Any], deadline: float = 60) -> Any:
        """The first true answer; nobody answering in time is a failure that says what was seen last."""
        until = self._clock.now() + timedelta(seconds=deadline)
        await self._clock.settle()
        while not (answer := predicate()):
            if not await self._clock.step(until) and not predicate():
                pytest.fail(f"not so within {deadline} s; last: {[(x.type, x.name, x.phase) for x in self.lines[-5:]]}")
        return answer

    async def ended(self, resource: str, name: str, deadline: float = 600) -> Json:
        """The object in a terminal phase."""
        ends = {"Completed", "PartiallyFailed", "Failed", "FailedValidation", "Processed"}

        def there() -> Json | None:
            found = self._objects.find(resource, "velero", name)
            return found if found is not None and phase(found) in ends else None

        return await self.wait_for(there, deadline)

    async def gone(self, resource: str, name: str, deadline: float = 60) -> None:
        await self.wait_for(lambda: self._objects.find(resource, "velero", name) is None, deadline)

    async def reaches(self, resource: str, name: str, wanted: str, deadline: float = 60) -> Json:
        def there() -> Json | None:
            found = self._objects.find(resource, "velero", name)
            return found if phase(found) == wanted else None

        return await self.wait_for(there, deadline)

    async def backup(self, name: str, namespaces: tuple[str, ...] = ("shop",), **spec: Any) -> Json:
        await self.create(
            "backups", name, {"includedNamespaces": list(namespaces), "storageLocation": "default"} | spec
        )
        return await self.ended("backups", name)

    async def restore(self, name: str, backup: str, **spec: Any) -> Json:
        await self.create("restores", name, {"backupName": backup, **spec})
        return await self.ended("restores", name)

    async def delete_backup(self, backup: str, request: str = "dbr", **labels: str) -> None:
        await self.create("deletebackuprequests", request, {"backupName": backup}, metadata={"labels": labels})

    async def location(self, name: str, **spec: Any) -> Json:
        body = {"provider": "aws", "objectStorage": {"bucket": "velero"}, "accessMode": "ReadWrite"} | spec
        return await self.create("backupstoragelocations", name, body)

    async def break_location(self, name: str = "default") -> None:
        """Point it at a port where nobody listens, and wait until Velero has noticed."""
        await self.patch("backupstoragelocations", name, {"spec": {"config": {"s3Url": DEAD}}})
        await self.reaches("backupstoragelocations", name, "Unavailable")

    async def mend_location(self, name: str = "default") -> None:
        await self.patch("backupstoragelocations", name, {"spec": {"config": {"s3Url": None}}})
        await self.reaches("backupstoragelocations", name, "Available")

    async def overdue(self, schedule: str) -> None:
        """As if its last run were years ago; a change of status alone wakes nobody."""
        await self.patch("schedules", schedule, {"status": {"lastBackup": "2020-01-01T00:00:00Z"}})

    async def runs_now(self, schedule: str) -> str:
        """Overdue and looked at: the name of the run."""
        before = len(self.runs(schedule))
        await self.overdue(schedule)
        await self.patch("schedules", schedule, {"spec": {"template": {"ttl": f"{100 + before}h0m0s"}}})
        return await self.next_run(schedule, after=before)

    async def next_run(self, schedule: str, *, after: int, deadline: float = 5) -> str:
        """The name of the run that follows so many."""
        await self.wait_for(lambda: len(self.runs(schedule)) > after, deadline)
        return self.runs(schedule)[after]

    def runs(self, schedule: str) -> list[str]:
        """Names of the backups that it has made, in their order."""
        added = [x for x in self.lines if x.type == "ADDED" and x.resource == "backups"]
        return [x.name for x in added if re.fullmatch(re.escape(schedule) + r"-\d{14}", x.name)]

    async def vanish(self, namespace: str) -> None:
        await self.delete("namespaces", namespace, None)
        await self.wait_for(lambda: self._objects.find("namespaces", None, namespace) is None)


class Outside:
    """What happens to the cluster and the store without the Kubernetes API."""

    def __init__(self, velero: VeleroEmulator, bucket: Bucket, clock: ManualClock) -> None:
        self.velero = velero
        self.bucket = bucket
        self.clock = clock

    async def kill(self) -> None:
        await self.velero.stop()

    async def restart(self) -> None:
        await self.velero.start()
        await self.clock.settle()

    async def store_down(self) -> None:
        self.bucket.fail(Faults(unavailable=True))

    async def store_up(self) -> None:
        self.bucket.fail()

    def hold(self, name: str, kind: Literal["backup", "restore"] = "backup") -> None:
        """Runs of this name stay in progress until they are released."""
        self.velero.script(name, outcome="hangs", kind=kind)

    def release(self, name: str) -> None:
        self.velero.release(name)

    async def sync(self, world: World) -> None:
        """A server that starts looks into the bucket, which else it does once a minute."""
        await self.kill()
        forgotten: Json = {"status": {"lastSyncedTime": None}}
        await world.patch("backupstoragelocations", "default", forgotten)
        await self.restart()

    def log(self) -> list[str]:
        """What the server has said to nobody in particular."""
        return self.velero.log

    def file(self, key: str) -> Any:
        """What lies under a key, unpacked where it is packed JSON or text."""
        content = self.bucket.get(key)
        if content is None:
            return None
        text = gzip.decompress(content).decode() if key.endswith(".gz") else content.decode()
        return json.loads(text) if "json" in key or key.endswith("results.gz") else text

    def results(self, name: str) -> Json:
        return self.file(f"backups/{name}/{name}-results.gz")

    def restored(self, name: str) -> tuple[Json, Json]:
        """Results and resource list of a restore."""
        base = f"restores/{name}/restore-{name}"
        return self.file(f"{base}-results.gz"), self.file(f"{base}-resource-list.json.gz")


async def furnish(world: World) -> None:
    """A namespace `shop` with four ConfigMaps and a Deployment."""
    await world.create("namespaces", "shop", namespace=None)
    for number in range(4):
        await world.create("configmaps", f"settings-{number}", namespace="shop", data={"color": "green"})
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod}
    await world.create("deployments", "web", spec, namespace="shop", metadata={"labels": labels})


def new_ids() -> Callable[[], str]:
    numbers: Iterator[int] = itertools.count(1)
    return lambda: f"{next(numbers):08x}-0000-4000-8000-000000000000"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def settings() -> VeleroSettings:
    return VeleroSettings(validation_period=5, sync_period=10, garbage_collection_period=10)


@pytest.fixture
def objects(clock: ManualClock) -> Objects:
    return Objects(now=clock.now, new_id=new_ids())


@pytest.fixture
def buckets(clock: ManualClock) -> Buckets:
    return Buckets(clock)


@pytest.fixture
async def velero(
    objects: Objects, buckets: Buckets, clock: ManualClock, settings: VeleroSettings
) -> AsyncIterator[VeleroEmulator]:
    emulator = VeleroEmulator(objects, buckets, clock, settings=settings, new_id=new_ids())
    yield emulator
    await emulator.stop()


@pytest.fixture
def outside(velero: VeleroEmulator, buckets: Buckets, clock: ManualClock) -> Outside:
    return Outside(velero, buckets.create("velero"), clock)


@pytest.fixture
async def world(objects: Objects, clock: ManualClock, velero: VeleroEmulator, outside: Outside) -> World:
    """Velero running, its location available, and a namespace `shop` with a few things in it."""
    world = World(objects, clock)
    await velero.start()
    await world.location("default")
    await furnish(world)
    await world.reaches("backupstoragelocations", "default", "Available")
    return world
