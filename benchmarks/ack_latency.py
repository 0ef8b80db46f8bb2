"""Durable acknowledgement over one connection."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from benchmarks.door import door
from benchmarks.figure import Figure, median, part
from benchmarks.load import run

REQUESTS, TIMES = 500, 5


def measure() -> Figure:
    with tempfile.TemporaryDirectory() as name, door("durable", Path(name) / "d") as port:
        asyncio.run(run(port, 1, 50))
        rounds = [asyncio.run(run(port, 1, REQUESTS))[1] for _ in range(TIMES)]
    return Figure(
        "durable acknowledgement, one connection, p50",
        median([part(each, 0.5) for each in rounds]) * 1000,
        5,
        "ms",
        of_ratio=False,
        more={"p99 ms": (median([part(each, 0.99) for each in rounds]) * 1000, 20)},
    )
