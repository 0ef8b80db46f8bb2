"""`make demo`: the whole product on a laptop. The world runs in this process, the bot as its own.

The story is played once; then the page stays, until Ctrl-C. `--once` plays it without the page and says by its exit
code whether every step was seen.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox import story, world
from sandbox.velero.history import Past
from sandbox.velero.settings import VeleroSettings
from sandbox.world import PEOPLE, World

HOME = Path(".demo")
START_WITHIN = 30.0

PACE = VeleroSettings(
    schedule_tick=20.0,
    sync_tick=15.0,
    sync_period=15.0,
    validation_tick=5.0,
    validation_period=10.0,
    garbage_collection_period=60.0,
    queue_period=10.0,
    deletion_seconds=1.0,
)


class BotDidNotStart(Exception): ...


class Bot:
    """Runs `python -m bot serve` as a separate process."""

    def __init__(self, settings: Path, log: Path) -> None:
        self._settings = settings
        self._log = log
        self.process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None
        self.url = ""

    async def start(self) -> str:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("VELERO_CHATOPS_")}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            "serve",
            "--config",
            str(self._settings),
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        line = await asyncio.wait_for(self._first_line(), START_WITHIN)
        self.url = f"http://{line.rpartition(' ')[2]}/slack/events"
        return self.url

    async def _first_line(self) -> str:
        """Wait until it listens; its output goes to the log."""
        assert self.process is not None
        assert self.process.stderr is not None
        log = self._log.open("ab")
        while raw := await self.process.stderr.readline():
            log.write(raw)
            log.flush()
            text = raw.decode(errors="replace").strip()
            if text.startswith("listening on "):
                self._drain = asyncio.create_task(_copied(self.process.stderr, log))
                return text
        log.close()
        raise BotDidNotStart(f"The bot didn't start. See the log: {self._log}")

    async def stop(self) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), 8)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        if self._drain is not None:
            await self._drain

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.process.wait()
        if self._drain is not None:
            await self._drain


async def _copied(stream: asyncio.StreamReader, log: Any) -> None:
    while raw := await stream.readline():
        log.write(raw)
        log.flush()
    log.close()


async def scene(home: Path, port: int) -> World:
    """Build two clusters with workloads and some weeks of backup history."""
    made = await world.build(home, velero=PACE, slack_port=port)
    for place, namespaces in ((made.prod, ("shop", "billing")), (made.staging, ("shop-staging",))):
        for namespace in namespaces:
            world.application(place.objects, namespace, labels={"env": "production" if place is made.prod else "test"})
    await past(made)
    return made


async def past(made: World) -> None:
    now = datetime.now(UTC)
    await asyncio.sleep(0)
    outcomes = {7: "PartiallyFailed", 3: "Failed"}
    made.prod.velero.seed_history(
        Past(21, now - timedelta(hours=9), namespace="shop", outcome=lambda number: outcomes.get(number, "Completed"))
    )
    made.staging.velero.seed_history(Past(10, now - timedelta(hours=7), schedule="weekly", namespace="shop-staging"))
    for place, name, cron, namespace in (
        (made.prod, "nightly", "0 1 * * *", "shop"),
        (made.staging, "weekly", "0 3 * * 1", "shop-staging"),
    ):
        spec = {"schedule": cron, "template": {"includedNamespaces": [namespace], "ttl": "720h0m0s"}}
        place.objects.create("schedules", world.VELERO, {"metadata": {"name": name}, "spec": spec})


def info(made: World, bot: Bot, data_dir: Path) -> dict[str, Any]:
    workspace = made.slack.workspace
    users = [{"id": workspace.user(name).id, "name": name, "role": role} for name, role in PEOPLE.items()]
    order = ["ops", "approvals", "incidents", "staging", "shop-team"]
    return {
        "console_url": made.slack.base_url + "/",
        "slack_request_url": bot.url,
        "signing_secret": made.slack.signing_secret,
        "slack_api_url": made.slack.api_url,
        "bot_token": made.slack.site.bot_token,
        "team_id": workspace.team_id,
        "app_id": workspace.app_id,
        "users": users,
        "channels": [{"id": made.channel(name), "name": name} for name in order],
        "clusters": [{"name": place.name, "url": place.url, "token": place.token} for place in made.places.values()],
        "data_dir": str(data_dir),
    }


def write_last(path: Path, value: dict[str, Any]) -> None:
    """Write atomically: when the file exists, everything is running."""
    short = path.with_suffix(".tmp")
    short.write_text(json.dumps(value, indent=2))
    short.replace(path)


async def run(*, once: bool, port: int) -> int:
    home = Path.cwd() / HOME
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    made = await scene(home, port)
    data_dir = home / "data"
    bot = Bot(world.settings(made, data_dir), home / "bot.log")
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    try:
        made.slack.connect(await bot.start())
        await story.wait_until_ready(bot.url)
        if once:
            return await _played(made, ended)
        write_last(home / "info.json", info(made, bot, data_dir))
        print(
            f"\nOpen {made.slack.base_url}/ in a browser. IDs and secrets: {HOME}/info.json. Press Ctrl-C to stop.\n",
            flush=True,
        )
        await _played(made, ended)
        print(
            f"\nThe demo has finished. The page is still running: {made.slack.base_url}/ (Ctrl-C to stop)", flush=True
        )
        await ended.wait()
    finally:
        await bot.stop()
        await made.close()
        if not once:
            shutil.rmtree(home, ignore_errors=True)
    return 0


async def _played(made: World, ended: asyncio.Event) -> int:
    """Play the story until it ends or a signal stops it."""
    telling = asyncio.create_task(story.play(made))
    ending = asyncio.create_task(ended.wait())
    await asyncio.wait({telling, ending}, return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    if not telling.done():
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling
        return 130
    return 0 if telling.result() else 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--once", action="store_true", help="play the demo once, print each step, and exit")
    parser.add_argument("--port", type=int, default=0, help="port of the page (default: any free port)")
    arguments = parser.parse_args()
    try:
        status = asyncio.run(run(once=arguments.once, port=arguments.port))
    except BotDidNotStart as fault:
        raise SystemExit(str(fault)) from None
    raise SystemExit(status)


if __name__ == "__main__":
    main()
