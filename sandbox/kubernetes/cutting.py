"""A TCP proxy in front of an API server that cuts a connection at a chosen byte of a write."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_WRITES = (b"POST ", b"PATCH ", b"PUT ", b"DELETE ")


@dataclass(frozen=True, slots=True)
class Cut:
    """Where to cut: after this many bytes of the request or, with `answer`, of its response. `write` counts writes from 0.

    `down`: cut every later connection too, until `heal`.
    """

    write: int
    bytes: int
    answer: bool = False
    down: bool = False


@dataclass(slots=True)
class Written:
    """Bytes of one write that passed, in both directions."""

    request: int = 0
    answer: int = 0


@dataclass(slots=True)
class _Link:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    write: Written | None = None
    number: int = -1
    broken: bool = field(default=False)

    def break_off(self) -> None:
        self.broken = True
        for end in (self.client, self.server):
            end.transport.abort()


class CuttingProxy:
    """Recognizes requests by their first bytes; HTTP pipelining isn't supported."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._server: asyncio.Server | None = None
        self._links: list[_Link] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._port = 0
        self._cut: Cut | None = None
        self.down = False
        self.writes: list[Written] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self.url

    async def close(self) -> None:
        """Refuse connections until `start`."""
        if self._server is not None:
            self._server.close()
        self._break_all()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def arm(self, cut: Cut | None) -> None:
        self._cut, self.writes = cut, []

    def heal(self) -> None:
        self.down, self._cut = False, None

    def _break_all(self) -> None:
        for link in tuple(self._links):
            link.break_off()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        if self.down:
            writer.transport.abort()
            return await _gone(writer)
        answers, server = await asyncio.open_connection(self._target.hostname, self._target.port)
        link = _Link(writer, server)
        self._links.append(link)
        try:
            await asyncio.gather(self._requests(reader, link), self._answers(answers, link))
        finally:
            link.break_off()
            self._links.remove(link)
            await _gone(writer, server)

    async def _requests(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while data := await _read(reader):
            if data.startswith(_WRITES):
                link.write, link.number = Written(), len(self.writes)
                self.writes.append(link.write)
            elif data.startswith(b"GET "):
                link.write = None
            left = self._left(link, answer=False)
            await _send(link.server, data[:left])
            if link.write is not None:
                link.write.request += len(data[:left])
            if left is not None and left <= len(data):
                return self._strike(link)
        return link.break_off()

    async def _answers(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while data := await _read(reader):
            left = self._left(link, answer=True)
            await _send(link.client, data[:left])
            if link.write is not None:
                link.write.answer += len(data[:left])
            if left is not None and left <= len(data):
                return self._strike(link)
        return link.break_off()

    def _left(self, link: _Link, *, answer: bool) -> int | None:
        """Return how many bytes may still pass; None for all."""
        cut, write = self._cut, link.write
        if cut is None or write is None or cut.write != link.number or cut.answer is not answer:
            return None
        return cut.bytes - (write.answer if answer else write.request)

    def _strike(self, link: _Link) -> None:
        assert self._cut is not None
        self.down, self._cut = self._cut.down, None
        link.break_off()
        if self.down:
            self._break_all()


async def _gone(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> bytes:
    with suppress(ConnectionError):
        return await reader.read(1 << 16)
    return b""


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    if data:
        writer.write(data)
        with suppress(ConnectionError):
            await writer.drain()
