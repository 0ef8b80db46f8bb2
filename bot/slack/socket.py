"""Socket Mode: the same listeners, down a WebSocket that the bot opened. An envelope is acknowledged after its commit.

Own and thin, because the package's client closes the old connection before it opens the next, and queues without
bound. Here two are open during a hand-over; what was not acknowledged Slack sends again, and the inbox knows it by its
key. Connections are supervised like every other loop: a fault delays the next one, never ends it.
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
BUSY = {"response_type": "ephemeral", "text": "Too busy right now. Nothing was done; try again in a moment."}
SHUTTING_DOWN = frozenset({"warning", "refresh_requested"})
"""Reasons after which the next connection is wanted at once; the others need somebody."""
WORDS = {
    "link_disabled": "Socket Mode is turned off for the Slack app.",
    "too_many_websockets": "Slack already has ten connections for this app. Stop other instances of the bot.",
}


@dataclass(frozen=True, slots=True)
class SocketTimeouts:
    """Seconds. `heartbeat`: a connection that does not answer a ping for half as long again is dead. `linger`: an old one stays open.

    `steady`: connections that lived less count as hasty, and after `hasty` of them in a row the next is delayed.
    """

    hello: float = 10.0
    heartbeat: float = 10.0
    linger: float = 15.0
    steady: float = 5.0
    hasty: int = 3


@dataclass(slots=True, eq=False)
class Link:
    """One connection. `leaving` is set when it should be followed by another; `why` in Slack's word."""

    socket: aiohttp.ClientWebSocketResponse
    opened: float
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    why: str = "closed"

    @property
    def open(self) -> bool:
        return not self.socket.closed


class SocketMode:
    """`round` is a supervised loop: it opens a connection and returns when that one should be followed by the next."""

    def __init__(
        self,
        app: AsyncApp,
        client: AsyncWebClient,
        session: aiohttp.ClientSession,
        token: Callable[[], str],
        patience: SocketTimeouts | None = None,
    ) -> None:
        self._app = app
        self._client = client
        self._session = session
        self._token = token
        self._patience = patience or SocketTimeouts()
        self._links: list[Link] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._answering: set[asyncio.Task[Exception | None]] = set()
        self._hasty = 0
        self._closing = False
        self.fault = "not connected yet"

    @property
    def connections(self) -> int:
        return sum(link.open for link in self._links)

    async def round(self) -> float | None:
        if self._closing:
            return None
        link = await self._opened()
        before = [one for one in self._links if one is not link]
        for one in before:
            self._keep(self._retire(one))
        await link.leaving.wait()
        self._judge(link)
        return 0

    async def close(self, within: float) -> None:
        """Takes nothing new; what is under way is acknowledged. The rest Slack sends to whoever connects next."""
        self._closing = True
        if self._answering:
            await asyncio.wait(self._answering, timeout=within)
        for link in list(self._links):
            await link.socket.close()
        if self._serving:
            await asyncio.wait(self._serving, timeout=within)

    # --- connections

    async def _opened(self) -> Link:
        try:
            link = await self._connect()
        except SlackUnreachable as error:
            if not self.connections:
                self.fault = error.text
            raise
        self.fault = ""
        self._links.append(link)
        self._keep(self._serve(link))
        SLACK_CONNECTIONS.set(self.connections)
        return link

    async def _connect(self) -> Link:
        url = await self._address()
        try:
            socket = await self._session.ws_connect(url, heartbeat=self._patience.heartbeat, max_msg_size=4 << 20)
        except (aiohttp.ClientError, OSError) as error:
            raise SlackUnreachable(
                f"Slack's Socket Mode connection can't be opened: {type(error).__name__}."
            ) from error
        link = Link(socket, asyncio.get_running_loop().time())
        try:
            await self._greeted(link)
        except SlackUnreachable:
            await socket.close()
            raise
        return link

    async def _address(self) -> str:
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

    async def _greeted(self, link: Link) -> None:
        try:
            said = _read(await link.socket.receive(timeout=self._patience.hello))
        except TimeoutError as error:
            raise SlackUnreachable("Slack's Socket Mode connection is silent.") from error
        if said.get("type") != "hello":
            raise SlackUnreachable(_words(str(said.get("reason") or "no hello message")))

    async def _serve(self, link: Link) -> None:
        try:
            async for frame in link.socket:
                if self._closing:
                    break
                self._hear(link, _read(frame))
        finally:
            link.leaving.set()
            link.over.set()
            self._links.remove(link)
            SLACK_CONNECTIONS.set(self.connections)
            if not self.connections:
                self.fault = _words(link.why)

    def _hear(self, link: Link, said: Json) -> None:
        if said.get("type") == "disconnect":
            link.why = str(said.get("reason", ""))
            log.info("Slack ends a connection: %s", link.why)
            link.leaving.set()
        elif "envelope_id" in said:
            task = asyncio.create_task(run_contained(self._answer(link, said)))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _retire(self, link: Link) -> None:
        """Slack closes it itself, as a rule; until then commands may still come down it."""
        with suppress(TimeoutError):
            await asyncio.wait_for(link.over.wait(), self._patience.linger)
        await link.socket.close()

    def _judge(self, link: Link) -> None:
        """What needs somebody, and connections that end at once again and again, are left to the loop's back-off."""
        lived = asyncio.get_running_loop().time() - link.opened
        self._hasty = 0 if lived >= self._patience.steady else self._hasty + 1
        if self._closing or (link.why in SHUTTING_DOWN and self._hasty <= self._patience.hasty):
            return
        if link.why in WORDS or self._hasty > self._patience.hasty:
            raise SlackUnreachable(_words(link.why))

    def _keep(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    # --- envelopes

    async def _answer(self, link: Link, envelope: Json) -> None:
        if len(self._answering) > MAX_CONCURRENT_ENVELOPES:
            payload: Json | None = BUSY
        else:
            asked = AsyncBoltRequest(mode="socket_mode", body=envelope.get("payload") or {})
            payload = payload_of(await self._app.async_dispatch(asked))
        if payload is None:
            return
        ack: Json = {"envelope_id": envelope["envelope_id"]}
        if payload and envelope.get("accepts_response_payload"):
            ack["payload"] = payload
        await self._send(link, ack)

    async def _send(self, link: Link, ack: Json) -> None:
        """Over its own connection, else over another: Slack knows the envelope by its id."""
        for one in (link, *reversed(self._links)):
            with suppress(ConnectionError, aiohttp.ClientError):
                if one.open:
                    await one.socket.send_str(json.dumps(ack))
                    return
        log.info("an acknowledgement found no connection: Slack will send it again")


def payload_of(answer: BoltResponse) -> Json | None:
    """What goes back with the acknowledgement; None where nothing may be acknowledged, so that Slack sends it again."""
    if answer.status != 200:
        log.warning("an envelope was not taken: %s", answer.status)
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
        said = read_json(frame.data, MESSAGE_BOUNDS)
    except BadDocument:
        return {}
    return said if isinstance(said, Mapping) else {}  # type: ignore[return-value]


def _words(why: str) -> str:
    return WORDS.get(why, f"Slack closed the Socket Mode connection: {why}.")
