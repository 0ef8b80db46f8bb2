"""A receiver's server: records requests and answers as a test sets."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Call:
    path: str
    headers: Any
    body: bytes


@dataclass
class Receiver:
    """`answers` are given in turn, the last one again and again: a status, or (status, headers)."""

    answers: list[Any] = field(default_factory=lambda: [204])
    calls: list[Call] = field(default_factory=list)
    delay: float = 0.0
    url: str = ""
    _runner: web.AppRunner | None = None
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def start(self) -> "Receiver":
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        return self

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.calls.append(Call(request.path, request.headers, await request.read()))
        async with self._more:
            self._more.notify_all()
        await asyncio.sleep(self.delay)
        answer = self.answers[min(len(self.calls), len(self.answers)) - 1]
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        return web.Response(status=status, headers=headers)

    async def got(self, count: int = 1, deadline: float = 10.0) -> list[Call]:
        await self.until(lambda: len(self.calls) >= count, deadline)
        return self.calls

    async def until(self, condition: Callable[[], bool], deadline: float = 10.0) -> None:
        async with asyncio.timeout(deadline), self._more:
            await self._more.wait_for(condition)
