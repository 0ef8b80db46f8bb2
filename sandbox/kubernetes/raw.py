"""Raw HTTP to an API server, emulated or real, for tests that compare both."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from domain.json_types import Json
from sandbox.kubernetes.patches import MERGE


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str
    warnings: tuple[str, ...] = ()

    @property
    def json(self) -> Json:
        body: Json = json.loads(self.text)
        return body

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Return code, reason and message of a Status."""
        body = self.json
        return self.status, body.get("reason", ""), body["message"]

    @property
    def causes(self) -> dict[str, str]:
        return {cause["field"]: cause["message"] for cause in self.json["details"]["causes"]}

    @property
    def version(self) -> str:
        version: str = self.json["metadata"]["resourceVersion"]
        return version

    @property
    def names(self) -> list[str]:
        return [item["metadata"]["name"] for item in self.json["items"]]


@dataclass(frozen=True, slots=True)
class RawApi:
    """`token` may do everything, `bot_token` belongs to a user `bot` that may get, list and watch backups here."""

    url: str
    token: str
    bot_token: str
    session: aiohttp.ClientSession
    namespace: str

    def path(self, plural: str, name: str = "", *, group: str = "velero.io/v1", namespace: str | None = None) -> str:
        root = f"/apis/{group}" if group else "/api/v1"
        tail = f"/{name}" if name else ""
        return f"{root}/namespaces/{namespace or self.namespace}/{plural}{tail}"

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "",
        content_type: str = "application/json",
        **query: str,
    ) -> Answer:
        async with self.session.request(
            method,
            self.url + path,
            params=query,
            data=None if body is None else body if isinstance(body, (bytes, str)) else json.dumps(body),
            headers={**self._authorization(token), "Content-Type": content_type},
        ) as response:
            warnings = tuple(response.headers.getall("Warning", ()))
            return Answer(response.status, dict(response.headers), await response.text(), warnings)

    async def backup(self, name: str, *, spec: Any = None, **rest: Any) -> Answer:
        """Create an object."""
        metadata = {"name": name, **rest.pop("metadata", {})}
        body = {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": metadata, "spec": spec or {}, **rest}
        return await self.call("POST", self.path("backups"), body)

    async def patch_backup(self, name: str, patch: Any, *, content_type: str = MERGE, **query: str) -> Answer:
        return await self.call("PATCH", self.path("backups", name), patch, content_type=content_type, **query)

    @asynccontextmanager
    async def watch(self, path: str, *, token: str | None = "", **query: str) -> AsyncIterator["RawWatch"]:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=30)
        params = {"watch": "1", **query}
        url, headers = self.url + path, self._authorization(token)
        async with self.session.get(url, params=params, headers=headers, timeout=timeout) as response:
            yield RawWatch(response)

    def _authorization(self, token: str | None) -> dict[str, str]:
        chosen = self.token if token == "" else token
        return {"Authorization": f"Bearer {chosen}"} if chosen else {}


class RawWatch:
    """One watch, line by line."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    @property
    def status(self) -> int:
        return self.response.status

    async def line(self) -> Json:
        line: Json = json.loads(await self.response.content.readline())
        return line

    async def story(self, count: int) -> list[tuple[str, str]]:
        """Return the next `count` lines as (type, name)."""
        lines = [await self.line() for _ in range(count)]
        return [(line["type"], line["object"]["metadata"].get("name", "")) for line in lines]

    async def rest(self) -> list[Json]:
        """Return all lines until the stream ends."""
        return [json.loads(line) async for line in self.response.content]
