"""A flag's value back into the word that one would type."""

from __future__ import annotations

from typing import Any

from commands.flags import DURATION, MAPPINGS, OR_SELECTOR, PAIRS, SELECTOR, STRING_SLICE, STRINGS, Flag
from commands.selectors import words_of
from domain.duration import format_go


def spoken(flag: Flag, value: Any) -> str | None:
    """None for a value that is as good as not given."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if flag.type is DURATION:
        return format_go(value)
    if flag.type in {STRINGS, STRING_SLICE}:
        return ",".join(value)
    if flag.type in {PAIRS, MAPPINGS}:
        sign = "=" if flag.type is PAIRS else ":"
        return ",".join(_csv(f"{key}{sign}{item}") for key, item in value.items())
    if flag.type is SELECTOR:
        return words_of(value)
    if flag.type is OR_SELECTOR:
        return " or ".join(words_of(part) for part in value)
    return str(value)


def _csv(field: str) -> str:
    if any(sign in field for sign in ',"\n'):
        return '"' + field.replace('"', '""') + '"'
    return field
