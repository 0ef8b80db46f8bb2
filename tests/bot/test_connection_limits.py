"""Limits on bytes, connections and time for unsigned requests; a signed request is answered meanwhile."""

import asyncio
import contextlib
import time
from collections import Counter

import aiohttp
import pytest
from aiohttp import web

from benchmarks.process import bot as bot_process
from benchmarks.process import resident
from bot.connection_limits import BodyRefused, ConnectionLimits, mark_verified, peer_of, read_body
from bot.http import bounded_application, listen
from sandbox import world as worlds
from sandbox.slack.delivery import COMMAND, encode, signature
from sandbox.slack.payloads import slash_command

MIB = 1024 * 1024


class Served:
    """An application that reads bodies, behind real sockets with small limits."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.refused: Counter[str] = Counter()
        self.limits = limits
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self):
        application = bounded_application()
        application.router.add_post("/read", self._read)
        application.router.add_post("/known", self._known)
        self.listener = await listen(application, "127.0.0.1", 0, self.limits, lambda why: self.refused.update([why]))
        return self

    async def __aexit__(self, *_):
        self.go_on.set()
        for writer in self.writers:
            writer.transport.abort()
        await self.listener.close()

    async def _read(self, request: web.Request) -> web.Response:
        try:
            return web.Response(text=str(len(await read_body(request, 4 * MIB, self.limits.body_s))))
        except BodyRefused as refusal:
            self.refused[refusal.reason] += 1
            return web.Response(status=refusal.status)

    async def _known(self, request: web.Request) -> web.Response:
        await request.content.readexactly(16 * 1024)
        mark_verified(request)
        self.entered.set()
        await self.go_on.wait()
        return web.Response()

    async def connect(self, text: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port)
        self.writers.append(writer)
        writer.write(text)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        return reader, writer

    async def settled(self, condition) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)

    async def ok(self, size: int = 10) -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{self.listener.port}/read", data=b"x" * size) as answer,
        ):
            return answer.status


def head(path: str = "/read", length: int = MIB) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


async def ended(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            return await reader.read()
    return b""


async def test_the_connection_that_holds_the_most_is_dropped_and_the_newcomer_stays():
    async with Served(ConnectionLimits(peer_bytes=256 * 1024)) as served:
        heavy, _ = await served.connect(head() + b"x" * 200 * 1024)
        await served.settled(lambda: served.listener.guard.held > 200 * 1024)
        light, writer = await served.connect(head(length=100 * 1024) + b"x" * 90 * 1024)
        assert await ended(heavy) == b""
        writer.write(b"x" * 10 * 1024)
        assert (await light.readline()).startswith(b"HTTP/1.1 200")
        assert served.refused["bytes-in-flight"] == 1
        assert served.listener.guard.held == 0


async def test_the_limit_in_all_holds_across_peers(monkeypatch):
    """Every connection counts as a peer of its own."""
    monkeypatch.setattr("bot.connection_limits.peer_of", str)
    async with Served(ConnectionLimits(total_bytes=256 * 1024)) as served:
        opened = [await served.connect(head() + b"x" * 100 * 1024) for _ in range(8)]
        await served.settled(lambda: served.refused["bytes-in-flight"] == 6)
        assert 0 < served.listener.guard.held <= 256 * 1024
        for _, writer in opened:
            writer.close()
        await served.settled(lambda: served.listener.guard.held == 0)


async def test_a_request_whose_sender_is_known_does_not_count():
    async with Served(ConnectionLimits(peer_bytes=64 * 1024)) as served:
        known, _ = await served.connect(head("/known", 16 * 1024) + b"x" * 16 * 1024)
        await served.entered.wait()
        assert served.listener.guard.held == 0
        strange = [await served.connect(head() + b"x" * 60 * 1024) for _ in range(3)]
        await served.settled(lambda: served.refused["bytes-in-flight"] == 2)
        served.go_on.set()
        assert (await known.readline()).startswith(b"HTTP/1.1 200")
        assert len(strange) == 3


@pytest.mark.parametrize(
    "sent", [b"POST /re", b"POST /read HTTP/1.1\r\nHost: x\r\n", b"POST /read HTTP/1.1\r\nA: " + b"x" * 900]
)
async def test_a_head_that_does_not_end_is_dropped(sent):
    async with Served(ConnectionLimits(head_s=0.05)) as served:
        reader, _ = await served.connect(sent)
        assert await ended(reader) == b""
        assert served.refused == {"slow-head": 1}


async def test_so_is_a_connection_that_says_nothing_and_a_second_head_that_does_not_end():
    async with Served(ConnectionLimits(head_s=0.05, idle_s=30)) as served:
        silent, _ = await served.connect(b"")
        assert await ended(silent) == b""
        reader, writer = await served.connect(head(length=1) + b"x")
        assert (await reader.readuntil(b"\r\n\r\n1")).startswith(b"HTTP/1.1 200")
        writer.write(b"POST /")
        assert await ended(reader) == b""
        assert served.refused == {"idle": 1, "slow-head": 1}


async def test_a_body_has_a_deadline():
    async with Served(ConnectionLimits(body_s=0.05, lingering_s=0.01)) as served:
        reader, _ = await served.connect(head() + b"x")
        assert (await ended(reader)).startswith(b"HTTP/1.1 408")
        assert served.refused == {"slow": 1}


async def test_a_body_that_is_too_large_is_refused_by_its_head_or_by_what_came():
    async with Served(ConnectionLimits(lingering_s=0.01)) as served:
        reader, _ = await served.connect(head(length=4 * MIB + 1))
        assert (await ended(reader)).startswith(b"HTTP/1.1 413")
        chunked = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        reader, writer = await served.connect(chunked)
        chunk = b"80000\r\n" + b"x" * 0x80000 + b"\r\n"
        with contextlib.suppress(ConnectionError):
            for _ in range(10):
                writer.write(chunk)
                await writer.drain()
        assert (await ended(reader)).startswith((b"HTTP/1.1 413", b""))
        assert served.refused["too-large"] == 2


async def test_more_connections_than_there_may_be_cost_the_oldest_of_who_has_the_most():
    async with Served(ConnectionLimits(connections=20)) as served:
        opened = [await served.connect(b"P") for _ in range(20)]
        assert await served.ok() == 200
        assert served.refused == {"connections": 1}
        assert await ended(opened[0][0]) == b""


@pytest.mark.parametrize(
    "broken",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03secret-of-a-stranger\r\n\r\n",
        b"POST /read HTTP/1.1\r\nX-Slack-Signature: v0=secret-of-a-stranger\r\nContent-Length: x\r\n\r\n",
        b"GET /secret-of-a-stranger\x00 HTTP/1.1\r\n\r\n",
        b"POST /read HTTP/1.1\r\nA: " + b"secret-of-a-stranger" * 1000 + b"\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz-secret-of-a-stranger\r\n",
    ],
)
async def test_what_is_no_request_is_a_number_and_no_line_of_the_log(broken, caplog):
    caplog.set_level(0)
    async with Served(ConnectionLimits(lingering_s=0.01)) as served:
        reader, writer = await served.connect(broken)
        writer.write_eof()
        said = await ended(reader)
        await served.settled(lambda: served.refused.total() >= 1)
        assert b"secret-of" not in said
        assert set(served.refused) == {"broken"}
    assert not [record for record in caplog.records if record.name != "asyncio"]


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        (("192.0.2.7", 5), "192.0.2.7"),
        (("::ffff:192.0.2.7", 5, 0, 0), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 5, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 5, 0, 2), "fe80::/64"),
        (None, ""),
        ("/run/socket", ""),
    ],
)
def test_a_peer_is_one_host(host, peer):
    assert peer_of(host) == peer


async def test_many_half_sent_bodies_neither_fill_the_memory_nor_keep_others_out(tmp_path):
    """A real process; every head is as Slack's, with a signature that only the whole body could prove wrong."""
    world = await worlds.build(tmp_path, clusters=("prod",))
    writers: list[asyncio.StreamWriter] = []
    try:
        async with bot_process(worlds.settings(world, tmp_path / "data")) as (process, port, _):
            before = resident(process.pid)
            stamp = str(int(time.time()))
            lines = (
                f"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                f"X-Slack-Request-Timestamp: {stamp}\r\nX-Slack-Signature: v0={'a' * 64}\r\nContent-Length: 1000000\r\n\r\n"
            ).encode()
            for _ in range(120):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writers.append(writer)
                with contextlib.suppress(ConnectionError):
                    writer.write(lines + b"x" * 700_000)
            answered = await asyncio.to_thread(_honest, world, port)
            grown = resident(process.pid) - before
            assert answered == 200
            assert grown < 64, f"{grown:.0f} MiB more"
    finally:
        for writer in writers:
            writer.transport.abort()
        await world.close()


def _honest(world, port: int) -> int:
    import urllib.request

    user, channel = world.slack.person("grace").user, world.slack.workspace.channel("#ops")
    content = encode(COMMAND, slash_command(world.slack.site, user, channel, "/velero", "whoami"))[1]
    stamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": signature(world.slack.signing_secret, stamp, content),
    }
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/slack/events", data=content, headers=headers)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return answer.status


async def test_a_connection_that_arrives_while_the_listener_closes_is_aborted():
    async with asyncio.timeout(5), Served(ConnectionLimits(head_s=60)) as served:
        make_protocol = served.listener.guard.guarded(asyncio.Protocol)
        await served.listener.close()
        loop = asyncio.get_running_loop()
        late = await loop.create_server(make_protocol, "127.0.0.1", 0)
        async with late:
            reader, writer = await asyncio.open_connection(*late.sockets[0].getsockname()[:2])
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.transport.abort()
    assert served.listener.guard.held == 0
