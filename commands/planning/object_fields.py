"""Readers for the common fields of Kubernetes objects, and formats for times and sizes.

No reader raises on what a cluster returns: a field that is missing or has the wrong type counts as absent.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from domain.counting import counted
from domain.json_types import Json

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def parse_time(value: object) -> datetime | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def relative_time(then: datetime | None, now: datetime) -> str:
    """Return `2d 3h ago` or `in 29d`, for table cells and fields."""
    if then is None:
        return "never"
    span = now - then
    return f"in {format_span(-span)}" if span < timedelta(0) else f"{format_span(span)} ago"


def relative_time_in_words(then: datetime, now: datetime) -> str:
    """Return `11 hours ago` or `in 29 days`, for sentences: one unit, rounded down."""
    span = now - then
    seconds = int(abs(span.total_seconds()))
    size, unit = next((pair for pair in _UNITS if seconds >= pair[0]), _UNITS[-1])
    words = counted(seconds // size, unit)
    return f"in {words}" if span < timedelta(0) else f"{words} ago"


def format_span(span: timedelta) -> str:
    """Return the two largest units: `2d 3h`, `14m 5s`."""
    seconds = int(span.total_seconds())
    if seconds < 1:
        return "0s"
    parts: list[str] = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
        if len(parts) == 2 or (parts and unit == "d" and count >= 10):
            break
    return " ".join(parts)


def format_time(then: datetime | None, zone: str = "UTC") -> str:
    if then is None:
        return "-"
    return then.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")


def format_size(count: int) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


def status(item: Json) -> Json:
    found = item.get("status")
    return found if isinstance(found, dict) else {}


def spec(item: Json) -> Json:
    found = item.get("spec")
    return found if isinstance(found, dict) else {}


def labels(item: Json) -> Json:
    found = (item.get("metadata") or {}).get("labels")
    return found if isinstance(found, dict) else {}


def annotations_of(item: Json) -> Json:
    found = (item.get("metadata") or {}).get("annotations")
    return found if isinstance(found, dict) else {}


def name(item: Json) -> str:
    return str((item.get("metadata") or {}).get("name", ""))


def created(item: Json) -> datetime | None:
    """Return when the run was requested. A synced copy keeps its own start time, which is older than the object."""
    return parse_time(status(item).get("startTimestamp")) or parse_time(
        (item.get("metadata") or {}).get("creationTimestamp")
    )


def phase(item: Json) -> str:
    """Return Velero's phase; an object without one is `New`."""
    return str(status(item).get("phase") or "New")


def number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
