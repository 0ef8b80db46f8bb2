"""The emulator: one aiohttp server on loopback that the bot uses as Slack."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from aiohttp import web

from domain.json_types import Json
from sandbox.slack.acts import Acts, Events, Sleep
from sandbox.slack.answers import use_hook
from sandbox.slack.console import Console
from sandbox.slack.delivery import EVENT, Ack, SignedHttp, Transport
from sandbox.slack.faults import Faults
from sandbox.slack.journal import Journal
from sandbox.slack.payloads import VERIFICATION_TOKEN
from sandbox.slack.person import Person
from sandbox.slack.rates import RateLimits
from sandbox.slack.records import Message
from sandbox.slack.site import ApiCall, Site
from sandbox.slack.sockets import Sockets
from sandbox.slack.triggers import Hooks, Triggers
from sandbox.slack.views import Views
from sandbox.slack.web_api import WebApi
from sandbox.slack.workspace import Workspace

T = TypeVar("T")
ACK_LIMIT = 3.0


def _utc() -> datetime:
    return datetime.now(UTC)


class SlackEmulator:
    """`await slack.start()`, then `slack.connect(url of the bot)`; people act through `slack.person(name)`."""

    def __init__(
        self,
        *,
        signing_secret: str,
        bot_token: str,
        app_token: str = "xapp-sandbox",
        team_id: str = "T000000001",
        app_id: str = "A000000001",
        now: Callable[[], datetime] = _utc,
        journal_file: Path | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.now, self.signing_secret, self.ack_limit = now, signing_secret, ACK_LIMIT
        self.journal = Journal(now, journal_file)
        self.workspace = Workspace(team_id, app_id, now, self.journal)
        views = Views(self.workspace, self.journal)
        self.site = Site(self.workspace, bot_token, app_token, now, Triggers(now), Hooks(now), views)
        self.faults, self.rates = Faults(), RateLimits(now)
        self._api = WebApi(self.site, self.faults, self.rates)
        self._http: SignedHttp | None = None
        self._opened: list[SignedHttp] = []
        self.sockets = Sockets(self.site, lambda: self.ack_limit)
        self.socket_mode = False
        self.events = Events(self.transport, self.journal.append, sleep)
        self.acts = Acts(self.site, self.transport, self.events)
        self.console = Console(self.site, self.acts, self.journal, self.person)
        self.home = ""  # the channel that people use by default
        self._runner: web.AppRunner | None = None

    # start and stop

    async def start(self, port: int = 0) -> str:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        self._routes(app)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        host, bound = self._runner.addresses[0][:2]
        self.site.base_url = f"http://{host}:{bound}"
        return self.site.base_url

    async def stop(self) -> None:
        await self.events.close()
        self.console.close()
        await self.sockets.close()
        await self._api.close()
        for transport in self._opened:
            await transport.close()
        if self._runner:
            await self._runner.cleanup()
        self.journal.close()

    def _routes(self, app: web.Application) -> None:
        app.router.add_route("*", "/api/{method}", self._api.handle)
        app.router.add_get("/link/", self.sockets.handle)
        app.router.add_post("/upload/v1/{token}", self._upload)
        self.console.routes(app)
        app.router.add_post("/{path:.*}", self._hook)

    @property
    def base_url(self) -> str:
        return self.site.base_url

    @property
    def api_url(self) -> str:
        """Return the base URL; a method's name is appended to it."""
        return f"{self.site.base_url}/api/"

    # the bot's side

    def connect(self, url: str) -> SignedHttp:
        """Send signed requests to this URL from now on; without one, or with `socket_mode`, through a socket."""
        self.socket_mode = False
        self._http = SignedHttp(url, self.signing_secret, self.now, lambda: self.ack_limit)
        self._opened.append(self._http)
        return self._http

    def transport(self) -> Transport:
        """Return the current transport; Socket Mode replaces requests over HTTP."""
        if self._http is None or self.socket_mode:
            return self.sockets
        return self._http

    async def verify_url(self) -> Ack:
        """Send the challenge that Slack sends when a request URL is entered; the bot must return it."""
        challenge = {"type": "url_verification", "token": VERIFICATION_TOKEN, "challenge": self.workspace.new_id("X")}
        return await self.transport().send(EVENT, challenge)

    @property
    def calls(self) -> list[ApiCall]:
        return list(self.site.calls)

    def called(self, method: str) -> list[ApiCall]:
        return [call for call in self.site.calls if call.method == method]

    # people's side

    def person(self, name: str) -> Person:
        home = self.home or next(c.id for c in self.workspace.channels.values() if not c.is_im)
        return Person(self.site, self.acts, self.journal, self.workspace.user(name).id, home)

    def messages(self, channel: str) -> list[Message]:
        return self.workspace.messages(channel)

    async def eventually(self, condition: Callable[[], T], deadline: float = 5.0) -> T:
        return await self.journal.eventually(condition, deadline)

    # what is neither a method nor a page

    async def _upload(self, request: web.Request) -> web.Response:
        file = self.workspace.files.get(self.site.uploads.get(request.match_info["token"], ""))
        if file is None:
            return web.Response(status=404, text="not found")
        content = await _content(request)
        if len(content) != file.length:
            return web.Response(status=400, text=f"expected {file.length} bytes, got {len(content)}")
        file.content = content
        return web.Response(text=f"OK - {len(content)}")

    async def _hook(self, request: web.Request) -> web.Response:
        """Handle response URLs. A URL that this emulator didn't create is accepted and recorded."""
        body = await _json_or_form(request)
        hook = self.site.hooks.use(request.path)
        if hook is None:
            self.journal.append("hook.unknown", path=request.path, body=body)
            return web.Response(text="ok")
        if isinstance(hook, str):
            self.journal.append("hook.spent", path=request.path, error=hook)
            return web.json_response({"ok": False, "error": hook}, status=404)
        status, text = use_hook(self.site, hook, body)
        self.journal.append("hook.used", path=request.path, status=status, answer=text)
        return web.Response(status=status, text=text)


async def _content(request: web.Request) -> bytes:
    if not request.content_type.startswith("multipart/"):
        return await request.read()
    form = await request.post()
    return b"".join([field.file.read() for field in form.values() if isinstance(field, web.FileField)])


async def _json_or_form(request: web.Request) -> Json:
    raw = await request.text()
    try:
        body = json.loads(raw)
    except ValueError:
        form = await request.post()
        body = json.loads(str(form["payload"])) if "payload" in form else {"text": raw}
    return body if isinstance(body, dict) else {"text": raw}
