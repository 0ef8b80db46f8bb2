"""The bot as its own process on a real cluster, with the rights of `deploy/` and the sandbox's Slack."""

import asyncio
import os
import secrets
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import yaml

from sandbox import world as worlds
from sandbox.slack.emulator import SlackEmulator
from tests.e2e.api import Json
from tests.e2e.cluster import RealCluster
from tests.e2e.ports import free_ports
from tests.e2e.processes import Keeper, Process
from tests.scenarios.product import BRISK, House

ROOT = Path(__file__).parents[3]
RIGHTS = ROOT / "deploy" / "rights"
PREVIEWS = ROOT / "deploy" / "components" / "previews"
BOT = {"kind": "User", "name": "bot", "apiGroup": "rbac.authorization.k8s.io"}
START_SECONDS = 40.0

EVERY_END = """
[[routes]]
name = "every end"
channels = [{channel}]
routine = true
[routes.match]
events = ["backup.completed"]
"""


def rights(*files: Path) -> list[Json]:
    """The manifests, bound to the token's user instead of the service account."""
    manifests = [one for file in files for one in yaml.safe_load_all(file.read_text("utf-8"))]
    for one in manifests:
        if "subjects" in one:
            one["subjects"] = [BOT]
    return manifests


def all_rights() -> list[Json]:
    return rights(RIGHTS / "role.yaml", RIGHTS / "clusterrole.yaml", PREVIEWS / "clusterrole.yaml")


async def new_slack() -> SlackEmulator:
    slack = SlackEmulator(signing_secret=secrets.token_hex(16), bot_token=f"xoxb-{secrets.token_hex(12)}")
    await slack.start()
    worlds.people(slack)
    return slack


def written_settings(
    directory: Path, cluster: RealCluster, slack: SlackEmulator, port: int, second: RealCluster | None = None
) -> Path:
    """A second cluster is the bot's `staging`."""
    clusters = {"prod": cluster} | ({"staging": second} if second else {})
    places: Any = {name: SimpleNamespace(name=name, url=one.url, token=one.bot_token) for name, one in clusters.items()}
    store: Any = SimpleNamespace(url=cluster.store.url)
    world = worlds.World(directory, slack, store, worlds.RealClock(), places)
    extra = BRISK + EVERY_END.format(channel=f'"{world.channel("staging")}"')
    rules = worlds.RULES.replace('what = ["restore.create"]', 'what = ["restore.create"]\nconfigmaps = true')
    path = worlds.settings(world, directory / "data", listen=f"127.0.0.1:{port}", extra=extra, rules=rules)
    text = path.read_text("utf-8")
    for name, one in clusters.items():
        text = text.replace(f'name = "{name}"\nurl', f'name = "{name}"\nca_file = "{one.ca}"\nurl')
    path.write_text(text, "utf-8")
    return path


@dataclass(slots=True)
class Bot:
    """`velero-chatops serve`."""

    process: Process
    url: str
    session: aiohttp.ClientSession

    async def start(self) -> None:
        self.process.start()
        await self._until("readyz")

    async def _until(self, page: str) -> None:
        """Waits until the page responds with 200."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self._well(page):
                    self.process.check()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"the bot is not ready:\n{self.process.last_words()}") from None

    async def _well(self, page: str) -> bool:
        try:
            async with self.session.get(f"{self.url}/{page}") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def kill(self) -> None:
        await self.process.kill()

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    async def leaves(self) -> int:
        """Its exit status after SIGTERM."""
        os.kill(self.process.pid, signal.SIGTERM)
        async with asyncio.timeout(15):
            while self.process.alive:
                await asyncio.sleep(0.05)
        return self.process.status


class RealHouse(House):
    """The house of the scenarios with a real cluster and the bot as a process."""

    def __init__(self, cluster: RealCluster, slack: SlackEmulator, process: Bot, settings: Path) -> None:
        self.cluster = cluster
        self.process = process
        self.settings = settings
        self._slack = slack

    @property
    def slack(self) -> SlackEmulator:
        return self._slack

    @property
    def api(self):
        return self.cluster.api

    async def eventually(self, condition, deadline: float = 30.0):
        """A long deadline, because everything else runs on the same machine."""
        return await self.slack.eventually(condition, deadline)

    async def sees(self, channel: str, *words: str, deadline: float = 30.0):
        return await super().sees(channel, *words, deadline=deadline)

    def told_of(self, name: str, channel: str) -> int:
        """The number of messages outside threads about the result of this backup."""
        return len([m for m in self.told(channel, f"Backup {name} ") if not m.is_reply])


async def open_house(
    cluster: RealCluster,
    keeper: Keeper,
    directory: Path,
    session: aiohttp.ClientSession,
    second: RealCluster | None = None,
) -> RealHouse:
    slack = await new_slack()
    (port,) = free_ports("127.0.0.1", 1)
    settings = written_settings(directory, cluster, slack, port, second)
    argv = [sys.executable, "-W", "error", "-m", "bot", "serve", "--config", str(settings)]
    process = Process("bot", argv, directory / "bot.log", keeper, {"PYTHONPATH": str(ROOT)})
    slack.connect(f"http://127.0.0.1:{port}/slack/events")
    return RealHouse(cluster, slack, Bot(process, f"http://127.0.0.1:{port}", session), settings)
