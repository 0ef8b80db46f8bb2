"""A door before the object store: what goes through it can be held, and it can be shut."""

import asyncio
import re
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL

LARGEST = 1 << 28
OF_THE_CONNECTION = frozenset({"connection", "content-length", "expect", "host", "keep-alive", "transfer-encoding"})


@dataclass(slots=True)
class Door:
    """Velero talks to the store through here, so a test decides how long an upload takes and whether it succeeds."""

    store: str
    host: str
    port: int
    _held: dict[str, asyncio.Event] = field(default_factory=dict)
    _session: aiohttp.ClientSession | None = None
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def open(self) -> None:
        if self._runner is not None:
            return
        self._session = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=LARGEST)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()

    async def shut(self) -> None:
        """Stops listening and closes all connections."""
        if self._runner is not None and self._session is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
            await self._session.close()

    def hold(self, pattern: str) -> None:
        """Requests like `PUT /velero/backups/b/` wait until they are released."""
        self._held.setdefault(pattern, asyncio.Event())

    def release(self, pattern: str) -> None:
        if (gate := self._held.pop(pattern, None)) is not None:
            gate.set()

    def release_all(self) -> bool:
        """Whether anything was held."""
        held = list(self._held)
        for pattern in held:
            self.release(pattern)
        return bool(held)

    async def _pass(self, request: web.Request) -> web.Response:
        body = await request.read()
        for pattern, gate in list(self._held.items()):
            if re.match(pattern, f"{request.method} {request.raw_path}"):
                await gate.wait()
        if request.transport is None:  # the sender was killed in the meantime
            return web.Response(status=499)
        assert self._session is not None
        where = URL(self.store + request.raw_path, encoded=True)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in OF_THE_CONNECTION}
        async with self._session.request(
            request.method, where, data=body, headers=headers, allow_redirects=False
        ) as answer:
            content = await answer.read()
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in OF_THE_CONNECTION}
            return web.Response(status=answer.status, body=content, headers=kept)
