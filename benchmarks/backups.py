"""The first list of 10,000 backups, decoded and stored as the bot does, compared with json.loads of the same bytes.

The server is another process. The list is measured in its own process: its growth is the cost of the cache.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path
from random import Random

from benchmarks.figure import Figure, median
from benchmarks.pages import rendered, server
from bot.clock import utc_now
from bot.garbage_collection import freeze_startup_objects

COUNT = 10_000
TIMES = 5


def measure() -> Figure:
    with server(COUNT) as url:
        lines = [
            subprocess.run(
                [sys.executable, "-m", "benchmarks.backups", url], capture_output=True, text=True, check=True
            )
            for _ in range(TIMES)
        ]
    found = [json.loads(line.stdout) for line in lines]
    took = median([each["took"] for each in found])
    return Figure(
        "10,000 backups listed, decoded and cached",
        took,
        1.5,
        "s",
        took / median([each["took"] / each["floor"] for each in found]),
        more={"MiB": (median([each["grown"] for each in found]), 30)},
    )


def resident() -> float:
    """Return the resident memory of this process in MiB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4096 / 2**20


async def followed(url: str) -> tuple[float, float]:
    """Return seconds and MiB of a cluster's first list, up to the commit."""
    from tracking import runs
    from tracking.follower import ClusterMemory
    from tracking.observation import TrackingContext
    from velero.cluster import Cluster, ClusterSettings
    from velero.connection import Direct

    cluster = Cluster(ClusterSettings("prod", Direct(url)), now=utc_now, random=Random(1))
    await cluster.backups.page(limit=1)
    freeze_startup_objects()
    known, before, began = ClusterMemory(), resident(), time.perf_counter()
    rows = known.of("Backup")
    setting = TrackingContext("prod", "uid", utc_now(), first=True, runs=known.runs("Backup"))

    async def nothing() -> dict[str, str]:
        return {}

    async with aclosing(cluster.reflector("Backup", nothing).batches()) as batches:
        async for batch in batches:
            for one in batch.observations:
                outcome = runs.observe(setting, None, one)
                assert outcome.remember is not None
                known.put("Backup", outcome.remember)
            if batch.complete:
                break
    took = time.perf_counter() - began
    assert len(rows) == COUNT
    del batch
    grown = resident() - before
    await cluster.close()
    return took, grown


def loaded() -> float:
    """Use the bot's garbage collection settings; otherwise the floor is twice as high."""
    pages = rendered(COUNT)
    freeze_startup_objects()
    found = []
    for _ in range(3):
        began = time.perf_counter()
        for page in pages:
            json.loads(page)
        found.append(time.perf_counter() - began)
    return median(found)


if __name__ == "__main__":
    floors = [loaded()]
    took, grown = asyncio.run(followed(sys.argv[1]))
    floors.append(loaded())
    print(json.dumps({"took": took, "grown": grown, "floor": sum(floors) / 2}))
