"""Go durations, parsed and printed as the server does."""

import re
from datetime import timedelta

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def parse(text: str) -> timedelta | None:
    """Return the duration; None where Go's ParseDuration would fail."""
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if body == "0":
        return timedelta()
    if not body or _PART.sub("", body):
        return None
    return sign * timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(body)))


def text(value: timedelta) -> str:
    """Format whole seconds as Go does: 720h0m0s, 10m0s, 30s."""
    total = int(value.total_seconds())
    sign, total = ("-", -total) if total < 0 else ("", total)
    hours, minutes, seconds = total // 3600, total // 60 % 60, total % 60
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}s"
    return f"{sign}{minutes}m{seconds}s" if minutes else f"{sign}{seconds}s"
