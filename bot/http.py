"""The HTTP server for Slack. It checks headers, load, body and signature, in that order, before Bolt sees a request.

Unsigned requests cost as little as possible: the headers are checked before the body is read, and a refusal is a bare
status code. Refusals are counted by reason, never logged with their content.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from prometheus_client import REGISTRY
from prometheus_client.exposition import generate_latest
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest

from bot.connection_limits import (
    BodyRefused,
    ConnectionGuard,
    ConnectionLimits,
    connection_of,
    mark_verified,
    read_body,
    server_logger,
)
from bot.metrics import REQUESTS_REFUSED
from bot.slack.payload_check import is_event, is_valid_payload
from bot.slack.signature import SignatureError, check_headers, is_signed

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024
MAX_CONCURRENT_REQUESTS = 400
"""Slack requests in progress; more are answered with "too busy". At about 1,000 requests per second they finish within 3 s."""
ACCEPTED_CONTENT_TYPES = ("application/x-www-form-urlencoded", "application/json")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Slash = Callable[[dict[str, Any]], Awaitable[Mapping[str, Any]]]
"""Takes the fields of a slash command, returns the body of the acknowledgement; empty: no text."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """`parts` by name: an empty text means ready. A problem of a cluster doesn't make the bot unready."""

    parts: dict[str, str]
    clusters: dict[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return not any(self.parts.values())


class HttpServer:
    """`refused` counts refused requests by reason; housekeeping writes one audit entry per minute and clears it."""

    def __init__(
        self,
        app: AsyncApp,
        secrets: Callable[[], Sequence[str]],
        readiness: Callable[[], Readiness],
        unix_time: Callable[[], float] = time.time,
        slash: Slash | None = None,
    ) -> None:
        self._app = app
        self._slash = slash
        self._secrets = secrets
        self._readiness = readiness
        self._unix_time = unix_time
        self._in_progress = 0
        self.refused: Counter[str] = Counter()
        self.closing = False
        self.limits = ConnectionLimits()

    def application(self, request_path: str) -> web.Application:
        """Build the public application. Its answers name neither clusters nor parts."""
        application = bounded_application()
        application.router.add_post(request_path, self.slack)
        application.router.add_get("/healthz", self.health)
        application.router.add_get("/readyz", self.ready_status)
        return application

    def status_application(self) -> web.Application:
        """Build the application for the kubelet and Prometheus, on its own port: it names clusters, schedules and problems."""
        application = bounded_application()
        application.router.add_get("/healthz", self.health)
        application.router.add_get("/readyz", self.ready)
        application.router.add_get("/metrics", self.metrics)
        return application

    async def listen(self, application: web.Application, address: str) -> Listener:
        host, _, port = address.rpartition(":")
        return await listen(application, host or "0.0.0.0", int(port), self.limits, self.count)  # noqa: S104

    async def slack(self, request: web.Request) -> web.StreamResponse:
        """Check in the order of cost: headers, load, and only then the body."""
        if request.content_type not in ACCEPTED_CONTENT_TYPES:
            return self._refuse("content-type", 415)
        timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        if (error := check_headers(timestamp, signature, self._unix_time())) is not None:
            return self._refuse(error.value, 401)
        if self._in_progress >= MAX_CONCURRENT_REQUESTS or self.closing:
            return self._refuse_for_load(request)
        try:
            body = await read_body(request, MAX_BODY_BYTES, self.limits.body_s)
        except BodyRefused as refusal:
            return self._refuse(refusal.reason, refusal.status)
        if not is_signed(timestamp, signature, body, self._secrets()):
            return self._refuse(SignatureError.FORGED.value, 401)
        mark_verified(request)
        self._in_progress += 1
        try:
            return await self._answer(request, body)
        except (UnicodeDecodeError, ValueError):
            return self._refuse("malformed", 400)
        finally:
            self._in_progress -= 1

    async def _answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if self._slash is not None and (fields := slash_command(request.content_type, body)) is not None:
            body_of_ack = await self._slash(fields)
            return web.json_response(body_of_ack) if body_of_ack else web.Response()
        if not is_valid_payload(request.content_type, body):
            return self._refuse("malformed", 400)
        bolt_request = AsyncBoltRequest(body=body.decode(), query=request.query_string, headers=dict(request.headers))
        return await to_aiohttp_response(await self._app.async_dispatch(bolt_request))

    def _refuse_for_load(self, request: web.Request) -> web.Response:
        """Answer a person; refuse an event, so that Slack sends it again."""
        self.count("shed")
        if is_event(request.content_type):
            return web.Response(status=503)
        return web.json_response(
            {"response_type": "ephemeral", "text": "Too busy right now. Nothing was done; try again in a moment."}
        )

    def _refuse(self, why: str, status: int) -> web.Response:
        """Unknown clients only get a status code."""
        self.count(why)
        return web.Response(status=status)

    def count(self, why: str) -> None:
        self.refused[why] += 1
        REQUESTS_REFUSED.labels(why).inc()

    async def health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready_status(self, _request: web.Request) -> web.Response:
        """For a load balancer in front of the public port: only the status code."""
        return web.Response(status=200 if self._readiness().ready else 503)

    async def ready(self, _request: web.Request) -> web.Response:
        found = self._readiness()
        parts = {name: text or "ok" for name, text in found.parts.items()}
        return web.json_response(
            {"ready": found.ready, "parts": parts, "degraded": found.clusters}, status=200 if found.ready else 503
        )

    async def metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(REGISTRY), content_type="text/plain", charset="utf-8")


def slash_command(content_type: str, body: bytes) -> dict[str, Any] | None:
    """Return the fields of a slash command; None for requests that Bolt handles: events (JSON), clicks and forms (`payload`).

    Raises ValueError for a body that isn't UTF-8.
    """
    if content_type != ACCEPTED_CONTENT_TYPES[0] or body.startswith(b"payload=") or b"command=" not in body:
        return None
    fields: dict[str, Any] = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict"))
    return fields if "command" in fields and "payload" not in fields else None


def bounded_application() -> web.Application:
    application = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_handle_errors])
    application.on_response_prepare.append(_hide_server)
    return application


@web.middleware
async def _handle_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    connection = connection_of(request)
    if connection is not None:
        connection.begin()
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        allow = {"Allow": refusal.headers["Allow"]} if "Allow" in refusal.headers else {}
        return web.Response(status=refusal.status, headers=allow)
    except Exception:
        # The route, not the path: the path is untrusted.
        resource = request.match_info.route.resource
        log.exception("A request failed: %s %s", request.method, resource.canonical if resource else "no route")
        return web.Response(status=500)
    finally:
        if connection is not None:
            connection.end()


async def _hide_server(_request: web.Request, response: web.StreamResponse) -> None:
    """Don't name the server software and its version."""
    response.headers.popall("Server", None)


class Listener:
    """An application on a port, with bounded connections. `port` is the port the system chose if 0 was requested."""

    def __init__(self, runner: web.AppRunner, server: asyncio.Server, guard: ConnectionGuard) -> None:
        self._runner = runner
        self._server = server
        self.guard = guard
        self.port = int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Wait a few turns of the loop: a connection accepted while the listener closed becomes known only then."""
        self._server.close()
        await asyncio.sleep(0.02)
        await self._runner.cleanup()
        self.guard.close()
        await asyncio.sleep(0)


async def listen(
    application: web.Application, host: str, port: int, limits: ConnectionLimits, count: Callable[[str], None]
) -> Listener:
    runner = web.AppRunner(
        application,
        access_log=None,
        handle_signals=False,
        logger=server_logger(count),
        keepalive_timeout=limits.idle_s,
        lingering_time=limits.lingering_s,
        # No client compresses, and a decompressed body would be counted by its compressed size.
        auto_decompress=False,
    )
    await runner.setup()
    assert runner.server is not None
    guard = ConnectionGuard(limits, count)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(guard.guarded(runner.server), host, port, backlog=1024)
    return Listener(runner, server, guard)
