"""Time windows in which a rule applies. A deny rule with a time window is a freeze."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """Wall-clock hours. If `until` isn't after `since`, the window runs over midnight and belongs to the day it starts."""

    days: tuple[str, ...] = DAYS
    since: time = time(0)
    until: time = time(0)
    zone: str = "UTC"

    def is_open(self, now: datetime) -> bool:
        local = now.astimezone(ZoneInfo(self.zone))
        at, today, yesterday = local.time(), self._on(local), self._on(local - timedelta(days=1))
        if self.since < self.until:
            return today and self.since <= at < self.until
        return (today and at >= self.since) or (yesterday and at < self.until)

    def describe(self) -> str:
        days = "every day" if self.days == DAYS else ", ".join(self.days)
        return f"{days} {self.since:%H:%M}-{self.until:%H:%M} {self.zone}"

    def _on(self, local: datetime) -> bool:
        return DAYS[local.weekday()] in self.days
