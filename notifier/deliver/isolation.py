"""A fault of ours in one piece of work keeps none of the others from being done; it is told after them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def run_each(work: Iterable[Awaitable[T]]) -> list[T | Exception]:
    """All at once; what failed as its fault. What is no fault of the work's, such as being cancelled, is raised."""
    ended: list[T | Exception] = []
    for one in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(one, BaseException) and not isinstance(one, Exception):
            raise one
        ended.append(one)
    return ended


async def run_one(work: Awaitable[T]) -> T | Exception:
    return (await run_each([work]))[0]


def faults_of(done: Iterable[asyncio.Task[Any]]) -> list[Exception]:
    """Of tasks that ended: every fault, those in groups one by one. A task that was cancelled has none."""
    faults: list[Exception] = []
    for task in done:
        fault = None if task.cancelled() else task.exception()
        if isinstance(fault, ExceptionGroup):
            faults += fault.exceptions
        elif isinstance(fault, Exception):
            faults.append(fault)
        elif fault is not None:
            raise fault
    return faults


def raise_all(what: str, faults: Sequence[Exception]) -> None:
    """Raises them together, for the loop that is supervised."""
    if faults:
        raise ExceptionGroup(what, faults)
