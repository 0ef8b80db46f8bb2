"""Socket Mode: envelopes over a WebSocket, acknowledged by id, and sent again if a connection ended before."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from domain.json_types import Json
from sandbox.slack.delivery import EVENT, Ack
from sandbox.slack.site import Site

MOST_CONNECTIONS = 10
LIFE, DEBUG_LIFE = 18_060, 360


@dataclass(slots=True, eq=False)
class Link:
    """One connection and its unacknowledged envelopes."""

    socket: web.WebSocketResponse
    unacked: dict[str, Json] = field(default_factory=dict)


class Sockets:
    def __init__(self, site: Site, patience: Callable[[], float]) -> None:
        self._site, self._patience = site, patience
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._backlog: list[Json] = []
        self._turn = 0
        self.links: list[Link] = []
        self.sent: list[Json] = []

    # the bot's end

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self._site.tickets.pop(request.query.get("ticket", ""), None) is None:
            return web.Response(status=401, text="invalid ticket")
        socket = web.WebSocketResponse(timeout=0.5)
        await socket.prepare(request)
        if len(self.links) >= MOST_CONNECTIONS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await socket.close()
            return socket
        link = Link(socket)
        self.links.append(link)
        try:
            await self._serve(link, life=DEBUG_LIFE if request.query.get("debug_reconnects") == "true" else LIFE)
        finally:
            await self._lost(link)
        return socket

    async def _serve(self, link: Link, *, life: int) -> None:
        await link.socket.send_json(self._hello(life))
        self._note("socket.opened", connections=len(self.links))
        await self._redeliver(link)
        async for frame in link.socket:
            if frame.type is WSMsgType.TEXT:
                self._acknowledged(frame.data)

    def _hello(self, life: int) -> Json:
        debug = {"host": "applink-sandbox", "build_number": 1, "approximate_connection_time": life}
        connection = {"app_id": self._site.workspace.app_id}
        return {
            "type": "hello",
            "num_connections": len(self.links),
            "connection_info": connection,
            "debug_info": debug,
        }

    def _acknowledged(self, frame: str) -> None:
        try:
            ack = json.loads(frame)
        except ValueError:
            self._note("socket.garbage", frame=frame[:200])
            return
        name = ack.get("envelope_id", "")
        for link in self.links:
            link.unacked.pop(name, None)
        self._note("socket.acked", envelope=name)
        if (waiting := self._waiting.get(name)) and not waiting.done():
            waiting.set_result(ack.get("payload"))

    async def _lost(self, link: Link) -> None:
        """Send unacknowledged envelopes over another connection, or over the next one that opens."""
        self.links.remove(link)
        self._note("socket.closed", connections=len(self.links), unacked=len(link.unacked))
        self._backlog += link.unacked.values()
        if self.links:
            await self._redeliver(self.links[-1])

    async def _redeliver(self, link: Link) -> None:
        backlog, self._backlog = self._backlog, []
        for envelope in backlog:
            again = {**envelope, "retry_attempt": envelope["retry_attempt"] + 1, "retry_reason": "timeout"}
            await self._send_over(link, again)

    # Slack's end

    async def send(self, kind: str, payload: Json, retry: tuple[int, str] | None = None) -> Ack:
        if not self.links:
            return Ack(0, None, "dispatch_failed", "connection_failed")
        envelope = {
            "envelope_id": secrets.token_hex(16),
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind != EVENT,
            "retry_attempt": retry[0] if retry else 0,
            "retry_reason": retry[1] if retry else "",
        }
        return await self._await_ack(envelope)

    async def _await_ack(self, envelope: Json) -> Ack:
        name, begun = envelope["envelope_id"], time.monotonic()
        waiting = self._waiting[name] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._patience()):
                self._turn += 1
                await self._send_over(self.links[self._turn % len(self.links)], envelope)
                return Ack(200, await waiting, elapsed=time.monotonic() - begun)
        except TimeoutError:
            return Ack(0, None, "operation_timeout", "timeout", time.monotonic() - begun)
        finally:
            del self._waiting[name]

    async def _send_over(self, link: Link, envelope: Json) -> None:
        link.unacked[envelope["envelope_id"]] = envelope
        self.sent.append(envelope)
        self._note("socket.sent", envelope=envelope["envelope_id"], type=envelope["type"])
        try:
            await link.socket.send_json(envelope)
        except ConnectionError:
            self._note("socket.broken", envelope=envelope["envelope_id"])

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Close connections: `warning` announces it ten seconds ahead, other reasons close at once."""
        for link in list(self.links):
            await link.socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "applink"}})
            if reason != "warning":
                await link.socket.close()

    async def drop(self) -> None:
        """Cut all connections without a close frame."""
        for link in list(self.links):
            await link.socket.close(code=1006)

    async def close(self) -> None:
        for link in list(self.links):
            await link.socket.close(code=1001)

    def _note(self, kind: str, **more: object) -> None:
        self._site.workspace.journal.append(kind, **more)
