"""Memory and CPU when idle with 10 clusters × 7 kinds, compared with a process that only has the same imports."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from asyncio.subprocess import PIPE
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.process import bot, cpu, resident
from sandbox import world as worlds

CLUSTERS = tuple(f"c{number}" for number in range(10))
SETTLE, WATCH = 8.0, 30.0
IMPORTS = (
    "import bot.app, bot.terminal.serve, bot.settings_file, kubernetes.aio.client, kubernetes.aio.config; "
    "print('there', flush=True); import sys; sys.stdin.read()"
)


async def idle(directory: Path) -> tuple[float, float]:
    """Return MiB, and the share of a core."""
    world = await worlds.build(directory, clusters=CLUSTERS)
    settings = worlds.settings(world, directory / "data")
    try:
        async with bot(settings) as (process, _port, _ready):
            await asyncio.sleep(SETTLE)
            before = cpu(process.pid)
            await asyncio.sleep(WATCH)
            return resident(process.pid), (cpu(process.pid) - before) / WATCH
    finally:
        await world.close()


async def imported() -> float:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", IMPORTS, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    found = resident(process.pid)
    process.kill()
    await process.wait()
    return found


async def both(directory: Path) -> tuple[float, float, float]:
    return *(await idle(directory)), await imported()


def measure() -> Figure:
    with tempfile.TemporaryDirectory() as name:
        held, share, floor = asyncio.run(both(Path(name)))
    return Figure(
        "memory, idle with 10 clusters × 7 kinds",
        held - floor,
        40,
        "MiB more",
        floor,
        of_ratio=False,
        more={"% of a core": (share * 100, 2)},
    )
