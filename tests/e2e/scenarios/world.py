"""A real cluster behind the names that the scenarios use: `World` (the Kubernetes API alone) and `Outside` (the rest)."""

import asyncio
import re
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

import pytest

from tests.e2e.api import Api, Json, Recorder, Refused, Resource, velero_resource
from tests.e2e.api import Seen as Event
from tests.e2e.cluster import LOCATION, RealCluster, location
from tests.e2e.door import Door
from tests.e2e.s3 import BUCKET
from tests.sandbox.velero.conftest import DEAD, Outside, Seen, World

KINDS = {
    "backups": "Backup",
    "restores": "Restore",
    "schedules": "Schedule",
    "backupstoragelocations": "BackupStorageLocation",
    "volumesnapshotlocations": "VolumeSnapshotLocation",
    "deletebackuprequests": "DeleteBackupRequest",
    "downloadrequests": "DownloadRequest",
    "serverstatusrequests": "ServerStatusRequest",
}
ELSEWHERE = {
    "deployments": ("apps/v1", "Deployment"),
    "clusterroles": ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    "clusterrolebindings": ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    "customresourcedefinitions": ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    "themes": ("blog.example.com/v1", "Theme"),
}
GRACE = 20.0  # seconds that a busy machine may take on top of what the scenario allows
POLL = 0.05
PATIENCE = 3.0  # seconds after which what has not happened does not happen
ANYBODY = "AWS4-HMAC-SHA256 Credential=anybody/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
"""The store looks whether somebody signs, not who."""
SPOKEN_OF = frozenset({"shop", "copy", "other", "sel", "shared", "gone", "a", "b", "n1", "n2", "n3"})
SHOP = "shop"
IN_SHOP = ("configmaps", "deployments", "secrets", "services", "serviceaccounts", "pods")
OUR_CLUSTER_OBJECTS = frozenset({"reader", "other", "themes.blog.example.com"})


def resource_of(plural: str) -> Resource:
    return velero_resource(plural) if plural in KINDS else Resource(ELSEWHERE.get(plural, ("v1", ""))[0], plural)


class RealWorld(World):
    """Lines come from watches; waiting is for lines where there are any, else for what a GET says."""

    def __init__(self, api: Api, store_url: str) -> None:
        self._api = api
        self._store_url = store_url
        self._recorders: list[tuple[str, Recorder]] = []

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for plural in KINDS:
                recorder = await stack.enter_async_context(self._api.watching(plural))
                self._recorders.append((plural, recorder))
            yield

    @property
    def lines(self) -> list[Seen]:  # type: ignore[override]
        told = [(event.at, plural, event) for plural, recorder in self._recorders for event in recorder.events]
        return [self._line(plural, event) for _, plural, event in sorted(told, key=lambda entry: entry[0])]

    def _line(self, plural: str, event: Event) -> Seen:
        ago = time.monotonic() - event.at
        return Seen(event.kind, plural, event.object, datetime.fromtimestamp(time.time() - ago, UTC))

    async def create(
        self, resource: str, name: str, spec: Json | None = None, *, namespace: str | None = "velero", **more: Any
    ) -> Json:
        metadata = {"name": name, **more.pop("metadata", {})}
        version, kind = ELSEWHERE.get(resource, ("", ""))
        body: Json = {"metadata": metadata, **more}
        if resource in KINDS:
            body |= {"apiVersion": "velero.io/v1", "kind": KINDS[resource]}
        elif version:
            body |= {"apiVersion": version, "kind": kind}
        if spec is not None:
            body["spec"] = spec
        return await self._api.create(resource_of(resource), body, namespace)

    async def get(self, resource: str, name: str, namespace: str | None = "velero") -> Json | None:
        return await self._api.get(resource_of(resource), name, namespace)

    async def all(self, resource: str, namespace: str | None = "velero") -> list[Json]:
        items: list[Json] = (await self._api.list(resource_of(resource), namespace))["items"]
        return items

    async def patch(self, resource: str, name: str, patch: Json, namespace: str | None = "velero") -> Json:
        return await self._api.patch(resource_of(resource), name, patch, namespace)

    async def delete(self, resource: str, name: str, namespace: str | None = "velero", **options: Any) -> None:
        policy = {"propagationPolicy": options["propagation"]} if "propagation" in options else {}
        await self._api.delete(resource_of(resource), name, namespace, **policy)

    async def pause(self, seconds: float) -> None:
        """While nothing happens; a scenario in which something does stays on the emulator."""
        await asyncio.sleep(min(seconds, PATIENCE))

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def wait_for(self, predicate: Callable[[], Any], deadline: float = 60) -> Any:
        until = time.monotonic() + deadline + GRACE
        while not (answer := predicate()):
            if time.monotonic() > until:
                said = [(x.type, x.name, x.phase) for x in self.lines[-5:]]
                pytest.fail(f"not so within {deadline} s; last: {said}")
            await asyncio.sleep(POLL)
        return answer

    def _last(self, resource: str, name: str) -> Seen | None:
        return next(reversed(self.seen(resource, name)), None)

    async def ended(self, resource: str, name: str, deadline: float = 60) -> Json:
        ends = {"Completed", "PartiallyFailed", "Failed", "FailedValidation", "Processed"}

        def there() -> Json | None:
            last = self._last(resource, name)
            return last.object if last is not None and last.type != "DELETED" and last.phase in ends else None

        found: Json = await self.wait_for(there, min(deadline, 120))
        return found

    async def gone(self, resource: str, name: str, deadline: float = 60) -> None:
        def gone() -> bool:
            last = self._last(resource, name)
            return last is not None and last.type == "DELETED"

        await self.wait_for(gone, deadline)

    async def reaches(self, resource: str, name: str, wanted: str, deadline: float = 60) -> Json:
        def there() -> Json | None:
            last = self._last(resource, name)
            return last.object if last is not None and last.phase == wanted and last.type != "DELETED" else None

        found: Json = await self.wait_for(there, deadline)
        return found

    async def location(self, name: str, **spec: Any) -> Json:
        made = location(self._store_url, "ReadWrite", name)
        bucket = {"objectStorage": {"bucket": "velero"}}
        return await self.create("backupstoragelocations", name, {**made["spec"], "default": False, **bucket, **spec})

    async def break_location(self, name: str = LOCATION) -> None:
        await self.patch("backupstoragelocations", name, {"spec": {"config": {"s3Url": DEAD}}})
        await self.reaches("backupstoragelocations", name, "Unavailable")

    async def mend_location(self, name: str = LOCATION) -> None:
        await self.patch("backupstoragelocations", name, {"spec": {"config": {"s3Url": self._store_url}}})
        await self.reaches("backupstoragelocations", name, "Available")

    async def vanish(self, namespace: str) -> None:
        await self._api.delete(resource_of("namespaces"), namespace)
        await self._api.wait_gone(resource_of("namespaces"), namespace, within=60)


class RealBucket:
    """The bucket as the scenarios look at it: at once, between two steps of theirs."""

    def __init__(self, url: str) -> None:
        self._url = url

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes | None:
        headers = {"Authorization": ANYBODY}
        request = urllib.request.Request(f"{self._url}/{path}", data=body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                content: bytes = response.read()
                return content
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return None
            raise

    def keys(self, prefix: str = "") -> list[str]:
        listed = self._ask("GET", f"?list-type=2&prefix={quote(prefix)}") or b""
        return re.findall("<Key>([^<]*)</Key>", listed.decode())

    def get(self, key: str) -> bytes | None:
        return self._ask("GET", quote(key))

    def put(self, key: str, content: bytes) -> None:
        self._ask("PUT", quote(key), content)

    def delete_under(self, prefix: str) -> None:
        for key in self.keys(prefix):
            self._ask("DELETE", quote(key))

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None


class RealOutside(Outside):
    """A run is held in its upload, at the door before the store."""

    def __init__(self, cluster: RealCluster, door: Door) -> None:
        self._cluster = cluster
        self._door = door
        self._said = self._log_size()
        self.files = RealBucket(f"{cluster.store.url}/{cluster.bucket}")
        self.bucket = self.files  # type: ignore[assignment]

    def _log_size(self) -> int:
        return self._cluster.velero.process.log.stat().st_size

    def log(self) -> list[str]:
        with self._cluster.velero.process.log.open("rb") as said:
            said.seek(self._said)
            return said.read().decode(errors="replace").splitlines()

    def hold(self, name: str, kind: Literal["backup", "restore"] = "backup") -> None:
        self._door.hold(upload(name, kind))

    def release(self, name: str) -> None:
        for kind in ("backup", "restore"):
            self._door.release(upload(name, kind))

    async def store_down(self) -> None:
        await self._door.shut()

    async def store_up(self) -> None:
        await self._door.open()

    async def as_before(self) -> None:
        """Nothing held, the store within reach, Velero running."""
        held = self._door.release_all()
        await self._door.open()
        if not self._cluster.velero.process.alive or held:
            await self._cluster.velero.restart()

    async def kill(self) -> None:
        await self._cluster.velero.kill()

    async def restart(self) -> None:
        await self._cluster.velero.start()


def upload(name: str, kind: str) -> str:
    pattern = name.replace("*", "[^/]*")
    return f"PUT /{BUCKET}/{kind}s/{pattern}/"


async def clear(cluster: RealCluster, bucket: RealBucket, kept: Mapping[str, str]) -> None:
    """As if nothing had been: no objects of Velero's, no files, none of the namespaces that scenarios speak of.

    `shop` stays where it is as `kept` has it: a namespace takes five seconds to go.
    """
    api = cluster.api
    for item in (await api.list("restores"))["items"]:
        await api.patch("restores", item["metadata"]["name"], {"metadata": {"finalizers": None}})
    bucket.delete_under("")
    for plural in KINDS:
        await api.do("DELETE", api.path(plural))
    await api.do("DELETE", api.path(resource_of("configmaps")))
    stay = {SHOP} if kept and await versions(api) == kept else set()
    everywhere = resource_of("namespaces")
    there = {item["metadata"]["name"] for item in (await api.list(everywhere))["items"]}
    going = sorted(there & SPOKEN_OF - stay)
    for name in going:
        await remove_namespace(api, name)
    for name in going:
        await api.wait_gone(everywhere, name, within=60)
    for plural in ("clusterroles", "clusterrolebindings"):
        await remove_ours(api, plural)
    if await remove_ours(api, "customresourcedefinitions"):
        await cluster.velero.restart()  # what kinds there are it asks at its start


async def versions(api: Api) -> dict[str, str]:
    """What lies in `shop`, and at which revision."""
    found = {}
    for plural in IN_SHOP:
        for item in (await api.list(resource_of(plural), SHOP))["items"]:
            found[f"{plural}/{item['metadata']['name']}"] = item["metadata"]["resourceVersion"]
    return found


async def remove_namespace(api: Api, name: str) -> None:
    """Pods have no kubelet here that would end them."""
    await api.do("DELETE", api.path(resource_of("pods"), namespace=name), params={"gracePeriodSeconds": "0"})
    try:
        await api.delete(resource_of("namespaces"), name)
    except Refused as refusal:
        if refusal.status not in {404, 409}:
            raise


async def remove_ours(api: Api, plural: str) -> bool:
    """Whether there was any."""
    there = [item["metadata"]["name"] for item in (await api.list(resource_of(plural)))["items"]]
    ours = [name for name in there if name in OUR_CLUSTER_OBJECTS]
    for name in ours:
        await api.delete(resource_of(plural), name)
        await api.wait_gone(resource_of(plural), name)
    return bool(ours)
