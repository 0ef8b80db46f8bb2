"""Requests that the Velero server answers in their status: creates one, waits for the answer, deletes it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TypeVar

from domain.errors import ClusterError, Conflict, ObjectNotFound
from domain.json_types import Json
from velero.fields import section
from velero.gateway import Gateway
from velero.objects import Object

R = TypeVar("R", bound=Object)
_FIRST_DELAYS_S = (0.05, 0.1, 0.2, 0.4)
_MAX_STUCK_READS = 4
OWNER_LABELS = {"app.kubernetes.io/managed-by": "velero-chatops"}
LEFTOVER_AGE = timedelta(minutes=10)
"""Much longer than the longest wait: another instance of the bot may be waiting for a younger request."""


def _never(_: object) -> bool:
    return False


@asynccontextmanager
async def answered_request(
    gateway: Gateway[R],
    manifest: Json,
    done: Callable[[R], bool],
    *,
    within: float,
    stuck: Callable[[R], bool] = _never,
) -> AsyncIterator[R | None]:
    """Create a request and yield it once it is `done`; yield None if Velero doesn't answer within `within` seconds.

    A request that is `stuck` several times in a row is yielded as it is. The request is deleted afterwards in any case.
    `remove_leftovers` finds by label what a killed process or a lost reply leaves behind: Velero itself deletes only
    requests that it has answered.
    """
    metadata = section(manifest, "metadata")
    labels = {**section(metadata, "labels"), **OWNER_LABELS}
    request = await gateway.create({**manifest, "metadata": {**metadata, "labels": labels}})
    try:
        yield await _wait(gateway, request, done, stuck, within)
    finally:
        await asyncio.shield(_remove(gateway, request.name))


async def _wait(
    gateway: Gateway[R], request: R, done: Callable[[R], bool], stuck: Callable[[R], bool], within: float
) -> R | None:
    stuck_reads = 0
    with contextlib.suppress(TimeoutError, ObjectNotFound):
        async with asyncio.timeout(within):
            for delay in _delays():
                stuck_reads = stuck_reads + 1 if stuck(request) else 0
                if done(request) or stuck_reads >= _MAX_STUCK_READS:
                    return request
                await asyncio.sleep(delay)
                request = await gateway.get(request.name)
    return None


def _delays() -> Iterator[float]:
    yield from _FIRST_DELAYS_S
    while True:
        yield 1.0


async def remove_leftovers(gateway: Gateway[R], now: datetime) -> int:
    """Delete the bot's own requests that no process waits for any more; return their number."""
    selector = ",".join(f"{key}={value}" for key, value in OWNER_LABELS.items())
    removed = 0
    for request in await gateway.list(selector=selector):
        if request.meta.created is None or now - request.meta.created < LEFTOVER_AGE:
            continue
        with contextlib.suppress(ObjectNotFound, Conflict):
            await gateway.delete(request.name, uid=request.meta.uid)
            removed += 1
    return removed


async def _remove(gateway: Gateway[R], name: str) -> None:
    with contextlib.suppress(ClusterError):
        await gateway.delete(name)
