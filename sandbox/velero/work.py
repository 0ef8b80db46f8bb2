"""A controller's queue: each name once; failures are retried with growing delays."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sandbox.clock import Clock, Timer, wait
from sandbox.kubernetes.failures import ApiFailure

FIRST_DELAY = 0.005
LONGEST_DELAY = 1000.0


class Work:
    def __init__(
        self,
        clock: Clock,
        reconcile: Callable[[str], Awaitable[None]],
        complain: Callable[[str, ApiFailure], None],
    ) -> None:
        self._clock = clock
        self._reconcile = reconcile
        self._complain = complain
        self._names: deque[str] = deque()
        self._failures: dict[str, int] = {}
        self._timers: dict[str, Timer] = {}
        self._wake = asyncio.Event()

    def add(self, name: str) -> None:
        if name not in self._names:
            self._names.append(name)
        self._wake.set()

    def add_later(self, name: str, seconds: float) -> None:
        if (earlier := self._timers.pop(name, None)) is not None:
            earlier.cancel()
        when = self._clock.now() + timedelta(seconds=seconds)
        self._timers[name] = self._clock.call_at(when, lambda: self.add(name))

    def forget(self) -> None:
        """The process ended: cancel everything that is scheduled."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    async def run(self) -> None:
        while True:
            while not self._names:
                self._wake.clear()
                await self._wake.wait()
            await self._one(self._names.popleft())

    async def _one(self, name: str) -> None:
        try:
            await self._reconcile(name)
        except ApiFailure as failure:
            self._complain(name, failure)
            times = self._failures.get(name, 0)
            self._failures[name] = times + 1
            self.add_later(name, min(LONGEST_DELAY, FIRST_DELAY * 2**times))
        else:
            self._failures.pop(name, None)


class Tick:
    """A periodic task, timed from the server's start. Ticks at which nothing is due are skipped."""

    def __init__(
        self,
        clock: Clock,
        period: float,
        due: Callable[[], datetime | None],
        act: Callable[[], Awaitable[None] | None],
    ) -> None:
        self._clock = clock
        self._period = timedelta(seconds=period)
        self._due = due
        self._act = act
        self._start = clock.now()
        self._last = self._start
        self._wake = asyncio.Event()

    def touch(self) -> None:
        """Recompute the next due tick after a change."""
        self._wake.set()

    def beat(self, when: datetime) -> datetime:
        """Return the first future tick at or after this instant."""
        beats = max(-(-(when - self._start) // self._period), (self._last - self._start) // self._period + 1)
        return self._start + beats * self._period

    async def run(self) -> None:
        if not self._period:
            return
        while True:
            due = self._due()
            at = None if due is None else self.beat(due)
            self._wake.clear()
            if await wait(self._clock, self._wake, at) or at is None:
                continue
            self._last = at
            result = self._act()
            if result is not None:
                await result
