"""Durable acknowledgement of signed commands over 64 connections, compared with a server that stores nothing."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from benchmarks.door import door
from benchmarks.figure import Figure, median, part
from benchmarks.load import run

CONNECTIONS, REQUESTS, TIMES = 64, 6400, 5


def measure() -> Figure:
    with (
        tempfile.TemporaryDirectory() as name,
        door("bare", Path(name)) as floor,
        door("durable", Path(name) / "d") as ours,
    ):
        for port in (floor, ours):
            asyncio.run(run(port, CONNECTIONS, 640))
        rounds = [
            (asyncio.run(run(ours, CONNECTIONS, REQUESTS)), asyncio.run(run(floor, CONNECTIONS, REQUESTS)))
            for _ in range(TIMES)
        ]
    return Figure(
        "durable acknowledgement, 64 connections",
        median([each[0][0] for each in rounds]),
        0.35,
        "commands a second",
        median([each[1][0] for each in rounds]),
        least=True,
        note=f"p99 {median([part(each[0][1], 0.99) for each in rounds]) * 1000:.0f} ms",
    )
