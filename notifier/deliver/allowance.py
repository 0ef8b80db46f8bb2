"""One allowance per workspace: Slack counts edits and posts together, so everything leaves through one bucket.

Approvals, ends and new messages may use all of it; progress leaves a part for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(slots=True)
class Allowance:
    """`per_minute` with a burst of `burst`; progress is refused below `kept`."""

    per_minute: float = 50.0
    burst: float = 12.0
    kept: float = 4.0
    _tokens: float = -1.0
    _at: datetime | None = None
    _closed_until: datetime | None = None

    def take(self, now: datetime, *, progress: bool = False) -> float:
        """0 when it may leave now; else in how many seconds to ask again."""
        self._refill(now)
        if self._closed_until is not None and now < self._closed_until:
            return (self._closed_until - now).total_seconds()
        least = 1.0 + (self.kept if progress else 0.0)
        if self._tokens >= least:
            self._tokens -= 1.0
            return 0.0
        return (least - self._tokens) * 60.0 / self.per_minute

    def closed(self, now: datetime, seconds: float) -> None:
        """Slack said 429: everybody waits, not only the one who was told."""
        self._closed_until = now + timedelta(seconds=seconds)

    def _refill(self, now: datetime) -> None:
        if self._at is None or self._tokens < 0:
            self._tokens = self.burst
        else:
            gained = max(0.0, (now - self._at).total_seconds()) * self.per_minute / 60.0
            self._tokens = min(self.burst, self._tokens + gained)
        self._at = now
