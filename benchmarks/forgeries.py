"""10,000 webhooks with a bad signature: requests per second compared with a server that only checks one, and memory growth."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from benchmarks.door import door
from benchmarks.figure import Figure, median
from benchmarks.load import forged, run
from benchmarks.process import bot, resident
from sandbox import world as worlds

CONNECTIONS, REQUESTS, TIMES = 50, 2000, 5
WARM = 1000
SENDER = """
[[senders]]
name = "deploy"
secret_file = "{directory}/now"
secret_previous_file = "{directory}/before"
"""


async def rejected(port: int, requests: int) -> float:
    """Return requests per second. Raises for any status but 401."""
    return (await run(port, CONNECTIONS, requests, forged, 401))[0]


async def both(directory: Path, floor: int) -> tuple[float, float, float]:
    """Return the rates of the bot and the floor, and the bot's growth in MiB."""
    world = await worlds.build(directory, clusters=("prod",))
    directory.mkdir(exist_ok=True)
    (directory / "now").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    (directory / "before").write_text("whsec_b2xkIHNlY3JldCBvZiB0aGUgcGlwZWxpbmU=")
    settings = worlds.settings(world, directory / "data", extra=SENDER.format(directory=directory))
    try:
        async with bot(settings) as (process, port, _ready):
            for each in (port, floor):
                await rejected(each, WARM)
            held = resident(process.pid)
            rounds = [(await rejected(port, REQUESTS), await rejected(floor, REQUESTS)) for _ in range(TIMES)]
            grown = resident(process.pid) - held
        if world.prod.all("backups"):
            raise RuntimeError("something was executed")
    finally:
        await world.close()
    return median([ours for ours, _ in rounds]), median([bare for _, bare in rounds]), grown


def measure() -> Figure:
    with tempfile.TemporaryDirectory() as name, door("bare", Path(name)) as floor:
        ours, bare, grown = asyncio.run(both(Path(name) / "w", floor))
    return Figure(
        f"{REQUESTS * TIMES:,} bad signatures of webhooks",
        ours,
        0.35,
        "refusals a second",
        bare,
        least=True,
        more={"MiB more": (grown, 5)},
    )
