"""Runs pieces of work side by side: an error in one doesn't stop the others and is raised after them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def run_each(work: Iterable[Awaitable[T]]) -> list[T | Exception]:
    """Run all at once; an error takes the place of its result. Cancellation and the like are raised."""
    ended: list[T | Exception] = []
    for one in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(one, BaseException) and not isinstance(one, Exception):
            raise one
        ended.append(one)
    return ended


async def run_one(work: Awaitable[T]) -> T | Exception:
    return (await run_each([work]))[0]


def errors_of(done: Iterable[asyncio.Task[Any]]) -> list[Exception]:
    """Every error of finished tasks, those in groups one by one; a cancelled task has none."""
    errors: list[Exception] = []
    for task in done:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ExceptionGroup):
            errors += error.exceptions
        elif isinstance(error, Exception):
            errors.append(error)
        elif error is not None:
            raise error
    return errors


def raise_all(what: str, errors: Sequence[Exception]) -> None:
    """Raise all errors together, for the supervised loop."""
    if errors:
        raise ExceptionGroup(what, errors)
