"""Loops are supervised in one place: name, back-off, health, and the only broad `except` a loop ever needs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from bot.logs import REFERENCE
from bot.metrics import LOOP_FAILURES

log = logging.getLogger(__name__)

FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 30.0

Round = Callable[[], Awaitable[float | None]]
"""Does one round and returns after how many seconds it wants the next; None: when it is woken."""


@dataclass(slots=True)
class Loop:
    """`wake()` ends the wait before its time."""

    name: str
    round: Round
    now: Callable[[], datetime]
    failing_since: datetime | None = None
    last_ok: datetime | None = None
    reason: str = ""
    _bell: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self._bell.set()

    async def run(self) -> None:
        REFERENCE.set(self.name)
        backoff = FIRST_BACKOFF
        while True:
            self._bell.clear()
            try:
                rest = await self.round()
            except Exception as error:  # noqa: BLE001 - the supervised loop: a fault delays the next round, never ends it
                self._failed(error)
                rest, backoff = backoff, min(backoff * 2, LONGEST_BACKOFF)
            else:
                self.failing_since, self.last_ok, self.reason = None, self.now(), ""
                backoff = FIRST_BACKOFF
            await self._rest(rest)

    async def _rest(self, seconds: float | None) -> None:
        if seconds == 0:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._bell.wait()

    def _failed(self, fault: Exception) -> None:
        self.failing_since = self.failing_since or self.now()
        self.reason = reason_of(fault)
        LOOP_FAILURES.labels(self.name).inc()
        log.error("loop %s failed", self.name, exc_info=fault)


def reason_of(fault: BaseException) -> str:
    """Of a group what is in it, each kind once."""
    if isinstance(fault, BaseExceptionGroup):
        return f"{fault.message}: " + "; ".join(dict.fromkeys(map(reason_of, fault.exceptions)))
    return f"{type(fault).__name__}: {fault}"


async def run_contained(work: Awaitable[object]) -> Exception | None:
    """One piece of work whose fault must not end the others; the fault is logged and given back."""
    try:
        await work
    except Exception as error:
        log.exception("a piece of work failed")
        return error
    return None


class Loops:
    """Starts them in order and stops them in reverse."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._loops: dict[str, Loop] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, one_round: Round) -> Loop:
        loop = Loop(name, one_round, self._now)
        self._loops[name] = loop
        self._tasks.append(asyncio.create_task(loop.run(), name=name))
        return loop

    def spawn(self, name: str, forever: Callable[[], Awaitable[None]]) -> Loop:
        """For something that runs by itself; when it ends or fails it is started again after a back-off."""

        async def one_round() -> float:
            await forever()
            return FIRST_BACKOFF

        return self.start(name, one_round)

    def failing(self) -> tuple[Loop, ...]:
        return tuple(loop for loop in self._loops.values() if loop.failing_since is not None)

    async def stop(self) -> None:
        """Asked again as long as one goes on: in Python 3.11 `wait_for` loses a cancellation that meets its result."""
        left = set(self._tasks)
        while left:
            for task in reversed(self._tasks):
                task.cancel()
            _, left = await asyncio.wait(left, timeout=0.5)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
