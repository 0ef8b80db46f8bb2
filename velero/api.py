"""The only caller of the Kubernetes API: sends and receives raw JSON through the kubernetes package's ApiClient.

Every failure becomes an error of `domain/errors.py`. A write that may have reached the server raises Unanswered, never
Unreachable: only so does a caller know that it must look before it tries again. The package's typed APIs, Watch, dynamic
client and informers aren't used, each because of a reproduced defect (docs/adr/0005).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from msgspec.json import Decoder
from multidict import CIMultiDict

from domain.errors import ClusterError, Unauthenticated
from domain.json_types import Json
from velero.connection import Access, Connection, connect, track_connections
from velero.documents import MANIFEST_BOUNDS, check_json
from velero.errors import (
    Body,
    Reply,
    RequestContext,
    describe_request,
    error_of_reply,
    unanswered_error,
    unexpected_reply_error,
    unreachable_error,
)

MERGE_PATCH = "application/merge-patch+json"
_JSON = "application/json"
_HEADERS = {"Accept": _JSON, "User-Agent": "velero-chatops"}
_TIMEOUT_S = 30.0
_MAX_RESPONSE_BYTES = 64 * 1024 * 1024
_WRITE_METHODS = frozenset({"POST", "PUT", "PATCH"})
_OBJECT_DECODER = Decoder(Json)

T = TypeVar("T")


class StreamEnd(StrEnum):
    """Why a stream ended."""

    CLOSED = "closed"
    SILENT = "silent"
    CUT = "cut"
    TOO_LONG = "too-long"


class Lines:
    """The complete lines of a watch. `end` and `why` say how the stream ended; a last line without a newline is dropped."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content
        self.end = StreamEnd.CLOSED
        self.why = ""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while line := await self._next():
            yield line

    async def _next(self) -> bytes:
        try:
            line = await self._content.readline()
        except TimeoutError:
            return self._finish(StreamEnd.SILENT, "no data received for too long")
        except LineTooLong:
            return self._finish(StreamEnd.TOO_LONG, "a line is too long")
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            return self._finish(StreamEnd.CUT, f"the connection was lost: {type(error).__name__}")
        if line and not line.endswith(b"\n"):
            return self._finish(StreamEnd.CUT, "the last line is incomplete")
        return line

    def _finish(self, end: StreamEnd, why: str) -> bytes:
        self.end, self.why = end, why
        return b""


class Api:
    """The API of one cluster. It connects on first use and again after a failure, so a cluster that was down needs no restart."""

    def __init__(self, cluster: str, access: Access, *, connect_timeout: float = 10.0) -> None:
        self.cluster = cluster
        self._access = access
        self._connect_timeout = connect_timeout
        self._connection: Connection | None = None
        self._retired: Connection | None = None
        self._lock = asyncio.Lock()
        self._checked = 0.0

    @property
    def url(self) -> str:
        return self._connection.url if self._connection else ""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str | None = None,
        timeout: float = _TIMEOUT_S,  # noqa: ASYNC109 - of the request, not of the coroutine
    ) -> Json:
        """Send one request. A PATCH is a merge patch unless `content_type` says otherwise; writes refuse unknown fields."""
        context = describe_request(self.cluster, method, path)
        query = {**(query or {}), **({"fieldValidation": "Strict"} if method in _WRITE_METHODS else {})}
        headers = {"Content-Type": content_type or (MERGE_PATCH if method == "PATCH" else _JSON)}
        return _parse(
            context, await self._reply(context, method, _target(path, query), headers, body, timeout), _decode_object
        )

    async def read(self, path: str, query: Mapping[str, str], read: Callable[[Body], T]) -> T:
        """GET and parse with `read`; a ValueError of `read` counts as a response that isn't from Kubernetes."""
        context = describe_request(self.cluster, "GET", path)
        return _parse(context, await self._reply(context, "GET", _target(path, query), {}, None), read)

    async def _reply(
        self,
        context: RequestContext,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Json | None,
        timeout: float = _TIMEOUT_S,  # noqa: ASYNC109 - of the request, not of the coroutine
    ) -> Reply:
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=self._connect_timeout)
        with track_connections() as sent:
            try:
                response = await self._send(context, method, target, {**_HEADERS, **headers}, body, limits)
                return await _read(response)
            except (aiohttp.ClientError, OSError) as error:
                raise (unanswered_error if context.writes and sent else unreachable_error)(
                    context, _describe_failure(error, timeout)
                ) from error

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        silence: float = 75.0,
    ) -> AsyncIterator[Lines]:
        """Open a watch. An API server sends a bookmark about every minute, so more than `silence` seconds mean a lost stream."""
        context = describe_request(self.cluster, "GET", path, watch=True)
        limits = aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout, sock_read=silence)
        target = _target(path, {**(query or {}), "watch": "1"})
        try:
            response = await self._send(context, "GET", target, dict(_HEADERS), None, limits)
            if response.status != 200 or "json" not in response.content_type:
                raise error_of_reply(context, await _read(response))
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable_error(context, _describe_failure(error, silence)) from error
        try:
            yield Lines(response.content)
        finally:
            response.close()

    async def close(self) -> None:
        for connection in (self._connection, self._retired):
            if connection is not None:
                await connection.client.close()
        self._connection = self._retired = None

    async def _send(
        self,
        context: RequestContext,
        method: str,
        target: str,
        headers: dict[str, str],
        body: Json | None,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        connection, header = await self._authorized_connection()
        response = await _call(connection, method, target, {**headers, **_authorization(header)}, body, limits)
        if response.status == 401:
            reply = await _read(response)
            await _renew(connection, header, error_of_reply(context, reply))
            connection, header = await self._authorized_connection()
            response = await _call(connection, method, target, {**headers, **_authorization(header)}, body, limits)
        return response

    async def _authorized_connection(self) -> tuple[Connection, str]:
        """Return a connection and its Authorization header; connect again if a plugin's client certificate changed."""
        connection = await self._current_connection()
        header = await connection.token.header()
        if connection.token.certificate != connection.plugin_certificate:
            async with self._lock:
                if self._connection is connection:
                    await self._connect()
            connection = await self._current_connection()
            header = await connection.token.header()
        return connection, header

    async def _current_connection(self) -> Connection:
        async with self._lock:
            if self._connection is not None and not await self._is_outdated(self._connection):
                return self._connection
            return await self._connect()

    async def _connect(self) -> Connection:
        connection = await connect(self.cluster, self._access)
        await self._retire()
        self._connection = connection
        return connection

    async def _is_outdated(self, connection: Connection) -> bool:
        """Check once a minute whether certificate files changed: a TLS context reads them only once."""
        now = asyncio.get_running_loop().time()
        if now < self._checked:
            return False
        self._checked = now + 60.0
        return await asyncio.to_thread(connection.is_outdated)

    async def _retire(self) -> None:
        """Keep the previous connection for its open requests, and close the one before it."""
        if self._retired is not None:
            await self._retired.client.close()
        self._retired = self._connection


def _target(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _authorization(header: str) -> dict[str, str]:
    return {"Authorization": header} if header else {}


async def _call(
    connection: Connection,
    method: str,
    target: str,
    headers: dict[str, str],
    body: Json | None,
    limits: aiohttp.ClientTimeout,
) -> aiohttp.ClientResponse:
    own: CIMultiDict[str] = CIMultiDict([*headers.items(), *connection.headers])
    answer: Any = await connection.client.call_api(
        method, connection.url + target, header_params=own, body=body, _request_timeout=limits
    )
    response: aiohttp.ClientResponse = answer.response
    return response


async def _renew(connection: Connection, rejected: str, error: ClusterError) -> None:
    """Read the credentials again; raise the server's 401 if the source has no newer ones."""
    header = await connection.token.renew(rejected, connection.plugin_certificate)
    unchanged = (header, connection.token.certificate) == (rejected, connection.plugin_certificate)
    if unchanged and isinstance(error, Unauthenticated):
        raise error


async def _read(response: aiohttp.ClientResponse) -> Reply:
    """Read into one growing buffer: collecting chunks and joining them takes twice the memory."""
    body = bytearray()
    try:
        async for chunk in response.content.iter_chunked(1 << 18):
            body += chunk
            if len(body) > _MAX_RESPONSE_BYTES:
                raise aiohttp.ClientPayloadError("the response is too large")
    finally:
        response.release() if response.content.at_eof() else response.close()
    headers = response.headers
    return Reply(response.status, body, headers.get("Content-Type", ""), headers.get("Retry-After", ""))


def _decode_object(body: Body) -> Json:
    check_json(bytes(body), MANIFEST_BOUNDS)
    return _OBJECT_DECODER.decode(body)


def _parse(context: RequestContext, reply: Reply, read: Callable[[Body], T]) -> T:
    if not 200 <= reply.status < 300:
        raise error_of_reply(context, reply)
    try:
        return read(reply.body)
    except (ValueError, RecursionError) as error:
        raise unexpected_reply_error(context, reply) from error


def _describe_failure(error: Exception, limit: float) -> str:
    """Describe the failure without addresses: the reader is in a chat, and addresses are internal."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return "Its certificate isn't trusted."
        case aiohttp.ClientConnectorDNSError():
            return "Its host name can't be resolved."
        case TimeoutError():
            return f"No response within {limit:g} seconds."
        case aiohttp.ClientConnectorError():
            return f"Connection failed: {_os_error_text(error.os_error)}."
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "It closed the connection."
        case _:
            return f"The response was cut off ({type(error).__name__})."


def _os_error_text(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else type(error).__name__
