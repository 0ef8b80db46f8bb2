"""Requests that Velero's server answers in their status: made, waited for, removed again."""

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
_STEPS = (0.05, 0.1, 0.2, 0.4)
_PATIENCE = 4
OWNER_LABELS = {"app.kubernetes.io/managed-by": "velero-chatops"}
LEFTOVER_AGE = timedelta(minutes=10)
"""Far beyond the longest time that one is waited for; another bot of ours may be waiting for a younger one."""


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
    """None if Velero gave no answer in time: a server that is down shows itself by nothing else.

    A request that is `stuck` several times in a row is handed over as it is.
    The request is removed afterwards whatever happened; what a killed process or a lost answer leaves behind is
    found by its label (`remove_leftovers`): Velero itself removes only those that it has answered.
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
    looked = 0
    with contextlib.suppress(TimeoutError, ObjectNotFound):
        async with asyncio.timeout(within):
            for step in _steps():
                looked = looked + 1 if stuck(request) else 0
                if done(request) or looked >= _PATIENCE:
                    return request
                await asyncio.sleep(step)
                request = await gateway.get(request.name)
    return None


def _steps() -> Iterator[float]:
    yield from _STEPS
    while True:
        yield 1.0


async def remove_leftovers(gateway: Gateway[R], now: datetime) -> int:
    """How many requests of ours, that nobody waits for any more, were removed."""
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
