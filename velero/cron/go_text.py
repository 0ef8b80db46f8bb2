"""Go's functions for text, as far as Velero's parsing of schedules and its error texts depend on them."""

from __future__ import annotations

import re
from typing import Final

from domain.duration import BadDuration, DurationFlaw, parse_go

SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_BLANKS: Final = re.compile(f"[{SPACE}]+")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+\Z", re.ASCII)
_ESCAPES: Final = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    '"': r"\"",
}
_INT_MAX: Final = (1 << 63) - 1


class GoError(ValueError):
    """An error with Go's own text."""


def fields(text: str) -> list[str]:
    """strings.Fields; Python's split() also splits at \\x1c to \\x1f."""
    return [word for word in _BLANKS.split(text) if word]


def trim(text: str) -> str:
    return text.strip(SPACE)


def fold(text: str) -> str:
    """strings.ToLower, letter by letter: Python turns the Turkish capital İ into two letters."""
    return text.replace("İ", "i").lower()


def _escaped(char: str, *, quotation: str) -> str:
    if char == quotation:
        return "\\" + char
    if char in _ESCAPES and char not in "\"'":
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quote(text: str) -> str:
    """The verb %q of a string."""
    return '"' + "".join(_escaped(char, quotation='"') for char in text) + '"'


def quote_rune(char: str) -> str:
    """The verb %q of one character."""
    return "'" + _escaped(char, quotation="'") + "'"


def atoi(text: str) -> int:
    """strconv.Atoi."""
    if not _INTEGER.match(text):
        raise GoError(f"strconv.Atoi: parsing {quote(text)}: invalid syntax")
    number = int(text) if len(text.lstrip("+-0")) < 20 else _INT_MAX + 2
    if not -_INT_MAX - 1 <= number <= _INT_MAX:
        raise GoError(f"strconv.Atoi: parsing {quote(text)}: value out of range")
    return number


def _time_quote(text: str) -> str:
    """Quote as the time package does: every byte outside ASCII as \\x."""
    out: list[str] = []
    for char in text:
        if char >= "\x80" or char < " ":
            out.extend(f"\\x{byte:02x}" for byte in char.encode())
        else:
            out.append("\\" + char if char in '"\\' else char)
    return '"' + "".join(out) + '"'


def duration(text: str) -> int:
    """time.ParseDuration, in nanoseconds."""
    try:
        return parse_go(text)
    except BadDuration as bad:
        match bad.flaw:
            case DurationFlaw.NO_UNIT:
                words = "missing unit in duration"
            case DurationFlaw.UNIT:
                words = f"unknown unit {_time_quote(bad.unit)} in duration"
            case _:
                words = "invalid duration"
        raise GoError(f"time: {words} {_time_quote(text)}") from bad
