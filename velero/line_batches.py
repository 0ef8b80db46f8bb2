"""Groups the lines of a stream into batches, so that a burst of events costs one transaction instead of a thousand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from velero.api import Lines


async def batch_lines(lines: Lines, *, size: int = 256, within: float = 0.05) -> AsyncGenerator[list[bytes], None]:
    """Yield batches of `size` lines, or of fewer after `within` seconds, until the stream ends.

    The queue is bounded, so a slow consumer slows the server down instead of filling the memory.
    """
    queue: asyncio.Queue[bytes] = asyncio.Queue(maxsize=2 * size)
    pump = asyncio.create_task(_pump(lines, queue))
    try:
        while (first := await _first(queue, pump)) is not None:
            yield await _fill([first], queue, pump, size, within)
        await pump
    finally:
        pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pump


async def _pump(lines: Lines, queue: asyncio.Queue[bytes]) -> None:
    async for line in lines:
        await queue.put(line)


async def _first(queue: asyncio.Queue[bytes], pump: asyncio.Task[None]) -> bytes | None:
    """Return the next line; None if the pump has ended, for whatever reason, and the queue is empty."""
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
    batch: list[bytes], queue: asyncio.Queue[bytes], pump: asyncio.Task[None], size: int, within: float
) -> list[bytes]:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while len(batch) < size and not (pump.done() and queue.empty()):
                batch.append(await queue.get())
    return batch
