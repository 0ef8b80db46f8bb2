"""Sends requests to the bot: signed over HTTP, or through a socket. Slack waits three seconds."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlencode

import aiohttp

from domain.json_types import Json

COMMAND, INTERACTION, EVENT = "slash_commands", "interactive", "events_api"


@dataclass(frozen=True, slots=True)
class Ack:
    """The bot's answer, or Slack's reason why there was none in time."""

    status: int
    body: Any = None
    error: str = ""  # operation_timeout, dispatch_failed, dispatch_unknown_error
    reason: str = ""  # as in x-slack-retry-reason
    elapsed: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.error


class Transport(Protocol):
    async def send(self, kind: str, payload: Json, retry: tuple[int, str] | None = None) -> Ack: ...


def signature(secret: str, timestamp: str, body: bytes) -> str:
    digest = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256)
    return "v0=" + digest.hexdigest()


def encode(kind: str, payload: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return content type and body: commands are form fields, interactions one JSON field, events JSON."""
    if kind == EVENT:
        return "application/json", json.dumps(payload).encode()
    fields = payload if kind == COMMAND else {"payload": json.dumps(payload)}
    return "application/x-www-form-urlencoded", urlencode(fields).encode()


class SignedHttp:
    def __init__(self, url: str, secret: str, now: Callable[[], datetime], patience: Callable[[], float]) -> None:
        self.url, self.secret = url, secret
        self._now, self._patience = now, patience
        self._session: aiohttp.ClientSession | None = None

    def headers(self, content_type: str, body: bytes) -> dict[str, str]:
        timestamp = str(int(self._now().timestamp()))
        return {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(self.secret, timestamp, body),
        }

    async def send(self, kind: str, payload: Json, retry: tuple[int, str] | None = None) -> Ack:
        content_type, body = encode(kind, payload)
        headers = self.headers(content_type, body)
        if retry:
            headers |= {"X-Slack-Retry-Num": str(retry[0]), "X-Slack-Retry-Reason": retry[1]}
        return await self.post(headers, body)

    async def post(self, headers: Mapping[str, str], body: bytes) -> Ack:
        """Send any bytes with any headers; tests send forged requests with it."""
        session = self._session = self._session or aiohttp.ClientSession()
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self._patience()):
                async with session.post(self.url, data=body, headers=headers, allow_redirects=False) as response:
                    return _ack(response, await response.text(), time.monotonic() - begun)
        except TimeoutError:
            return Ack(0, None, "operation_timeout", "http_timeout", time.monotonic() - begun)
        except aiohttp.ClientError:
            return Ack(0, None, "dispatch_failed", "connection_failed", time.monotonic() - begun)

    async def close(self) -> None:
        if self._session:
            await self._session.close()


def _ack(response: aiohttp.ClientResponse, text: str, elapsed: float) -> Ack:
    body: Any = text
    if response.content_type == "application/json" and text:
        try:
            body = json.loads(text)
        except ValueError:
            return Ack(response.status, text, "dispatch_unknown_error", "http_error", elapsed)
    if response.status // 100 != 2:
        return Ack(response.status, body, "dispatch_failed", "http_error", elapsed)
    return Ack(response.status, body, elapsed=elapsed)
