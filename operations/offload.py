"""Runs pure functions over large files or many objects in a thread, so that the event loop isn't blocked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

from commands.planning.facts import Facts
from domain.errors import ClusterError

T = TypeVar("T")

INLINE_FILE_BYTES = 1 << 18
INLINE_OBJECTS = 1_000


async def run_offloaded(about: Iterable[Facts | ClusterError], function: Callable[..., T], *args: object) -> T:
    """Returns `function(*args)`, which reads `about`. Small files and few objects aren't worth a thread."""
    if is_small(about):
        return function(*args)
    return await asyncio.to_thread(function, *args)


def is_small(about: Iterable[Facts | ClusterError]) -> bool:
    read = [facts for facts in about if isinstance(facts, Facts)]
    files = sum(len(body) for facts in read for body in facts.files.values() if isinstance(body, bytes))
    objects = sum(len(objects) for facts in read for objects in facts.objects.values())
    return files <= INLINE_FILE_BYTES and objects <= INLINE_OBJECTS
