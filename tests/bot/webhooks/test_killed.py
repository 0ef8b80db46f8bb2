"""The bot as a separate process, killed while pipelines send commands and receivers get notifications."""

import asyncio
import json
import random
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from sandbox import world as worlds
from tests.bot.webhooks.pipelines import RULES, SECRET, Pipeline, senders
from tests.bot.webhooks.receiver import Receiver
from tests.scenarios.product import BRISK, House, made

ROOT = Path(__file__).parents[3]
ROUTE = """
[[routes]]
name = "ops-hook"
kind = "webhook"
url = "{url}"
secret_file = "{secret}"
allow_addresses = ["127.0.0.0/8"]
routine = true
[routes.match]
events = ["backup.completed"]
"""
DEATHS = 2
COMMANDS = 12


class Killable(Pipeline):
    """Asks again under the same id until it is answered, as a pipeline has to."""

    def __init__(self, house: House, session: aiohttp.ClientSession) -> None:
        super().__init__(house, session)
        self.process: Process | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "serve", "--config", str(self.house.settings)),
            cwd=ROOT,
            stdout=DEVNULL,
            stderr=PIPE,
        )
        assert self.process.stderr is not None
        async with asyncio.timeout(60):
            while b"listening on" not in (line := await self.process.stderr.readline()):
                pass
        self.port = int(line.rpartition(b":")[2])
        self.reading = asyncio.create_task(self.process.stderr.read())

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.process.wait()
        await self.reading

    async def insists(self, name: str) -> str:
        """The operation of a backup with this name."""
        while True:
            try:
                answer = await self.asks(f"backup create {name} --include-namespaces shop", ident=f"run-{name}")
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(0.05)
                continue
            assert answer.status == 202
            return answer.json["operation"]


@pytest.fixture
async def receiver():
    server = await Receiver(delay=0.02).start()
    yield server
    await server.stop()


@pytest.fixture
async def killable(tmp_path: Path, receiver):
    house = await made(tmp_path, clusters=("prod",))
    secret = tmp_path / "hook-secret"
    secret.write_text(SECRET)
    extra = BRISK + senders(house) + ROUTE.format(url=receiver.url, secret=secret)
    house.settings = worlds.settings(house.world, tmp_path / "data", extra=extra, rules=RULES)
    async with aiohttp.ClientSession() as session:
        pipeline = Killable(house, session)
        await pipeline.start()
        house.slack.connect(f"{pipeline.url}/slack/events")
        yield pipeline
        await pipeline.kill()
    await house.world.close()


async def test_nothing_is_done_twice_and_nothing_acknowledged_is_lost(killable, receiver):
    created: Counter[str] = Counter()

    def count(kind, resource, _old, new):
        if (kind, resource) == ("ADDED", "backups"):
            created[new["metadata"]["name"]] += 1

    killable.house.prod.objects.on_change(count)
    dice = random.Random(7)
    names = [f"b{number}" for number in range(COMMANDS)]
    asking = [asyncio.create_task(killable.insists(name)) for name in names]
    for _ in range(DEATHS):
        await asyncio.sleep(dice.uniform(0.05, 0.6))
        await killable.kill()
        await killable.start()
    operations = await asyncio.gather(*asking)
    told = [await killable.ends(operation) for operation in operations]
    assert {each["state"] for each in told} == {"succeeded"}
    assert created == Counter(names)
    await receiver.until(lambda: len(subjects(receiver)) == COMMANDS, deadline=60)
    assert set(subjects(receiver).values()) == {f"backup/{name}" for name in names}


def subjects(receiver) -> dict[str, str]:
    """What was heard, by id: more than once counts once."""
    return {call.headers["webhook-id"]: json.loads(call.body)["subject"] for call in receiver.calls}
