"""Raw HTTP to a Kubernetes API server: JSON in, JSON out, and waiting on watch events with a deadline."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

JSON_TYPE = "application/json"
MERGE_PATCH = "application/merge-patch+json"
VELERO = "velero.io/v1"
STARTING = frozenset({404, 429, 500, 503})  # what an API server may say in its first second
CLUSTER_SCOPED = frozenset(
    {"namespaces", "clusterroles", "clusterrolebindings", "persistentvolumes", "customresourcedefinitions"}
)

Json = dict[str, Any]
Predicate = Callable[[Json], bool]


class Refused(Exception):
    """The API server answered with an error."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any  # parsed where it is JSON, else text


@dataclass(frozen=True, slots=True)
class Resource:
    """Where the objects of one kind live, e.g. `Resource("velero.io/v1", "backups")`."""

    api_version: str
    plural: str

    def path(self, namespace: str | None, name: str | None = None) -> str:
        root = "/api/v1" if self.api_version == "v1" else f"/apis/{self.api_version}"
        scope = "" if namespace is None or self.plural in CLUSTER_SCOPED else f"/namespaces/{namespace}"
        return f"{root}{scope}/{self.plural}" + ("" if name is None else f"/{name}")


def velero_resource(plural: str) -> Resource:
    return Resource(VELERO, plural)


@dataclass(frozen=True, slots=True)
class Seen:
    """One watch event, with the second (of the monotonic clock) in which it came."""

    at: float
    kind: str
    object: Json

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])

    @property
    def phase(self) -> str | None:
        phase = self.object.get("status", {}).get("phase")
        return None if phase is None else str(phase)


@dataclass(slots=True)
class Recorder:
    """Everything that a watch has said so far; `until` waits for more."""

    events: list[Seen] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, event: Seen) -> None:
        self.events.append(event)
        self._news.set()
        self._news = asyncio.Event()

    def of(self, name: str) -> list[Seen]:
        return [event for event in self.events if event.name == name]

    def phases(self, name: str) -> list[str | None]:
        """The phases of one object in their order, each once for as long as it lasted."""
        found = [event.phase for event in self.of(name)]
        return [phase for i, phase in enumerate(found) if i == 0 or found[i - 1] != phase]

    async def until(self, wanted: Callable[[Seen], bool], within: float = 30.0) -> Seen:
        """The first event that fits, be it past or to come."""
        checked = 0
        try:
            async with asyncio.timeout(within):
                while True:
                    news = self._news
                    for event in self.events[checked:]:
                        checked += 1
                        if wanted(event):
                            return event
                    await news.wait()
        except TimeoutError:
            seen = [f"{event.kind} {event.name} {event.phase}" for event in self.events[-20:]]
            raise AssertionError(f"nothing that fits within {within} s; seen: {seen}") from None

    async def until_phase(self, name: str, *phases: str, within: float = 30.0) -> Json:
        return (await self.until(lambda event: event.name == name and event.phase in phases, within)).object


@dataclass(slots=True)
class Api:
    """One identity's view of one API server."""

    session: aiohttp.ClientSession
    url: str
    token: str
    tls: ssl.SSLContext
    namespace: str

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = JSON_TYPE,
    ) -> Answer:
        """Any call; never raises for what the server answers."""
        data = None if body is None else json.dumps(body)
        async with self.session.request(
            method, self.url + path, data=data, params=params, headers=self._headers(content_type), ssl=self.tls
        ) as response:
            text = await response.text()
            body = json.loads(text) if response.content_type == JSON_TYPE else text
            return Answer(response.status, response.headers, body)

    def _headers(self, content_type: str = JSON_TYPE) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}

    async def do(self, method: str, path: str, body: Any = None, **kwargs: Any) -> Json:
        """A call that has to succeed, as soon as the storage of a new kind is ready."""
        answer = await self.call(method, path, body, **kwargs)
        while answer.status == 429:
            await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))
            answer = await self.call(method, path, body, **kwargs)
        if answer.status >= 400:
            raise Refused(answer.status, answer.body)
        assert isinstance(answer.body, dict)
        return answer.body

    def path(self, resource: Resource | str, name: str | None = None, namespace: str | None = None) -> str:
        """A bare plural means Velero's kind; its objects live in Velero's namespace."""
        resource = velero_resource(resource) if isinstance(resource, str) else resource
        return resource.path(namespace or self.namespace, name)

    async def get(self, resource: Resource | str, name: str, namespace: str | None = None) -> Json | None:
        answer = await self.call("GET", self.path(resource, name, namespace))
        if answer.status == 404:
            return None
        if answer.status >= 400:
            raise Refused(answer.status, answer.body)
        assert isinstance(answer.body, dict)
        return answer.body

    async def list(self, resource: Resource | str, namespace: str | None = None, **params: str) -> Json:
        return await self.do("GET", self.path(resource, namespace=namespace), params=params)

    async def create(self, resource: Resource | str, body: Json, namespace: str | None = None) -> Json:
        return await self.do("POST", self.path(resource, namespace=namespace), body)

    async def patch(self, resource: Resource | str, name: str, body: Json, namespace: str | None = None) -> Json:
        """A merge patch, the only kind that the product uses."""
        return await self.do("PATCH", self.path(resource, name, namespace), body, content_type=MERGE_PATCH)

    async def delete(self, resource: Resource | str, name: str, namespace: str | None = None, **params: str) -> Json:
        return await self.do("DELETE", self.path(resource, name, namespace), params=params)

    async def apply(self, *manifests: Json) -> None:
        """Creates each manifest, or merges it over what is there; the plural is guessed from the kind."""
        for manifest in manifests:
            resource = resource_of(manifest)
            namespace = manifest["metadata"].get("namespace")
            answer = await self.call("POST", resource.path(namespace), manifest)
            if answer.status == 409:
                await self.patch(resource, manifest["metadata"]["name"], manifest, namespace)
            elif answer.status >= 400:
                raise Refused(answer.status, answer.body)

    async def watch(self, path: str, **params: str) -> AsyncIterator[Json]:
        """The lines of one watch, until the server ends it."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=None)
        async with self.session.get(
            self.url + path,
            params={"watch": "1", "allowWatchBookmarks": "true", **params},
            headers=self._headers(),
            ssl=self.tls,
            timeout=timeout,
        ) as response:
            if response.status != 200:
                raise Refused(response.status, await response.text())
            buffer = b""
            async for chunk in response.content.iter_any():
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    yield json.loads(line)

    @asynccontextmanager
    async def watching(self, resource: Resource | str, namespace: str | None = None) -> AsyncIterator[Recorder]:
        """Records every event from now on, over ends of the stream; what is there already is not an event."""
        recorder = Recorder()
        path = self.path(resource, namespace=namespace)
        start = await self.do("GET", path)
        recording = asyncio.create_task(self._record(recorder, path, start))
        try:
            yield recorder
        finally:
            recording.cancel()
            (outcome,) = await asyncio.gather(recording, return_exceptions=True)
            if isinstance(outcome, Exception):
                raise outcome

    async def _record(self, recorder: Recorder, path: str, start: Json) -> None:
        known = {item["metadata"]["uid"]: item for item in start["items"]}
        version = start["metadata"]["resourceVersion"]
        while True:
            try:
                async for line in self.watch(path, resourceVersion=version):
                    if line["type"] == "ERROR":  # routine after a restart of the API server
                        version = await self._catch_up(recorder, path, known)
                        break
                    version = line["object"]["metadata"]["resourceVersion"]
                    if line["type"] != "BOOKMARK":
                        remember(known, line)
                        recorder.add(Seen(time.monotonic(), line["type"], line["object"]))
            except (aiohttp.ClientError, Refused) as error:
                if isinstance(error, Refused) and error.status not in STARTING:
                    raise
                await asyncio.sleep(0.2)

    async def _catch_up(self, recorder: Recorder, path: str, known: dict[str, Json]) -> str:
        """Lists again and reports the differences as events."""
        listed = await self.do("GET", path)
        now = {item["metadata"]["uid"]: item for item in listed["items"]}
        for uid in known.keys() - now.keys():
            recorder.add(Seen(time.monotonic(), "DELETED", known.pop(uid)))
        for uid, item in now.items():
            if known.get(uid, {}).get("metadata", {}).get("resourceVersion") != item["metadata"]["resourceVersion"]:
                recorder.add(Seen(time.monotonic(), "MODIFIED" if uid in known else "ADDED", item))
        known.update(now)
        return str(listed["metadata"]["resourceVersion"])

    async def wait(
        self,
        resource: Resource | str,
        name: str,
        wanted: Predicate,
        *,
        within: float = 30.0,
        namespace: str | None = None,
    ) -> Json:
        """The object once it is as wanted, be it so already or told by the watch."""
        async with self.watching(resource, namespace) as seen:
            there = await self.get(resource, name, namespace)
            if there is not None and wanted(there):
                return there
            return (
                await seen.until(lambda e: e.name == name and e.kind != "DELETED" and wanted(e.object), within)
            ).object

    async def wait_gone(
        self, resource: Resource | str, name: str, *, within: float = 30.0, namespace: str | None = None
    ) -> None:
        async with self.watching(resource, namespace) as seen:
            if await self.get(resource, name, namespace) is not None:
                await seen.until(lambda e: e.name == name and e.kind == "DELETED", within)

    async def wait_phase(self, resource: Resource | str, name: str, *phases: str, within: float = 30.0) -> Json:
        return await self.wait(resource, name, lambda o: o.get("status", {}).get("phase") in phases, within=within)


def remember(known: dict[str, Json], line: Json) -> None:
    uid = line["object"]["metadata"]["uid"]
    if line["type"] == "DELETED":
        known.pop(uid, None)
    else:
        known[uid] = line["object"]


def resource_of(manifest: Json) -> Resource:
    kind = str(manifest["kind"]).lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return Resource(manifest["apiVersion"], plural)
