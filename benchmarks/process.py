"""Runs the bot as a separate process against emulators, and reads its usage from the kernel."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
import urllib.error
import urllib.request
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def bot(settings: Path) -> AsyncIterator[tuple[Process, int, float]]:
    """Return the process, its port, and the seconds until it was ready."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "serve", "--config", str(settings), stdout=DEVNULL, stderr=PIPE
    )
    try:
        port = await _port(process)
        drain = asyncio.create_task(_read_on(process))
        while not await asyncio.to_thread(_ready, port):
            await asyncio.sleep(0.01)
        yield process, port, time.perf_counter() - began
        drain.cancel()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _port(process: Process) -> int:
    assert process.stderr is not None
    said = []
    while line := (await process.stderr.readline()).decode():
        if found := re.search(r"listening on \S*:(\d+)", line):
            return int(found[1])
        said.append(line)
    raise RuntimeError("".join(said))


async def _read_on(process: Process) -> None:
    assert process.stderr is not None
    while await process.stderr.readline():
        pass


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def cpu(pid: int) -> float:
    """Return the seconds of CPU time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(pid: int) -> float:
    """Return the resident memory in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * PAGE / 2**20
