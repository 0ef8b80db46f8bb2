"""The HTTP door: headers, load, body, signature, in that order. Bolt answers behind it; nothing unsigned gets that far."""

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
from bot.slack.signature import SignatureError, head_fault, is_signed

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
MAX_CONCURRENT_REQUESTS = 400
"""Slack requests under way; more are told busy. At about a thousand a second they are answered well within 3 s."""
ACCEPTED_CONTENT_TYPES = ("application/x-www-form-urlencoded", "application/json")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Slash = Callable[[dict[str, Any]], Awaitable[Mapping[str, Any]]]
"""Fields of a slash command → what is said in its acknowledgement; empty: nothing."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """`parts` by name: empty text is ready, else what is not. A cluster that is ill degrades itself only."""

    parts: dict[str, str]
    clusters: dict[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return not any(self.parts.values())


class HttpServer:
    """`refused` counts what failed at the door since it was last asked: one aggregated audit row a minute is made of it."""

    def __init__(
        self,
        app: AsyncApp,
        secrets: Callable[[], Sequence[str]],
        readiness: Callable[[], Readiness],
        wall: Callable[[], float] = time.time,
        slash: Slash | None = None,
    ) -> None:
        self._app = app
        self._slash = slash
        self._secrets = secrets
        self._readiness = readiness
        self._wall = wall
        self._under_way = 0
        self.refused: Counter[str] = Counter()
        self.closing = False
        self.limits = ConnectionLimits()

    def application(self, request_path: str) -> web.Application:
        """What Slack and pipelines reach: nothing here names a cluster or a part."""
        made = bounded_application()
        made.router.add_post(request_path, self.slack)
        made.router.add_get("/healthz", self.health)
        made.router.add_get("/readyz", self.ready_status)
        return made

    def status_application(self) -> web.Application:
        """For the kubelet and Prometheus, on a port of its own: it names clusters, schedules and what is wrong."""
        made = bounded_application()
        made.router.add_get("/healthz", self.health)
        made.router.add_get("/readyz", self.ready)
        made.router.add_get("/metrics", self.metrics)
        return made

    async def listen(self, application: web.Application, address: str) -> Listener:
        host, _, port = address.rpartition(":")
        return await listen(application, host or "0.0.0.0", int(port), self.limits, self.count)  # noqa: S104

    async def slack(self, request: web.Request) -> web.StreamResponse:
        """In the order of what it costs: headers, load, and only then the body."""
        if request.content_type not in ACCEPTED_CONTENT_TYPES:
            return self._no("content-type", 415)
        timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        if (fault := head_fault(timestamp, signature, self._wall())) is not None:
            return self._no(fault.value, 401)
        if self._under_way >= MAX_CONCURRENT_REQUESTS or self.closing:
            return self._shed(request)
        try:
            body = await read_body(request, MAX_BODY, self.limits.body_s)
        except BodyRefused as refusal:
            return self._no(refusal.reason, refusal.status)
        if not is_signed(timestamp, signature, body, self._secrets()):
            return self._no(SignatureError.FORGED.value, 401)
        mark_verified(request)
        self._under_way += 1
        try:
            return await self._answer(request, body)
        except (UnicodeDecodeError, ValueError):
            return self._no("malformed", 400)
        finally:
            self._under_way -= 1

    async def _answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if self._slash is not None and (fields := slash_command(request.content_type, body)) is not None:
            said = await self._slash(fields)
            return web.json_response(said) if said else web.Response()
        if not is_valid_payload(request.content_type, body):
            return self._no("malformed", 400)
        asked = AsyncBoltRequest(body=body.decode(), query=request.query_string, headers=dict(request.headers))
        return await to_aiohttp_response(await self._app.async_dispatch(asked))

    def _shed(self, request: web.Request) -> web.Response:
        """A person is told; an event is refused, so that Slack brings it again."""
        self.count("shed")
        if is_event(request.content_type):
            return web.Response(status=503)
        return web.json_response(
            {"response_type": "ephemeral", "text": "Too busy right now. Nothing was done; try again in a moment."}
        )

    def _no(self, why: str, status: int) -> web.Response:
        """Nothing is said to strangers but the number."""
        self.count(why)
        return web.Response(status=status)

    def count(self, why: str) -> None:
        self.refused[why] += 1
        REQUESTS_REFUSED.labels(why).inc()

    async def health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready_status(self, _request: web.Request) -> web.Response:
        """For a load balancer in front of Slack's port: the number alone."""
        return web.Response(status=200 if self._readiness().ready else 503)

    async def ready(self, _request: web.Request) -> web.Response:
        found = self._readiness()
        told = {name: text or "ok" for name, text in found.parts.items()}
        return web.json_response(
            {"ready": found.ready, "parts": told, "degraded": found.clusters}, status=200 if found.ready else 503
        )

    async def metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(REGISTRY), content_type="text/plain", charset="utf-8")


def slash_command(content_type: str, body: bytes) -> dict[str, Any] | None:
    """The fields of a slash command; None for what Bolt reads: events are JSON, clicks and forms one field `payload`.

    Raises ValueError for a body that is no text.
    """
    if content_type != ACCEPTED_CONTENT_TYPES[0] or body.startswith(b"payload=") or b"command=" not in body:
        return None
    fields: dict[str, Any] = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict"))
    return fields if "command" in fields and "payload" not in fields else None


def bounded_application() -> web.Application:
    made = web.Application(client_max_size=MAX_BODY, middlewares=[_last_resort])
    made.on_response_prepare.append(_unnamed)
    return made


@web.middleware
async def _last_resort(request: web.Request, handler: Handler) -> web.StreamResponse:
    connection = connection_of(request)
    if connection is not None:
        connection.begin()
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        allow = {"Allow": refusal.headers["Allow"]} if "Allow" in refusal.headers else {}
        return web.Response(status=refusal.status, headers=allow)
    except Exception:
        # The route, not the path: a stranger writes the path.
        resource = request.match_info.route.resource
        log.exception("A request failed: %s %s", request.method, resource.canonical if resource else "no route")
        return web.Response(status=500)
    finally:
        if connection is not None:
            connection.end()


async def _unnamed(_request: web.Request, response: web.StreamResponse) -> None:
    """What runs here, and in which version, is nobody's business."""
    response.headers.popall("Server", None)


class Listener:
    """An application on a port, with bounded connections. `port` is the system's choice where 0 was asked for."""

    def __init__(self, runner: web.AppRunner, server: asyncio.Server, guard: ConnectionGuard) -> None:
        self._runner = runner
        self._server = server
        self.guard = guard
        self.port = int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """A connection that was accepted while the listener closed is known a few turns of the loop later only."""
        self._server.close()
        await asyncio.sleep(0.02)
        await self._runner.cleanup()


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
        # Nobody who speaks to us compresses, and an unpacked body would be counted by its packed size.
        auto_decompress=False,
    )
    await runner.setup()
    assert runner.server is not None
    guard = ConnectionGuard(limits, count)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(guard.guarded(runner.server), host, port, backlog=1024)
    return Listener(runner, server, guard)
