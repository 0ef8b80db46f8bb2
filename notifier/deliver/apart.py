"""A fault of ours in one piece of work keeps none of the others from being done; it is told after them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def each(work: Iterable[Awaitable[T]]) -> list[T | Exception]:
    """All at once; what failed as its fault. What is no fault of the work's, such as being cancelled, is raised."""
    ended: list[T | Exception] = []
    for one in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(one, BaseException) and not isinstance(one, Exception):
            raise one
        ended.append(one)
    return ended


async def one(work: Awaitable[T]) -> T | Exception:
    return (await each([work]))[0]


def told(what: str, faults: Sequence[Exception]) -> None:
    """Raises them together, for the loop that is supervised."""
    if faults:
        raise ExceptionGroup(what, faults)
