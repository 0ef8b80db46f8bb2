"""Reads fields of untrusted JSON: a missing value or one of the wrong type gives the empty value, never an exception.

Durations stay strings: the API server accepts `30d`, Go doesn't, and a reader that insists on either form loses the
whole list (velero issue 3236).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from domain.json_types import Json


def section(source: object, *keys: str) -> Json:
    """Return the object under these keys, or an empty one."""
    for key in keys:
        if not isinstance(source, dict):
            return {}
        source = source.get(key)
    return source if isinstance(source, dict) else {}


def items(source: object, key: str) -> list[Json]:
    """Return the objects in the list under `key`, without its other values."""
    value = source.get(key) if isinstance(source, dict) else None
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(source: Json, key: str) -> str:
    value = source.get(key)
    return value if isinstance(value, str) else ""


def number(source: Json, key: str) -> int:
    value = source.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def flag(source: Json, key: str) -> bool | None:
    """Return an optional boolean of Velero's; None if it isn't set."""
    value = source.get(key)
    return value if isinstance(value, bool) else None


def strings(source: Json, key: str) -> tuple[str, ...]:
    value = source.get(key)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def string_map(source: Json, key: str) -> Mapping[str, str]:
    value = source.get(key)
    if not isinstance(value, dict):
        return {}
    return {name: item for name, item in value.items() if isinstance(item, str)}


def timestamp(source: Json, key: str) -> datetime | None:
    return parse_timestamp(source.get(key))


def parse_timestamp(value: object) -> datetime | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
