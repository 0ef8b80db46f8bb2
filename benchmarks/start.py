"""The time from `serve` to ready with 10,000 known objects, and of the terminal commands, compared with `python -c pass`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figure import Figure, median, seconds
from benchmarks.process import bot
from bot.clock import utc_now
from sandbox import world as worlds
from store.tables.observed import Observed
from store.transaction import Transaction
from store.writer import Store

OBJECTS, TIMES = 10_000, 5
ROOT = Path(__file__).parent.parent


async def started(directory: Path) -> float:
    world = await worlds.build(directory, clusters=("prod",))
    settings = worlds.settings(world, directory / "data")
    store = await Store.open(directory / "data", utc_now())
    await store.write(_known)
    await store.close()
    took = []
    try:
        for _ in range(TIMES):
            async with bot(settings) as (_process, _port, ready):
                took.append(ready)
    finally:
        await world.close()
    return median(took)


def _known(tx: Transaction) -> None:
    now = utc_now()
    facts = {
        "started": "2026-11-20T01:00:02+00:00",
        "completed": "2026-11-20T01:04:30+00:00",
        "done": 412,
        "total": 412,
    }
    facts |= {"namespaces": ["shop"], "schedule": "daily", "location": "default", "labels": {"team": "shop"}}
    for kind, count in (("Backup", OBJECTS - 500), ("Restore", 400), ("Schedule", 100)):
        tx.observed.put(
            "prod", kind, [Observed(f"{kind}-{n}", f"n-{n}", "Completed", now, facts) for n in range(count)]
        )
        tx.cursors.put("prod", kind, "1", now)


def command(*words: str) -> float:
    def run() -> None:
        done = subprocess.run([sys.executable, *words], capture_output=True, check=False, cwd=ROOT)
        assert done.returncode in {0, 5}, done.stderr.decode()

    return seconds(run, TIMES)


def measure() -> Figure:
    with tempfile.TemporaryDirectory() as name:
        ready = asyncio.run(started(Path(name)))
        floor = command("-c", "pass")
        plan = command("-m", "bot", "plan", "backup create nightly --include-namespaces shop")
        config = command("-m", "bot", "config", "check", "--config", str(ROOT / "deploy" / "example.toml"))
        audit = command("-m", "bot", "audit", "verify", "--data-dir", f"{name}/data")
    return Figure(
        "start to ready, 10,000 objects known",
        ready,
        2.5,
        "s",
        floor,
        of_ratio=False,
        more={"plan s": (plan, 0.4), "audit s": (audit, 0.4), "config s": (config, 0.4)},
    )
