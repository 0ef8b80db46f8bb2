"""Limits the requests of one sender: a rate per minute with a burst."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class TokenBucket:
    """`burst` at once, and `per_minute` from then on."""

    per_minute: float
    burst: float
    _tokens: float = -1.0
    _at: datetime | None = None

    def take(self, now: datetime) -> float:
        """Return 0 if a token was taken, else the seconds until one is free."""
        self._refill(now)
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) * 60.0 / self.per_minute

    def _refill(self, now: datetime) -> None:
        if self._at is None or self._tokens < 0:
            self._tokens = self.burst
        else:
            gained = max(0.0, (now - self._at).total_seconds()) * self.per_minute / 60.0
            self._tokens = min(self.burst, self._tokens + gained)
        self._at = now
