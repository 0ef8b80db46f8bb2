"""The HTTP intake as a separate process: `python -m benchmarks.door bare|durable DIRECTORY` prints its port.

`durable` is the bot's own path from the socket to the commit: server, listeners, intake, store. The inbox isn't
processed meanwhile: the row measures only the time that Slack waits.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from bot.clock import utc_now
from bot.configuration.settings import Limits
from bot.garbage_collection import freeze_startup_objects
from bot.http import HttpServer, Readiness
from bot.intake import Intake
from bot.slack.forms import Forms
from bot.slack.listeners import Listeners, build_bolt_app
from store.writer import Store

SECRET = "0123456789abcdef0123456789abcdef"
PATH = "/slack/events"
HOOKS = "/hooks/v1/commands"


async def bare(request: web.Request) -> web.Response:
    """The minimum that any server does: read, check the signature, parse."""
    body = await request.read()
    base = b"v0:" + request.headers["X-Slack-Request-Timestamp"].encode() + b":" + body
    made = "v0=" + hmac.new(SECRET.encode(), base, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(made, request.headers["X-Slack-Signature"]):
        return web.Response(status=401)
    return web.Response(text="" if dict(parse_qsl(body.decode())) else "empty")


async def bare_hook(request: web.Request) -> web.Response:
    """The minimum for a pipeline's call."""
    body = await request.read()
    given = request.headers
    base = f"{given['webhook-id']}.{given['webhook-timestamp']}.".encode() + body
    made = base64.b64encode(hmac.new(SECRET.encode(), base, hashlib.sha256).digest()).decode()
    if not hmac.compare_digest("v1," + made, given["webhook-signature"]):
        return web.Response(status=401)
    return web.Response(text="" if json.loads(body) else "empty")


async def auth_test(_request: web.Request) -> web.Response:
    told = {
        "ok": True,
        "team_id": "T000000001",
        "user_id": "U000000001",
        "bot_id": "B000000001",
        "team": "t",
        "user": "u",
    }
    return web.json_response(told)


async def durable(directory: Path, session: aiohttp.ClientSession, slack: str) -> web.Application:
    store = await Store.open(directory, utc_now(), reserve_bytes=0)
    client = AsyncWebClient(token="xoxb-1", base_url=slack, session=session, retry_handlers=[])
    app = build_bolt_app(client)
    unlimited = Limits(commands_per_minute=10**9, waiting_per_person=10**9, waiting_total=10**9)
    intake = Intake(store, utc_now, lambda: None, lambda: unlimited)
    listeners = Listeners(
        intake, Forms(client), {"/velero": ""}, lambda: "U000000001", lambda _: "prod", lambda _: None
    )
    listeners.register(app)
    return HttpServer(app, lambda: (SECRET,), lambda: Readiness({}), slash=listeners.slash).application(PATH)


async def listen(app: web.Application) -> int:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    return int(runner.addresses[0][1])


async def serve(kind: str, directory: Path) -> None:
    async with aiohttp.ClientSession() as session:
        if kind == "bare":
            app = web.Application()
            app.router.add_post(PATH, bare)
            app.router.add_post(HOOKS, bare_hook)
        else:
            slack = web.Application()
            slack.router.add_post("/api/auth.test", auth_test)
            app = await durable(directory, session, f"http://127.0.0.1:{await listen(slack)}/api/")
            freeze_startup_objects()
        print(await listen(app), flush=True)
        await asyncio.Event().wait()


@contextmanager
def door(kind: str, directory: Path) -> Iterator[int]:
    with Popen([sys.executable, "-m", "benchmarks.door", kind, str(directory)], stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
