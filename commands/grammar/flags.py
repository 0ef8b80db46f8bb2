"""Flag types: how a value is parsed and how repeated values are merged.

Source: pflag and the flag types of the velero CLI.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from commands.grammar.nearest import meant
from domain.duration import BadDuration, DurationFlaw
from domain.duration import parse as parse_duration
from domain.errors import UsageError
from domain.selectors import parse_or_selector, parse_selector

Merge = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class FlagType:
    """`bare` is the value of a flag without one, None if the flag needs a value. `merge(before, now)` joins repetitions."""

    name: str
    parse: Callable[[str], Any]
    bare: str | None = None
    merge: Merge = lambda _before, now: now
    peeks: bool = False
    """Takes the next word only if that parses as a value."""
    mentions: bool = False
    """A Slack mention is replaced by the id behind it."""
    free: bool = False
    """Free text keeps its characters as typed."""


@dataclass(frozen=True, slots=True)
class Flag:
    """`ours` marks a flag that the velero CLI doesn't have; `choices` are the values that a form offers."""

    name: str
    type: FlagType
    help: str
    short: str = ""
    group: str = "Other"
    ours: bool = False
    hidden: bool = False
    choices: tuple[str, ...] = ()
    source: str = ""
    """The resource whose names complete the value (`locations`, `schedules`, …), in forms and suggestions."""


_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def parse_bool(text: str) -> bool:
    """Parse a boolean as Go's strconv.ParseBool does."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    meaning = {"yes": "true", "y": "true", "on": "true", "no": "false", "n": "false", "off": "false"}.get(
        text.lower(), ""
    )
    raise UsageError(
        f"`{text}` isn't true or false.", nearest=(meaning,) if meaning else (), fix="Write true or false."
    )


def _optional_bool(text: str) -> bool | None:
    return None if text == "" else parse_bool(text)


def parse_int(text: str) -> int:
    """Parse an integer as Go's strconv.ParseInt with base 0: 0x, 0o, 0b, a leading 0 is octal, `_` between digits."""
    body = text[1:] if text[:1] in {"+", "-"} else text
    octal = body[:1] == "0" and body[1:2] in set("0123456789_")
    try:
        if not body.isascii() or not body[:1].isdigit() or body != body.strip():
            raise ValueError(text)
        value = int(body, 8 if octal else 0)
    except ValueError:
        raise UsageError(f"`{text}` isn't a whole number.", fix="Use digits, for example 4.") from None
    value = -value if text.startswith("-") else value
    if not -(2**63) <= value < 2**63:
        raise UsageError(f"`{text}` is too large.")
    return value


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except BadDuration as error:
        near = _near_duration(text, error)
        fix = "Use a duration such as 90m, 36h, 30d, 2w, 6mo or 1y."
        raise UsageError(error.text, nearest=near, fix=fix, why="Units: s, m, h, d, w, mo, y.") from None


_UNITS = {"second": "s", "minute": "m", "hour": "h", "day": "d", "week": "w", "month": "mo", "year": "y"}


def _near_duration(text: str, error: BadDuration) -> tuple[str, ...]:
    """Suggest units for a number without one, and the short form of a unit that is spelled out."""
    number = re.fullmatch(r"([0-9]+)\s*([A-Za-z]*)", text)
    if number is None or error.flaw not in {DurationFlaw.NO_UNIT, DurationFlaw.UNIT}:
        return ()
    spelled = number[2].lower().removesuffix("s")
    if not spelled:
        return tuple(f"{number[1]}{unit}" for unit in ("h", "d", "mo"))
    fits = {
        unit for word, unit in _UNITS.items() if spelled in {unit, word} or (spelled[1:] and word.startswith(spelled))
    }
    return (f"{number[1]}{fits.pop()}",) if len(fits) == 1 else ()


def csv_record(text: str, *, comma: str = ",") -> list[str] | None:
    """Parse one record as Go's encoding/csv does; None without a record. Raises ValueError on a bare or open quote."""
    body = text.removesuffix("\r").replace("\r\n", "\n").lstrip("\n")
    if not body:
        return None
    fields: list[str] = []
    at = 0
    while True:
        at, value = _csv_quoted(body, at) if body[at : at + 1] == '"' else _csv_bare(body, at, comma)
        fields.append(value)
        if at == len(body) or body[at] == "\n":
            return fields
        if body[at] != comma:
            raise ValueError('extraneous or missing " in quoted-field')
        at += 1


def _csv_bare(body: str, at: int, comma: str) -> tuple[int, str]:
    ends = (found for sign in (comma, "\n") if (found := body.find(sign, at)) >= 0)
    end = min(ends, default=len(body))
    value = body[at:end]
    if '"' in value:
        raise ValueError('bare " in non-quoted-field')
    return end, value


def _csv_quoted(body: str, at: int) -> tuple[int, str]:
    value: list[str] = []
    at += 1
    while at < len(body):
        if body[at] == '"':
            if body[at + 1 : at + 2] != '"':
                return at + 1, "".join(value)
            at += 1
        value.append(body[at])
        at += 1
    raise ValueError('extraneous or missing " in quoted-field')


def _map(separator: str) -> Callable[[str], dict[str, str]]:
    def parse(text: str) -> dict[str, str]:
        try:
            parts = csv_record(text)
        except ValueError as error:
            raise UsageError(f"`{text}` isn't a list of pairs: {error}.") from None
        if parts is None:
            raise UsageError("The value is empty.", fix=f"Use key{separator}value.")
        pairs: dict[str, str] = {}
        for part in parts:
            key, found, value = part.partition(separator)
            if not found:
                raise UsageError(f"`{part}` isn't a pair.", fix=f"Use key{separator}value.")
            pairs[key] = value
        return pairs

    return parse


def _merge_maps(before: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    return {**before, **now}


def _slice(text: str) -> list[str]:
    if text == "":
        return []
    try:
        record = csv_record(text)
        if record is None:
            raise ValueError("it contains only line breaks")
        return record
    except ValueError as error:
        raise UsageError(f"`{text}` isn't a list: {error}.") from None


def _either(before: bool, now: bool) -> bool:
    return before or now


TEXT = FlagType("text", str)
PERSON = FlagType("person", str, mentions=True)
FREE_TEXT = FlagType("text", str, free=True)
BOOL = FlagType("true|false", parse_bool, bare="true")
STICKY_BOOL = FlagType("true|false", parse_bool, bare="true", merge=_either)
"""Stays true: a later `=false` doesn't undo it."""
OPTIONAL_BOOL = FlagType("true|false", _optional_bool, bare="true")
PEEKING_BOOL = FlagType("true|false", _optional_bool, bare="true", peeks=True)
INT = FlagType("number", parse_int)
DURATION = FlagType("duration", _duration)
STRINGS = FlagType("list", lambda text: text.split(","))
"""The velero CLI's StringArray: split at commas; a later value replaces an earlier one."""
STRING_SLICE = FlagType("list", _slice, merge=lambda before, now: [*before, *now])
"""pflag's StringSlice: CSV; later values are appended."""
PAIRS = FlagType("k=v,…", _map("="), merge=_merge_maps)
MAPPINGS = FlagType("from:to,…", _map(":"), merge=_merge_maps)
SELECTOR = FlagType("selector", parse_selector)
OR_SELECTOR = FlagType("selectors", parse_or_selector)


def choice(*allowed: str) -> FlagType:
    def parse(text: str) -> str:
        if text not in allowed:
            values = [one for one in allowed if one]
            near = tuple(dict.fromkeys([*filter(None, [meant(text, values)]), *values]))
            raise UsageError(f"`{text}` isn't allowed here.", nearest=near)
        return text

    return FlagType("|".join(filter(None, allowed)), parse, merge=lambda before, now: now or before)
