"""A scripted API server: the test gives the reply to the n-th watch or list as a function."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
import yaml
from aiohttp import web

from velero.api import Api
from velero.connection import Direct, Kubeconfig
from velero.health import HealthBoard
from velero.reflector import Reflector, ReflectorTimes
from velero.resources.backups import backup_rows

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"
FAST = ReflectorTimes(
    silence_timeout=0.3,
    backoff_base=0.01,
    backoff_cap=0.05,
    lasting_error_delay=0.02,
    min_stream_seconds=0.2,
    batch_seconds=0.005,
    page_size=2,
)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def backup(name: str, phase: str = "", rv: str = "1", uid: str = "") -> dict:
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {"name": name, "namespace": "velero", "uid": uid or f"uid-{name}", "resourceVersion": rv},
        "spec": {"storageLocation": "default"},
        "status": {"phase": phase} if phase else {},
    }


def event(type_: str, source: dict) -> bytes:
    return json.dumps({"type": type_, "object": source}).encode() + b"\n"


def bookmark(rv: str) -> bytes:
    return event("BOOKMARK", {"kind": "Backup", "apiVersion": "velero.io/v1", "metadata": {"resourceVersion": rv}})


def failed(code: int, message: str = "", reason: str = "", details: dict | None = None) -> dict:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
    return {**status, **({"reason": reason} if reason else {}), **({"details": details} if details else {})}


TOO_OLD = event("ERROR", failed(410, "too old resource version: 1 (260)", "Expired"))


def says(body: str | bytes, status: int = 200, content_type: str = "application/json", **headers: str) -> Answer:
    payload = body.encode() if isinstance(body, str) else body

    async def answer(_: web.Request) -> web.Response:
        spelled = {key.replace("_", "-"): value for key, value in headers.items()}
        return web.Response(body=payload, status=status, headers={"Content-Type": content_type, **spelled})

    return answer


def says_json(body: dict, status: int = 200, **headers: str) -> Answer:
    return says(json.dumps(body), status, **headers)


def streams(*pieces: bytes, then: str = "close") -> Answer:
    """Sends the pieces; then closes cleanly, cuts the connection (`cut`) or says nothing more (`hang`)."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if then == "cut":
            request.transport.abort()
        elif then == "hang":
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
        return response

    return answer


@dataclass
class Server:
    """`lists` and `watches` are used up one by one; the last one answers for ever. `other` serves the rest by path."""

    lists: list[Answer] = field(default_factory=list)
    watches: list[Answer] = field(default_factory=list)
    other: dict[str, Answer] = field(default_factory=dict)
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        if (answer := self.other.get(f"{request.method} {request.path}")) is not None:
            return await answer(request)
        script = self.watches if request.query.get("watch") else self.lists
        if not script:
            return await says_json(failed(404, "404", details={"name": "x"}), 404)(request)
        return await (script.pop(0) if len(script) > 1 else script[0])(request)

    @property
    def watched_from(self) -> list[str]:
        return [request.query["resourceVersion"] for request in self.requests if request.query.get("watch")]

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")


def lists(*objects: dict, rv: str = "100", token: str = "") -> Answer:
    metadata = {"resourceVersion": rv, "continue": token}
    return says_json({"kind": "BackupList", "apiVersion": "velero.io/v1", "metadata": metadata, "items": list(objects)})


@pytest.fixture
async def server():
    scripted = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", scripted.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield scripted
    await runner.cleanup()


@pytest.fixture
async def api(server):
    one = Api("prod", Direct(server.url, "secret-token"))
    yield one
    await one.close()


@pytest.fixture
def board():
    return HealthBoard("prod", lambda: NOW)


@dataclass
class Follower:
    """A consumer: keeps what it committed, and can be asked to stop after something."""

    api: Api
    board: HealthBoard
    known: dict[str, str] = field(default_factory=dict)
    seen: list = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def reflector(self, place: str = "", pace: ReflectorTimes = FAST) -> Reflector:
        async def known() -> dict[str, str]:
            return dict(self.known)

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            await asyncio.sleep(min(seconds, 0.05))

        gateway = backup_rows(self.api, "velero")
        return Reflector(gateway, self.board, known, Random(1), resource_version=place, times=pace, sleep=sleep)

    async def until(self, done: Callable[["Follower"], bool], place: str = "", pace: ReflectorTimes = FAST) -> None:
        batches = self.reflector(place, pace).batches()
        try:
            async with asyncio.timeout(10):
                async for batch in batches:
                    self.commit(batch)
                    if done(self):
                        return
        finally:
            await batches.aclose()

    def commit(self, batch) -> None:
        for one in batch.observations:
            self.seen.append((one.change.value, one.name, one.value.phase if one.value else None))
            if one.change.value in {"deleted", "gone"}:
                self.known.pop(one.uid, None)
            else:
                self.known[one.uid] = one.name
        self.places.append(batch.resource_version)


@pytest.fixture
def follower(api, board):
    return Follower(api, board)


def artifact(folder: str, name: str) -> bytes:
    return (RECORDINGS / "artifacts" / folder / name).read_bytes()


def gzipped(body: bytes) -> bytes:
    return gzip.compress(body)


def kubeconfig(directory: Path, url: str, user: dict, **cluster: str) -> Kubeconfig:
    """A kubeconfig file with one context, `prod`."""
    written = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "c1", "user": "ada", "namespace": "velero"}}],
        "clusters": [{"name": "c1", "cluster": {"server": url, **cluster}}],
        "users": [{"name": "ada", "user": user}],
    }
    (directory / "config").write_text(yaml.safe_dump(written))
    return Kubeconfig(str(directory / "config"))
