"""The sandbox's time: real time, or a test clock that stands still until it is advanced."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

IDLE_ROUNDS = 100_000


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    def now(self) -> datetime: ...

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer: ...

    async def sleep(self, seconds: float) -> None: ...


async def _sleep(clock: Clock, seconds: float) -> None:
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    await wait(clock, asyncio.Event(), clock.now() + timedelta(seconds=seconds))


async def wait(clock: Clock, event: asyncio.Event, until: datetime | None) -> bool:
    """Wait for the event or the instant. Return whether the event came first."""
    if event.is_set() or until is None:
        await event.wait()
        return True
    timed_out = False

    def ring() -> None:
        nonlocal timed_out
        timed_out = not event.is_set()
        event.set()

    timer = clock.call_at(until, ring)
    try:
        await event.wait()
    finally:
        timer.cancel()
    if timed_out:
        event.clear()
    return not timed_out


class RealClock:
    """Wall time, multiplied by `speed`."""

    def __init__(self, *, speed: float = 1.0, start: datetime | None = None) -> None:
        self._speed = speed
        self._zero = datetime.now(UTC)
        self._start = start or self._zero

    def now(self) -> datetime:
        return self._start + (datetime.now(UTC) - self._zero) * self._speed

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        delay = max(0.0, (when - self.now()).total_seconds()) / self._speed
        return asyncio.get_running_loop().call_later(delay, callback)

    async def sleep(self, seconds: float) -> None:
        await _sleep(self, seconds)


class _Entry:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualClock:
    """Stands still until a test advances it; then wakes the sleepers one instant at a time."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._order = itertools.count()
        self._timers: list[tuple[datetime, int, _Entry]] = []

    def now(self) -> datetime:
        return self._now

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        entry = _Entry(callback)
        heapq.heappush(self._timers, (when, next(self._order), entry))
        return entry

    async def sleep(self, seconds: float) -> None:
        await _sleep(self, seconds)

    def next_instant(self) -> datetime | None:
        """Return the instant at which the next sleeper wakes."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    async def advance(self, seconds: float) -> None:
        await self.run_until(self._now + timedelta(seconds=seconds))

    async def run_until(self, when: datetime) -> None:
        await self.settle()
        while (instant := self.next_instant()) is not None and instant <= when:
            self._now = max(self._now, instant)
            self._ring()
            await self.settle()
        self._now = max(self._now, when)
        await self.settle()

    async def step(self, until: datetime) -> bool:
        """Wake the sleepers of the next instant. Return False, with the clock at `until`, if there are none before it."""
        await self.settle()
        instant = self.next_instant()
        if instant is None or instant > until:
            self._now = max(self._now, until)
            return False
        self._now = max(self._now, instant)
        self._ring()
        await self.settle()
        return True

    async def settle(self) -> None:
        """Run all tasks to their next wait, without advancing the time."""
        loop = asyncio.get_running_loop()
        ready = vars(loop).get("_ready")  # asyncio has no public API for "no callback is ready"
        for turn in range(IDLE_ROUNDS):
            await asyncio.sleep(0)
            if not ready and (ready is not None or turn > 50):
                return

    def _ring(self) -> None:
        while self._timers and self._timers[0][0] <= self._now:
            _, _, entry = heapq.heappop(self._timers)
            if entry.callback is not None:
                entry.callback()
