"""Values as messages show them: durations, ages, times, people, and the operation that a message is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from domain.actor import is_slack_user_id
from domain.counting import counted
from notifier.render.escape import untrusted

NAMES_SHOWN = 8


def format_span(seconds: float) -> str:
    """The two largest units: `2 min 31 s`, `1 h 2 min`, `3 days 4 h`."""
    days, rest = divmod(max(0, int(seconds)), 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [
        (days, counted(days, "day")),
        (hours, f"{hours} h"),
        (minutes, f"{minutes} min"),
        (rest, f"{rest} s"),
    ]
    first = next((index for index, (size, _) in enumerate(parts) if size), len(parts) - 1)
    return " ".join(text for index, (size, text) in enumerate(parts[first : first + 2]) if size or index == 0)


def format_age(then: datetime, now: datetime) -> str:
    """Relative to now in one unit: `9 hours ago`, `in 2 days`."""
    seconds = (now - then).total_seconds()
    size = abs(seconds)
    units = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
    # A unit from two of them on, so that rounding never hides half of the age.
    unit, word = next(((unit, word) for unit, word in units if size >= 2 * unit), (1, "second"))
    text = counted(max(1, round(size / unit)), word)
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def parse_moment(value: object) -> datetime | None:
    """A time from an event's facts; None for anything else."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) and value else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


def slack_date(at: datetime) -> str:
    """Slack shows each reader their own zone."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{format_utc(at)}>"


def format_utc(at: datetime) -> str:
    """`Tue 1 Dec 02:00 (UTC)`, for texts outside Slack's blocks."""
    moment = at.astimezone(UTC)
    return f"{moment:%a} {moment.day} {moment:%b} {moment:%H:%M} (UTC)"


def mention_person(identifier: str) -> str:
    """A pipeline has no Slack user and is named as it is."""
    return f"<@{identifier}>" if is_slack_user_id(identifier) else untrusted(identifier)


def join_names(names: Sequence[object]) -> str:
    """The first names as untrusted text, and how many more there are."""
    shown = untrusted(", ".join(str(each) for each in names[:NAMES_SHOWN]))
    return shown + (f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else "")
