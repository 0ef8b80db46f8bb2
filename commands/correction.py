"""From what an error says back to the place in the line that it speaks of, and to one better line.

An error that knows its place says so; one that was found out later (a name that is not there) quotes the word.
"""

from __future__ import annotations

import re

from commands.registry import NOUNS
from commands.words import Word, quote, words
from domain.errors import ChatopsError, UsageError

Span = tuple[int, int]

_QUOTED = re.compile(r"'((?:[^'\\]|\\.)+)'|\"((?:[^\"\\]|\\.)+)\"")


def place(fault: ChatopsError, line: str) -> Span | None:
    """Of the wrong part in the line as it was received."""
    if fault.part is not None or not line:
        return fault.part
    try:
        found = words(line)
    except UsageError:
        return None
    quoted = [one or other for one, other in _QUOTED.findall(fault.text)]
    spans = (_span(word, text, line) for text in quoted for word in found)
    return next((span for span in spans if span is not None), None)


def _span(word: Word, text: str, line: str) -> Span | None:
    """The word, its value after `=`, or one item of its list."""
    if word.text == text:
        return word.span
    value = word.text.partition("=")[2] if word.text.startswith("-") else word.text
    items = re.split(r"[,;:=]", value)
    if text != value and text not in items:
        return None
    start = _start(line, text, word.span)
    return None if start < 0 else (start, start + len(text))


def _start(line: str, text: str, span: Span) -> int:
    pattern = re.compile(rf"(?<![^,;:=\"'“”]){re.escape(text)}(?![^,;:=\"'“”\s])")
    found = pattern.search(line, span[0], span[1])
    return found.start() if found else -1


def corrected(fault: ChatopsError, line: str) -> str:
    """One command ready to copy: the line with the wrong part replaced, or the command that the error itself names."""
    for better in (*fault.nearest[:1], fault.fix):
        if " " in better and better.split(" ", 1)[0] in NOUNS and "…" not in better and not better.endswith(" ?"):
            return better
    part = place(fault, line)
    if not (line and part and fault.nearest):
        return ""
    return _replaced(line, part, fault.nearest[0])


def _replaced(line: str, part: Span, value: str) -> str:
    start, end = part
    wrong = line[start:end]
    if wrong.startswith("--") and "=" in wrong:
        flag, _, rest = wrong.partition("=")
        value = f"{value}={rest}" if value.startswith("--") else f"{flag}={quote(value)}"
    elif " " in value and value.startswith("--"):
        return f"{line} {value}"
    elif value.partition(" ")[0] not in NOUNS:
        value = quote(value)
    return line[:start] + value + line[end:]
