"""Bounds what clients can hold before their signature is verified: connections, bytes in flight, time.

aiohttp waits for a request head and for a body as long as the client likes. Each connection therefore passes through a
`GuardedConnection`, which counts the bytes as they arrive and keeps the deadlines. When a limit is exceeded, the
connection that holds the most is dropped, never the newcomer: a small honest request outlives a flood of large ones.
A request whose signature was verified is no longer counted.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

log = logging.getLogger(__name__)

READ_CHUNK_BYTES = 16 * 1024

Count = Callable[[str], None]
"""Called with the reason of each refusal."""


def _connection_limit() -> int:
    """Return half of the file descriptors: the store, clusters and Slack need the rest."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 2000 if soft == resource.RLIM_INFINITY else max(64, min(2000, soft // 2))


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bytes and seconds. `head_s`: from the first byte of a request until its head is complete."""

    connections: int = 0
    peer_bytes: int = 8 * 1024 * 1024
    total_bytes: int = 24 * 1024 * 1024
    head_s: float = 10.0
    idle_s: float = 75.0
    body_s: float = 5.0
    lingering_s: float = 1.0

    @property
    def max_connections(self) -> int:
        return self.connections or _connection_limit()


class BodyRefused(Exception):
    """`reason` is counted; the client only gets `status`."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class GuardedConnection(asyncio.Protocol):
    """Sits between the transport and aiohttp's protocol; counts bytes and keeps deadlines."""

    __slots__ = ("_guard", "_inner", "_timer", "held", "opened_at", "peer", "serving", "transport", "verified")

    def __init__(self, guard: ConnectionGuard, inner: asyncio.Protocol) -> None:
        self._guard = guard
        self._inner = inner
        self._timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport | None = None
        self.peer = ""
        self.held = 0
        self.opened_at = 0.0
        self.serving = False
        self.verified = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.peer = peer_of(transport.get_extra_info("peername"))
        self._inner.connection_made(transport)
        self._wait(self._guard.limits.head_s)
        self._guard.admit(self)

    def data_received(self, data: bytes) -> None:
        if not self.verified:
            if self.held == 0 and not self.serving:
                self._wait(self._guard.limits.head_s)
            self.held += len(data)
            self._guard.received(self, len(data))
        if self.transport is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._guard.forget(self)
        self.transport = None
        self._inner.connection_lost(exc)

    def begin(self) -> None:
        """Called when a complete head has reached the application."""
        self.serving = True
        self._stop_waiting()

    def verify(self) -> None:
        """Called when the sender is known: this request no longer counts."""
        self.verified = True
        self._guard.release(self)

    def end(self) -> None:
        self.serving = self.verified = False
        self._guard.release(self)
        if self.transport is not None:
            self._wait(self._guard.limits.idle_s)

    def drop(self, reason: str) -> None:
        self._stop_waiting()
        self._guard.forget(self)
        if self.transport is not None:
            self._guard.count(reason)
            self.transport.abort()
            self.transport = None

    def abort(self) -> None:
        self._stop_waiting()
        if self.transport is not None:
            self.transport.abort()

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._overdue)

    def _overdue(self) -> None:
        self.drop("slow-head" if self.held else "idle")

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class ConnectionGuard:
    """Tracks the open connections of one listener and the bytes that each holds."""

    def __init__(self, limits: ConnectionLimits, count: Count) -> None:
        self.limits = limits
        self.count = count
        self._most = limits.max_connections
        self._open: dict[GuardedConnection, None] = {}
        self._by_peer: Counter[str] = Counter()
        self._total = 0
        self._closed = False

    @property
    def held(self) -> int:
        """Bytes of requests whose sender isn't verified."""
        return self._total

    def guarded(self, make_inner: Callable[[], asyncio.Protocol]) -> Callable[[], GuardedConnection]:
        return lambda: GuardedConnection(self, make_inner())

    def admit(self, connection: GuardedConnection) -> None:
        self._open[connection] = None
        if self._closed:
            connection.abort()
        if len(self._open) <= self._most:
            return
        peers = Counter(each.peer for each in self._open)
        crowded = max(peers.values())
        # `_open` is in the order of opening: this drops the oldest connection of the peer with the most.
        oldest = next((each for each in self._open if not each.serving and peers[each.peer] == crowded), connection)
        oldest.drop("connections")

    def close(self) -> None:
        """Abort what is still open. A connection that was accepted before the listener closed may arrive later."""
        self._closed = True
        for connection in tuple(self._open):
            connection.abort()

    def received(self, connection: GuardedConnection, size: int) -> None:
        self._by_peer[connection.peer] += size
        self._total += size
        while self._by_peer[connection.peer] > self.limits.peer_bytes:
            self._drop_heaviest(connection.peer)
        while self._total > self.limits.total_bytes:
            self._drop_heaviest(self._by_peer.most_common(1)[0][0])

    def _drop_heaviest(self, peer: str) -> None:
        max((each for each in self._open if each.peer == peer), key=lambda each: each.held).drop("bytes-in-flight")

    def release(self, connection: GuardedConnection) -> None:
        self._by_peer[connection.peer] -= connection.held
        self._total -= connection.held
        connection.held = 0
        if self._by_peer[connection.peer] <= 0:
            del self._by_peer[connection.peer]

    def forget(self, connection: GuardedConnection) -> None:
        if connection in self._open:
            del self._open[connection]
            self.release(connection)


def peer_of(peername: Any) -> str:
    """Return the IPv4 address, or the IPv6 /64 network: one host owns all of its addresses."""
    host = str(peername[0]) if isinstance(peername, tuple) and peername else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return host
    mapped = address.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))


def connection_of(request: web.Request) -> GuardedConnection | None:
    """Return None after the client has disconnected, and under aiohttp's test server."""
    transport = request.transport
    protocol = transport.get_protocol() if transport is not None else None
    return protocol if isinstance(protocol, GuardedConnection) else None


def mark_verified(request: web.Request) -> None:
    if (connection := connection_of(request)) is not None:
        connection.verify()


async def read_body(request: web.Request, limit: int, seconds: float) -> bytes:
    """Raises BodyRefused for a body that is too large, too slow or incomplete."""
    if (request.content_length or 0) > limit:
        raise BodyRefused("too-large", 413)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.content.iter_chunked(READ_CHUNK_BYTES):
                body += chunk
                if len(body) > limit:
                    raise BodyRefused("too-large", 413)
        return bytes(body)
    except TimeoutError:
        raise BodyRefused("slow", 408) from None
    except (ConnectionError, web.RequestPayloadError, HttpProcessingError) as error:
        # The stream keeps this error, whose traceback keeps this frame: a reference cycle that holds the whole body.
        error.__traceback__ = None
        raise BodyRefused("broken", 400) from None
    finally:
        body.clear()


class CountingHandler(logging.Handler):
    """Replaces aiohttp's server log, which quotes what unknown clients send: broken requests are only counted."""

    def __init__(self, count: Count) -> None:
        super().__init__()
        self._count = count

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is None or isinstance(error, (HttpProcessingError, ConnectionError, web.RequestPayloadError)):
            self._count("broken")
        else:
            log.error("The HTTP server failed: %s", type(error).__name__)


def server_logger(count: Count) -> logging.Logger:
    """Return a logger outside the logger tree: its records never reach the root's handlers."""
    logger = logging.Logger("bot.http.server", logging.DEBUG)  # noqa: LOG001 - outside the tree
    logger.addHandler(CountingHandler(count))
    return logger
