"""Runs pure functions over large files in a thread, so that the event loop isn't blocked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

from commands.planning.facts import Facts, MissingFile
from domain.errors import ClusterError
from velero.artifacts.log_summary import LogSummary

T = TypeVar("T")

INLINE_FILE_BYTES = 1 << 18


async def run_offloaded(about: Iterable[Facts | ClusterError], function: Callable[..., T], *args: object) -> T:
    """Returns `function(*args)`, which reads the files of `about`. Small files aren't worth a thread."""
    files = (body for facts in about if isinstance(facts, Facts) for body in facts.files.values())
    if sum(map(_size, files)) <= INLINE_FILE_BYTES:
        return function(*args)
    return await asyncio.to_thread(function, *args)


def _size(body: bytes | LogSummary | MissingFile) -> int:
    match body:
        case bytes():
            return len(body)
        case LogSummary():
            return body.size
        case MissingFile():
            return 0
