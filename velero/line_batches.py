"""Lines of a stream in handfuls: as many as come within a moment, so that a burst costs one transaction, not a thousand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from velero.api import Lines


async def batch_lines(lines: Lines, *, most: int = 256, within: float = 0.05) -> AsyncGenerator[list[bytes], None]:
    """Ends when the stream does. The queue is bounded: a slow consumer slows the server down, not our memory."""
    queue: asyncio.Queue[bytes] = asyncio.Queue(maxsize=2 * most)
    pump = asyncio.create_task(_pump(lines, queue))
    try:
        while (first := await _first(queue, pump)) is not None:
            yield await _fill([first], queue, pump, most, within)
        await pump
    finally:
        pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pump


async def _pump(lines: Lines, queue: asyncio.Queue[bytes]) -> None:
    async for line in lines:
        await queue.put(line)


async def _first(queue: asyncio.Queue[bytes], pump: asyncio.Task[None]) -> bytes | None:
    """The next line, None when there will be none: a pump that ends, however it does, never leaves us waiting."""
    if queue.empty() and not pump.done():
        getter = asyncio.ensure_future(queue.get())
        try:
            await asyncio.wait({getter, pump}, return_when=asyncio.FIRST_COMPLETED)
            if getter.done():
                return getter.result()
        finally:
            getter.cancel()
    return None if queue.empty() else queue.get_nowait()


async def _fill(
    handful: list[bytes], queue: asyncio.Queue[bytes], pump: asyncio.Task[None], most: int, within: float
) -> list[bytes]:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while len(handful) < most and not (pump.done() and queue.empty()):
                handful.append(await queue.get())
    return handful
