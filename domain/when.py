"""Parses the times that people type for `--until`, `--before` and `--since`, in their time zone.

A local time that doesn't exist, or exists twice, because clocks change is an error with the alternatives, not a guess.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import Enum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain import duration
from domain.duration import BadDuration
from domain.errors import UsageError

ALLOWED: Final = "14:30, 2026-11-21 14:30, tomorrow 09:00, monday 07:00, +2h, in 3 days, 2h ago or 2026-11-21T14:30:00Z"
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_WORDS: Final = {"today": 0, "tomorrow": 1, "yesterday": -1}
_CLOCK: Final = r"(\d{1,2}):(\d{2})(?::(\d{2}))?"
_INSTANT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[t ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?\s?(z|utc|[+-]\d{2}:?\d{2})", re.ASCII
)
_DATE: Final = re.compile(rf"(\d{{4}})-(\d{{2}})-(\d{{2}})(?:[t ]{_CLOCK})?", re.ASCII)
_WORD: Final = re.compile(rf"(?:next |last |on )?([a-z]+)(?: (?:at )?{_CLOCK})?", re.ASCII)
_TIME: Final = re.compile(rf"(?:at )?{_CLOCK}", re.ASCII)


def known_zone(name: str) -> str:
    """Return the name if this machine has the time zone, else an empty string. Checks names from outside."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ""
    return name


class Direction(Enum):
    """Whether a bare time of day or weekday means the next or the last one."""

    FUTURE = "future"
    PAST = "past"


class BadTime(UsageError, ValueError):
    """The text that isn't a time; `fix` lists what is allowed."""


def _bad(given: str, why: str, *nearest: str) -> BadTime:
    return BadTime(f"`{given}` {why}", nearest=nearest, fix=f"Use a time such as {ALLOWED}.")


def parse(text: str, now: datetime, zone: tzinfo, towards: Direction = Direction.FUTURE) -> datetime:
    """Return the time in UTC. `now` is aware; `zone` is the reader's. Raises BadTime."""
    given = " ".join(text.split())
    words = given.lower()
    if words == "now":
        return now.astimezone(UTC)
    try:
        for read in (_instant, _relative, _dated, _clock, _worded):
            if (found := read(words, given, now.astimezone(zone), towards)) is not None:
                return found
    except OverflowError as error:
        raise _bad(given, "is too far away.") from error
    raise _bad(given, "isn't a time.")


def _instant(words: str, given: str, _now: datetime, _towards: Direction) -> datetime | None:
    if not (found := _INSTANT.fullmatch(words)):
        return None
    offset = "+00:00" if found[4] in {"z", "utc"} else found[4]
    fraction = f".{found[3][:6]:0<6}" if found[3] else ""
    clock = found[2] if found[2].count(":") == 2 else f"{found[2]}:00"
    try:
        return datetime.fromisoformat(f"{found[1]}T{clock}{fraction}{offset}").astimezone(UTC)
    except ValueError as error:
        raise _bad(given, "isn't a valid time.") from error


def _relative(words: str, given: str, now: datetime, towards: Direction) -> datetime | None:
    if words.startswith(("+", "-")):
        sign, span = (1 if words[0] == "+" else -1), words[1:]
    elif words.startswith("in "):
        sign, span = 1, words[3:]
    elif words.endswith(" ago"):
        sign, span = -1, words[:-4]
    else:
        _refuse_bare_duration(words, given, towards)
        return None
    try:
        size = duration.parse_positive(span.strip())
    except BadDuration as error:
        raise _bad(given, f"isn't a valid time: {error.text}") from error
    return now.astimezone(UTC) + sign * duration.to_timedelta(
        size
    )  # adding in a zone would move the wall clock instead


def _refuse_bare_duration(words: str, given: str, towards: Direction) -> None:
    try:
        duration.parse(words)
    except BadDuration:
        return
    meant = f"+{given}" if towards is Direction.FUTURE else f"{given} ago"
    raise _bad(given, "is a duration, not a time.", meant)


def _dated(words: str, given: str, now: datetime, _towards: Direction) -> datetime | None:
    if not (found := _DATE.fullmatch(words)):
        return None
    try:
        day = date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError as error:
        raise _bad(given, "isn't a valid date.") from error
    return _at(day, _wall(found.groups()[3:], given), now.tzinfo, given)


def _clock(words: str, given: str, now: datetime, towards: Direction) -> datetime | None:
    if not (found := _TIME.fullmatch(words)):
        return None
    wall = _wall(found.groups(), given)
    today = now.date()
    if towards is Direction.FUTURE:
        return _at(today if wall > now.time() else today + timedelta(days=1), wall, now.tzinfo, given)
    return _at(today if wall <= now.time() else today - timedelta(days=1), wall, now.tzinfo, given)


def _worded(words: str, given: str, now: datetime, towards: Direction) -> datetime | None:
    if not (found := _WORD.fullmatch(words)):
        return None
    wall = _wall(found.groups()[1:], given)
    if (shift := _DAY_WORDS.get(found[1])) is not None:
        return _at(now.date() + timedelta(days=shift), wall, now.tzinfo, given)
    weekday = [number for number, name in enumerate(_WEEKDAYS) if len(found[1]) >= 3 and name.startswith(found[1])]
    if not weekday:
        return None
    ahead = (weekday[0] - now.weekday()) % 7
    if words.startswith("last ") or (towards is Direction.PAST and not words.startswith("next ")):
        back = -ahead % 7
        return _at(now.date() - timedelta(days=back or (0 if wall <= now.time() else 7)), wall, now.tzinfo, given)
    return _at(now.date() + timedelta(days=ahead or (0 if wall > now.time() else 7)), wall, now.tzinfo, given)


def _wall(parts: tuple[str | None, ...], given: str) -> time:
    hour, minute, second = (int(part or 0) for part in parts)
    if hour > 23 or minute > 59 or second > 59:
        raise _bad(given, "isn't a time of day. Use 00:00 to 23:59.")
    return time(hour, minute, second)


def _at(day: date, wall: time, zone: tzinfo | None, given: str) -> datetime:
    first = datetime.combine(day, wall, zone)
    second = first.replace(fold=1)
    if first.utcoffset() == second.utcoffset():
        return first.astimezone(UTC)
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != first.replace(tzinfo=None):
        after = second.astimezone(UTC).astimezone(zone), first.astimezone(UTC).astimezone(zone)
        ways = [moment.isoformat(timespec="minutes") for moment in after]
        why = f"doesn't exist: on {day}, clocks in {zone} skip {wall:%H:%M}. Use"
        raise _bad(given, f"{why} {' or '.join(ways)}.", *ways)
    ways = [moment.isoformat(timespec="seconds") for moment in (first, second)]
    why = f"is ambiguous: on {day}, clocks in {zone} show {wall:%H:%M} twice. Use"
    raise _bad(given, f"{why} {' or '.join(ways)}.", *ways)
