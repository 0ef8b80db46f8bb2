"""Signed commands over keep-alive connections, from a client that is thin enough to measure the server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable
from urllib.parse import urlencode

from benchmarks.door import HOOKS, PATH, SECRET

_numbers = itertools.count()

Make = Callable[[int, int], bytes]
"""(number, second) → the bytes of a request."""


def signed(number: int, at: int) -> bytes:
    body = urlencode(
        {
            "token": "gIkuvaNzQIHg97ATvDxqgjtO",
            "team_id": "T000000001",
            "team_domain": "example",
            "channel_id": "C000000001",
            "channel_name": "ops",
            "user_id": "U000000002",
            "user_name": "ada",
            "command": "/velero",
            "text": f"backup create nightly-{number} --include-namespaces shop,shop-db --ttl 720h",
            "api_app_id": "A000000001",
            "is_enterprise_install": "false",
            "response_url": f"https://hooks.slack.com/commands/T000000001/{number}/abcdefghijklmnopqrstuvwx",
            "trigger_id": f"{at}.{number}.0123456789abcdef0123456789abcdef",
        }
    ).encode()
    made = hmac.new(SECRET.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\nX-Slack-Request-Timestamp: {at}\r\nX-Slack-Signature: v0={made}\r\n"
        "User-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\nAccept: application/json,*/*\r\n\r\n"
    )
    return head.encode() + body


def forged(number: int, at: int) -> bytes:
    """A pipeline's command with a well-formed but wrong signature."""
    body = json.dumps({"line": f"backup create release-{number} --include-namespaces shop"}).encode()
    made = base64.b64encode(hashlib.sha256(body).digest()).decode()
    head = (
        f"POST {HOOKS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nwebhook-id: msg_{number}\r\nwebhook-timestamp: {at}\r\n"
        f"webhook-signature: v1,{made}\r\nAccept: */*\r\n\r\n"
    )
    return head.encode() + body


class _Line(asyncio.Protocol):
    """One connection: each request follows as soon as the previous answer is complete."""

    def __init__(self, requests: list[bytes], took: list[float], status: int) -> None:
        self._requests, self._took = requests, took
        self._good = b"HTTP/1.1 %d" % status
        self._begun = 0.0
        self._seen = b""
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._next()

    def _next(self) -> None:
        if not self._requests:
            self._transport.close()
            self.over.set_result(None)
            return
        self._begun = time.perf_counter()
        self._transport.write(self._requests.pop())

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, gap, body = self._seen.partition(b"\r\n\r\n")
        if not gap:
            return
        if not head.startswith(self._good):
            raise RuntimeError(head.decode(errors="replace"))
        length = next((int(x[15:]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:")), 0)
        if len(body) >= length:
            if body.strip() not in {b"", b"{}"}:
                raise RuntimeError(f"not accepted: {body!r}")
            self._took.append(time.perf_counter() - self._begun)
            self._seen = b""
            self._next()


async def run(
    port: int, connections: int, requests: int, make: Make = signed, status: int = 200
) -> tuple[float, list[float]]:
    """Return requests per second, and the duration of each request."""
    at = int(time.time())
    ready = [[make(next(_numbers), at) for _ in range(requests // connections)] for _ in range(connections)]
    took: list[float] = []
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    lines = [
        await loop.create_connection(lambda mine=mine: _Line(mine, took, status), "127.0.0.1", port) for mine in ready
    ]
    await asyncio.gather(*(line.over for _, line in lines))
    return len(took) / (time.perf_counter() - began), took
