"""Delays between retries: doubled with every failure, with jitter, so that a hundred watches don't retry at once."""

from __future__ import annotations

from random import Random


class Backoff:
    def __init__(self, random: Random, *, base: float = 0.5, cap: float = 30.0) -> None:
        self._random = random
        self._base = base
        self._cap = cap
        self._failures = 0

    @property
    def failures(self) -> int:
        return self._failures

    def next(self, *, at_least: float = 0.0) -> float:
        """Return seconds: `at_least`, which the server asked for, plus between half and all of the current step."""
        step = min(self._cap, self._base * 2 ** min(self._failures, 16))
        self._failures += 1
        return at_least + self.jittered(step)

    def jittered(self, seconds: float) -> float:
        return seconds * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        self._failures = 0
