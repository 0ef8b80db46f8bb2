"""The time from a slash command to its card in Slack, and the number of store transactions of the command."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure, median
from bot.app import App
from bot.configuration.settings_file import read
from sandbox import world as worlds
from sandbox.world import World
from store.writer import Store

COMMANDS, WARM_UP, PAUSE_S = 6, 1, 3.0
"""The pause keeps posts under Slack's limit per channel; otherwise the limit would be measured."""
MOST_TRANSACTIONS = 5
"""The search for an earlier run, the plan, the write-ahead record, the result, the finished inbox item."""
COMMAND_TASK = "Worker._run_item"
"""The task that runs a command. The bot's loops have their own tasks."""


class TransactionCounter:
    def __init__(self, store: Store) -> None:
        self.count = 0
        store.read = self._counted(store.read)  # type: ignore[method-assign]
        store.write = self._counted(store.write)  # type: ignore[method-assign]

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(*args: Any, **options: Any) -> Any:
            task = asyncio.current_task()
            self.count += task is not None and getattr(task.get_coro(), "__qualname__", "") == COMMAND_TASK
            return await method(*args, **options)

        return counted


async def _card(world: World, name: str) -> float:
    """Return the seconds until the card is in the channel."""
    began = time.perf_counter()
    await world.slack.person("ada").says(f"/velero backup create {name} --include-namespaces shop")
    channel = world.channel("ops")
    messages = world.slack.workspace.messages
    await world.slack.eventually(lambda: any(name in str((m.text, m.blocks)) for m in messages(channel)), 10)
    return time.perf_counter() - began


async def cards(directory: Path) -> tuple[list[float], float]:
    """Return the times, and the transactions of one command."""
    world = await worlds.build(directory, clusters=("prod",))
    worlds.application(world.prod.objects, "shop")
    path = worlds.settings(world, directory / "data")
    settings, rules = read(path)
    app = App(settings, rules, path)
    try:
        await app.start()
        world.slack.connect(f"http://127.0.0.1:{app.port}/slack/events")
        while not app.readiness().ready:
            await asyncio.sleep(0.05)
        counter, took = TransactionCounter(app.store), []
        for number in range(WARM_UP + COMMANDS):
            took.append(await _card(world, f"bench-{number:03d}"))
            await asyncio.sleep(PAUSE_S)
        assert counter.count, f"no task is called {COMMAND_TASK} any more"
        return took[WARM_UP:], counter.count / (WARM_UP + COMMANDS)
    finally:
        await app.stop()
        await world.close()


def measure() -> Figure:
    with tempfile.TemporaryDirectory() as name:
        took, transactions = asyncio.run(cards(Path(name)))
    return Figure(
        "slash command to card, p50",
        median(took) * 1000,
        300,
        "ms",
        of_ratio=False,
        more={"transactions": (transactions, MOST_TRANSACTIONS)},
    )
