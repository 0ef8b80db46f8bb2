"""The time from a watch event to the Slack post when idle, without enrichment and without the emulators' own round trips."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.figure import Figure, part
from benchmarks.process import bot
from sandbox import world as worlds
from sandbox.world import World

EVENTS, PAUSE = 60, 0.25
SETTINGS = """
[delivery]
enrich = 0.001
"""
BACKUPS = "/apis/velero.io/v1/namespaces/velero/backups"


async def _post(world: World, name: str) -> float:
    """Return when the notification about the backup is in the channel."""
    slack, channel = world.slack, world.channel("incidents")
    await slack.eventually(lambda: any(name in str((m.text, m.blocks)) for m in slack.workspace.messages(channel)), 10)
    return time.perf_counter()


def _refused(world: World, name: str) -> None:
    """Create a backup that fails validation: its notification needs no file from an object store."""
    spec = {"includedNamespaces": ["shop"], "storageLocation": "nowhere"}
    world.prod.objects.create("backups", "velero", {"metadata": {"name": name}, "spec": spec})
    status = {"phase": "FailedValidation", "validationErrors": ["a BackupStorageLocation 'nowhere' is not there"]}
    world.prod.objects.patch("backups", "velero", name, {"status": status})


async def notices(world: World) -> list[float]:
    took = []
    for number in range(EVENTS):
        await asyncio.sleep(PAUSE)
        began = time.perf_counter()
        _refused(world, f"bench-{number:03d}")
        took.append(await _post(world, f"bench-{number:03d}") - began)
    return took[5:]


async def floors(world: World) -> list[float]:
    """Measure the emulators' part alone: a watch event and a post to Slack."""
    headers = {"Authorization": f"Bearer {world.prod.token}"}
    took = []
    async with aiohttp.ClientSession() as session:
        query = f"?watch=true&resourceVersion={world.prod.objects.revision}"
        async with session.get(world.prod.url + BACKUPS + query, headers=headers) as watch:
            for number in range(20):
                await asyncio.sleep(PAUSE)
                began = time.perf_counter()
                _refused(world, f"floor-{number:03d}")
                while (
                    f"floor-{number:03d}" not in (line := (await watch.content.readline()).decode())
                    or "Failed" not in line
                ):
                    pass
                await _said(session, world)
                took.append(time.perf_counter() - began)
    return took


async def _said(session: aiohttp.ClientSession, world: World) -> None:
    body: dict[str, Any] = {"channel": world.channel("staging"), "text": "hello"}
    bearer = {"Authorization": f"Bearer {world.slack.site.bot_token}"}
    async with session.post(f"{world.slack.api_url}chat.postMessage", json=body, headers=bearer) as answer:
        assert (await answer.json())["ok"]


async def both(directory: Path) -> tuple[list[float], list[float]]:
    world = await worlds.build(directory, clusters=("prod",))
    await world.prod.velero.stop()
    settings = worlds.settings(world, directory / "data", extra=SETTINGS)
    try:
        async with bot(settings):
            while not any("/backups?" in seen.path and "watch=1" in seen.path for seen in world.prod.api.seen):
                await asyncio.sleep(0.05)
            took = await notices(world)
        return took, await floors(world)
    finally:
        await world.close()


def measure() -> Figure:
    with tempfile.TemporaryDirectory() as name:
        took, floor = asyncio.run(both(Path(name)))
    half = part(floor, 0.5)
    return Figure(
        "watch event to Slack post, added, p50",
        (part(took, 0.5) - half) * 1000,
        20,
        "ms",
        half * 1000,
        of_ratio=False,
        more={"p99 ms": ((part(took, 0.99) - half) * 1000, 50)},
    )
