"""The bot as a separate process behind Socket Mode, killed without warning."""

import asyncio
import os
import signal
import sqlite3
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox import world as worlds
from sandbox.world import World

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = await worlds.build(tmp_path, clusters=("prod",), velero=worlds.QUICK)
    worlds.application(made.prod.objects, "shop")
    made.slack.socket_mode = True
    yield made
    await made.close()


@pytest.fixture
def settings(world: World, tmp_path: Path) -> Path:
    path = worlds.settings(world, tmp_path / "data")
    path.write_text(path.read_text("utf-8").replace("[slack]\n", '[slack]\ntransport = "socket"\n'), "utf-8")
    return path


class Bots:
    """`start` returns when it holds a connection; what is left over is killed at the end."""

    def __init__(self, world: World, settings: Path) -> None:
        self._world, self._settings = world, settings
        self._all: list[Process] = []

    async def start(self) -> Process:
        slack = self._world.slack
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "serve", "--config", str(self._settings), cwd=ROOT, stderr=DEVNULL
        )
        self._all.append(process)
        await slack.eventually(lambda: slack.sockets.links, deadline=30)
        return process

    async def kill(self, process: Process) -> None:
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await self._world.slack.eventually(lambda: not self._world.slack.sockets.links)

    async def close(self) -> None:
        for process in self._all:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
async def bots(world: World, settings: Path) -> AsyncIterator[Bots]:
    made = Bots(world, settings)
    yield made
    await made.close()


def operations(settings: Path) -> int:
    with sqlite3.connect(f"file:{settings.parent / 'data'}/velero-chatops.db?mode=ro", uri=True) as connection:
        return connection.execute("SELECT count(*) FROM operation").fetchone()[0]


@pytest.mark.parametrize("acknowledged", [0, 6])
async def test_killed_in_the_middle_every_command_is_done_once(world, settings, bots, acknowledged):
    slack = world.slack
    slack.ack_limit = 60
    bot = await bots.start()
    names = [f"b{number}" for number in range(12)]
    grace = slack.person("grace")
    asked = [
        asyncio.create_task(grace.says(f"/velero backup create {name} --include-namespaces shop", in_="#ops"))
        for name in names
    ]
    await slack.eventually(lambda: len(slack.sockets.sent) == len(names))
    await slack.eventually(lambda: len(slack.journal.of("socket.acked")) >= acknowledged)
    await bots.kill(bot)
    bot = await bots.start()
    answers = await asyncio.gather(*asked)
    assert {answer.error for answer in answers} == {""}
    await slack.eventually(lambda: {item["metadata"]["name"] for item in world.prod.all("backups")} == set(names), 30)
    assert operations(settings) == len(names)
    await ends_in_time(bot)


async def ends_in_time(bot: Process) -> None:
    bot.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await bot.wait() == os.EX_OK
