"""Supervises all background loops: name, back-off, health, and the only broad `except` that loops need.

A loop is an async function that does one round and returns the seconds until the next. An exception delays the next
round with growing back-off; it never ends the loop.
"""

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

MIN_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0

Round = Callable[[], Awaitable[float | None]]
"""Does one round and returns the seconds until the next; None: until it is woken."""


@dataclass(slots=True)
class Loop:
    """`wake()` ends the wait early."""

    name: str
    round: Round
    now: Callable[[], datetime]
    failing_since: datetime | None = None
    last_ok: datetime | None = None
    reason: str = ""
    _wake_event: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self._wake_event.set()

    async def run(self) -> None:
        REFERENCE.set(self.name)
        backoff = MIN_BACKOFF_S
        while True:
            self._wake_event.clear()
            try:
                delay = await self.round()
            except Exception as error:  # noqa: BLE001 - an exception delays the next round, it never ends the loop
                self._record_failure(error)
                delay, backoff = backoff, min(backoff * 2, MAX_BACKOFF_S)
            else:
                self.failing_since, self.last_ok, self.reason = None, self.now(), ""
                backoff = MIN_BACKOFF_S
            await self._wait(delay)

    async def _wait(self, seconds: float | None) -> None:
        if seconds == 0:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake_event.wait()

    def _record_failure(self, error: Exception) -> None:
        self.failing_since = self.failing_since or self.now()
        self.reason = reason_of(error)
        LOOP_FAILURES.labels(self.name).inc()
        log.error("loop %s failed", self.name, exc_info=error)


def reason_of(error: BaseException) -> str:
    """Describe an exception; for a group, its different members."""
    if isinstance(error, BaseExceptionGroup):
        return f"{error.message}: " + "; ".join(dict.fromkeys(map(reason_of, error.exceptions)))
    return f"{type(error).__name__}: {error}"


async def run_contained(work: Awaitable[object]) -> Exception | None:
    """Run work whose exception must not end other work; the exception is logged and returned."""
    try:
        await work
    except Exception as error:
        log.exception("a task failed")
        return error
    return None


class Loops:
    """Starts loops in order and stops them in reverse."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._loops: dict[str, Loop] = {}
        self._groups: dict[str, list[Loop]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, one_round: Round) -> Loop:
        loop = Loop(name, one_round, self._now)
        self._loops[name] = loop
        self._groups.setdefault(name.partition("/")[0], []).append(loop)
        self._tasks.append(asyncio.create_task(loop.run(), name=name))
        return loop

    def spawn(self, name: str, forever: Callable[[], Awaitable[None]]) -> Loop:
        """Run a coroutine that doesn't end; if it ends or fails, it is restarted after a back-off."""

        async def one_round() -> float:
            await forever()
            return MIN_BACKOFF_S

        return self.start(name, one_round)

    def wake(self, *names: str) -> None:
        """Wake loops by name; `name` includes all loops called `name/…`. A loop that isn't started is skipped."""
        for name in names:
            for loop in self._groups.get(name, ()):
                loop.wake()

    def failing(self) -> tuple[Loop, ...]:
        return tuple(loop for loop in self._loops.values() if loop.failing_since is not None)

    async def stop(self) -> None:
        """Cancel again while a task is still running: `wait_for` in Python 3.11 can lose a cancellation."""
        running = set(self._tasks)
        while running:
            for task in reversed(self._tasks):
                task.cancel()
            _, running = await asyncio.wait(running, timeout=0.5)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
