"""Lines of a stream in handfuls: as many as come within a moment, so that a burst costs one transaction, not a thousand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from velero.api import Lines


async def handfuls(lines: Lines, *, most: int = 256, within: float = 0.05) -> AsyncGenerator[list[bytes], None]:
    """Ends when the stream does. The queue is bounded: a slow consumer slows the server down, not our memory."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=2 * most)
    pump = asyncio.create_task(_pump(lines, queue))
    try:
        while (first := await queue.get()) is not None:
            handful, over = await _fill([first], queue, most, within)
            yield handful
            if over:
                break
        await pump
    finally:
        pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pump


async def _pump(lines: Lines, queue: asyncio.Queue[bytes | None]) -> None:
    async for line in lines:
        await queue.put(line)
    await queue.put(None)


async def _fill(
    handful: list[bytes], queue: asyncio.Queue[bytes | None], most: int, within: float
) -> tuple[list[bytes], bool]:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while len(handful) < most:
                line = await queue.get()
                if line is None:
                    return handful, True
                handful.append(line)
    return handful, False
