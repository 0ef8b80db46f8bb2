"""Times in the database: whole microseconds since 1970 in UTC.

Integers compare and add in SQL without parsing, carry every digit of a datetime, and know no zone to get wrong.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_START = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(at: datetime) -> int:
    """A naive time raises TypeError: its moment is ambiguous."""
    return (at - _START) // _MICROSECOND


def from_micros(value: int) -> datetime:
    return _START + timedelta(microseconds=value)


def maybe_micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)


def maybe_moment(value: int | None) -> datetime | None:
    return None if value is None else from_micros(value)
