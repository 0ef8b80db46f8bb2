"""A real Bolt app on a real port, talking to the emulator through the real SDK."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.slack.emulator import SlackEmulator

SECRET, TOKEN, APP_TOKEN = "shh", "xoxb-1", "xapp-1"


@dataclass
class Bot:
    app: AsyncApp
    client: AsyncWebClient
    url: str = ""


@pytest.fixture
async def slack() -> AsyncIterator[SlackEmulator]:
    slack = SlackEmulator(signing_secret=SECRET, bot_token=TOKEN, app_token=APP_TOKEN)
    for name in ("ada", "grace", "mallory"):
        slack.workspace.add_user(name)
    slack.workspace.add_channel("ops", ["ada", "grace"])
    slack.workspace.add_channel("vault", ["ada"], is_private=True)
    slack.workspace.add_channel("lounge", ["ada", "mallory"], bot=False)
    slack.rates.posts_per_channel = 1000  # what is tried here by the dozen is not about how fast a channel may fill
    await slack.start()
    yield slack
    await slack.stop()


@pytest.fixture
async def client(slack) -> AsyncIterator[AsyncWebClient]:
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(token=TOKEN, base_url=slack.api_url, session=session, retry_handlers=[])


@pytest.fixture
async def bot(slack, client, monkeypatch) -> AsyncIterator[Bot]:
    for name in ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    app = AsyncApp(signing_secret=SECRET, client=client, process_before_response=True)
    bot = Bot(app, client)

    async def receive(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    served = web.Application()
    served.router.add_post("/slack", receive)
    runner = web.AppRunner(served, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    bot.url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack"
    slack.connect(bot.url)
    yield bot
    await runner.cleanup()
