"""Slack's rate limits: a window of a minute per method, and one message a second per channel with short bursts.

They apply by default. A test that isn't about them turns off what it needs to: `posts_per_channel` alone, or all with
`enabled = False`.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
BURST_OF_POSTS, BURST_WINDOW = 5, timedelta(seconds=5)


class RateLimits:
    def __init__(self, now: Callable[[], datetime]) -> None:
        self.enabled = True
        self.posts_per_channel = BURST_OF_POSTS
        self._now = now
        self._seen: dict[str, deque[datetime]] = defaultdict(deque)

    def retry_after(self, method: str, per_minute: int, channel: str) -> int:
        """Return the seconds to wait; 0 allows the call and counts it."""
        if not self.enabled:
            return 0
        windows = [(method, per_minute, MINUTE)]
        if method == "chat.postMessage":
            windows.append((f"{method} {channel}", self.posts_per_channel, BURST_WINDOW))
        wait = max(self._wait(*window) for window in windows)
        if not wait:
            for name, _, _ in windows:
                self._seen[name].append(self._now())
        return wait

    def _wait(self, name: str, most: int, window: timedelta) -> int:
        seen, now = self._seen[name], self._now()
        while seen and now - seen[0] >= window:
            seen.popleft()
        if len(seen) < most:
            return 0
        return max(1, math.ceil((seen[0] + window - now).total_seconds()))
