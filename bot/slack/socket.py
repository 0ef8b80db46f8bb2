"""Socket Mode: the same listeners over a WebSocket that the bot opens. An envelope is acknowledged after its commit.

This client replaces the package's, which closes the old connection before it opens the next and queues without bound.
Here two connections are open during a hand-over. Slack sends unacknowledged envelopes again; the inbox detects them by
their key. Connections are supervised like other loops: an error delays the next one, it never ends the loop.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.metrics import SLACK_CONNECTIONS
from bot.supervise import run_contained
from domain.errors import SlackUnreachable
from domain.json_types import Json
from velero.documents import MESSAGE_BOUNDS, BadDocument, read_json

log = logging.getLogger(__name__)


MAX_CONCURRENT_ENVELOPES = 400
BUSY_PAYLOAD = {"response_type": "ephemeral", "text": "Too busy right now. Nothing was done; try again in a moment."}
EXPECTED_REASONS = frozenset({"warning", "refresh_requested"})
"""Reasons of a disconnect after which the next connection opens at once; other reasons need an operator."""
REASON_TEXTS = {
    "link_disabled": "Socket Mode is turned off for the Slack app.",
    "too_many_websockets": "Slack already has ten connections for this app. Stop other instances of the bot.",
}


@dataclass(frozen=True, slots=True)
class SocketTimeouts:
    """Seconds. `heartbeat`: interval of pings; a connection is dead after 1.5 of them without an answer. `linger`: how long a
    replaced connection stays open. `steady`: a connection that lived less is short; after `max_short` short ones in a row
    the next one is delayed.
    """

    hello: float = 10.0
    heartbeat: float = 10.0
    linger: float = 15.0
    steady: float = 5.0
    max_short: int = 3


@dataclass(slots=True, eq=False)
class Link:
    """One connection. `leaving` is set when the next one should open; `why` is Slack's reason."""

    socket: aiohttp.ClientWebSocketResponse
    opened: float
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    why: str = "closed"

    @property
    def open(self) -> bool:
        return not self.socket.closed


class SocketMode:
    """`round` runs as a supervised loop: it opens a connection and returns when the next one should open."""

    def __init__(
        self,
        app: AsyncApp,
        client: AsyncWebClient,
        session: aiohttp.ClientSession,
        token: Callable[[], str],
        timeouts: SocketTimeouts | None = None,
    ) -> None:
        self._app = app
        self._client = client
        self._session = session
        self._token = token
        self._timeouts = timeouts or SocketTimeouts()
        self._links: list[Link] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._answering: set[asyncio.Task[Exception | None]] = set()
        self._short_in_a_row = 0
        self._closing = False
        self.fault = "not connected yet"

    @property
    def connections(self) -> int:
        return sum(link.open for link in self._links)

    async def round(self) -> float | None:
        if self._closing:
            return None
        link = await self._open()
        before = [one for one in self._links if one is not link]
        for one in before:
            self._track(self._retire(one))
        await link.leaving.wait()
        self._raise_if_unstable(link)
        return 0

    async def close(self, within: float) -> None:
        """Accept nothing new and acknowledge what is running. Slack sends the rest over the next connection."""
        self._closing = True
        if self._answering:
            await asyncio.wait(self._answering, timeout=within)
        for link in list(self._links):
            await link.socket.close()
        if self._serving:
            await asyncio.wait(self._serving, timeout=within)

    # --- connections

    async def _open(self) -> Link:
        try:
            link = await self._connect()
        except SlackUnreachable as error:
            if not self.connections:
                self.fault = error.text
            raise
        self.fault = ""
        self._links.append(link)
        self._track(self._serve(link))
        SLACK_CONNECTIONS.set(self.connections)
        return link

    async def _connect(self) -> Link:
        url = await self._socket_url()
        try:
            socket = await self._session.ws_connect(url, heartbeat=self._timeouts.heartbeat, max_msg_size=4 << 20)
        except (aiohttp.ClientError, OSError) as error:
            raise SlackUnreachable(
                f"Slack's Socket Mode connection can't be opened: {type(error).__name__}."
            ) from error
        link = Link(socket, asyncio.get_running_loop().time())
        try:
            await self._await_hello(link)
        except SlackUnreachable:
            await socket.close()
            raise
        return link

    async def _socket_url(self) -> str:
        try:
            answer = await self._client.apps_connections_open(app_token=self._token())
        except SlackApiError as error:
            raise SlackUnreachable(f"Slack refuses a Socket Mode connection: {error.response.get('error')}.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise SlackUnreachable(f"Slack doesn't respond: {type(error).__name__}.") from error
        url = str(answer.get("url") or "")
        if not url.startswith("wss://") and not self._client.base_url.startswith("http://"):
            raise SlackUnreachable("Slack returned an unencrypted Socket Mode address.")
        return url

    async def _await_hello(self, link: Link) -> None:
        try:
            message = _read(await link.socket.receive(timeout=self._timeouts.hello))
        except TimeoutError as error:
            raise SlackUnreachable("Slack's Socket Mode connection is silent.") from error
        if message.get("type") != "hello":
            raise SlackUnreachable(_reason_text(str(message.get("reason") or "no hello message")))

    async def _serve(self, link: Link) -> None:
        try:
            async for frame in link.socket:
                if self._closing:
                    break
                self._handle(link, _read(frame))
        finally:
            link.leaving.set()
            link.over.set()
            self._links.remove(link)
            SLACK_CONNECTIONS.set(self.connections)
            if not self.connections:
                self.fault = _reason_text(link.why)

    def _handle(self, link: Link, message: Json) -> None:
        if message.get("type") == "disconnect":
            link.why = str(message.get("reason", ""))
            log.info("Slack closes a connection: %s", link.why)
            link.leaving.set()
        elif "envelope_id" in message:
            task = asyncio.create_task(run_contained(self._answer(link, message)))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _retire(self, link: Link) -> None:
        """Close an old connection after a while. Usually Slack closes it; until then it may still deliver commands."""
        with suppress(TimeoutError):
            await asyncio.wait_for(link.over.wait(), self._timeouts.linger)
        await link.socket.close()

    def _raise_if_unstable(self, link: Link) -> None:
        """Raise, so that the loop backs off, if an operator has to act or if connections keep ending at once."""
        lived = asyncio.get_running_loop().time() - link.opened
        self._short_in_a_row = 0 if lived >= self._timeouts.steady else self._short_in_a_row + 1
        if self._closing or (link.why in EXPECTED_REASONS and self._short_in_a_row <= self._timeouts.max_short):
            return
        if link.why in REASON_TEXTS or self._short_in_a_row > self._timeouts.max_short:
            raise SlackUnreachable(_reason_text(link.why))

    def _track(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    # --- envelopes

    async def _answer(self, link: Link, envelope: Json) -> None:
        if len(self._answering) > MAX_CONCURRENT_ENVELOPES:
            payload: Json | None = BUSY_PAYLOAD
        else:
            bolt_request = AsyncBoltRequest(mode="socket_mode", body=envelope.get("payload") or {})
            payload = payload_of(await self._app.async_dispatch(bolt_request))
        if payload is None:
            return
        ack: Json = {"envelope_id": envelope["envelope_id"]}
        if payload and envelope.get("accepts_response_payload"):
            ack["payload"] = payload
        await self._send(link, ack)

    async def _send(self, link: Link, ack: Json) -> None:
        """Send over the envelope's connection, else over another one: Slack identifies the envelope by its id."""
        for one in (link, *reversed(self._links)):
            with suppress(ConnectionError, aiohttp.ClientError):
                if one.open:
                    await one.socket.send_str(json.dumps(ack))
                    return
        log.info("no connection for an acknowledgement: Slack will send the envelope again")


def payload_of(answer: BoltResponse) -> Json | None:
    """Return the payload of the acknowledgement; None if it must not be acknowledged, so that Slack sends it again."""
    if answer.status != 200:
        log.warning("an envelope was refused: %s", answer.status)
        return None
    body = answer.body or ""
    if answer.headers.get("content-type", [""])[0].startswith("application/json"):
        with suppress(ValueError):
            found = read_json(body, MESSAGE_BOUNDS)
            return found if isinstance(found, dict) else {}
    return {"text": body} if body else {}


def _read(frame: aiohttp.WSMessage) -> Json:
    if frame.type is not aiohttp.WSMsgType.TEXT:
        return {}
    try:
        message = read_json(frame.data, MESSAGE_BOUNDS)
    except BadDocument:
        return {}
    return message if isinstance(message, Mapping) else {}  # type: ignore[return-value]


def _reason_text(why: str) -> str:
    return REASON_TEXTS.get(why, f"Slack closed the Socket Mode connection: {why}.")
