"""Splits a line from chat into words with their positions.

It undoes two things: shell quoting (POSIX rules, so a line pasted from a runbook means the same), and what Slack
and keyboards do to text: escaped `& < >`, wrapped users, channels and addresses, smart quotes, long dashes for `--`,
non-breaking and zero-width spaces. `Word.raw` keeps the characters as typed, for free text; `Word.text` is the plain form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.counting import counted
from domain.errors import UsageError

MAX_LINE = 8000

_SPECIAL = re.compile(r"[^\x00-\x7f]|[<>&'\"\\]")
_ASCII_WORD = re.compile(r"[^ \t\n\r\f\v]+")

_WRAPPED = re.compile(
    r"<(?P<sign>[@#!])(?P<id>[^<>|]*)(?:\|(?P<name>[^<>]*))?>"
    r"|<(?P<url>[A-Za-z][A-Za-z0-9+.-]*:[^<>|]*)(?:\|(?P<label>[^<>]*))?>"
)
_OPENING = {"'": "'", '"': '"', "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'}
_BLANK = frozenset(
    " \t\n\r\f\v\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
_ZERO = frozenset("\u200b\u200c\u200d\u2060\ufeff")
_PLAIN = {"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "\u00a0": " ", "…": "...", "—": "--", "―": "--"}
_PLAIN |= dict.fromkeys(_ZERO, "")
"""Includes zero-width characters: the bot's messages put them before `*`, where Slack would otherwise make text bold."""
_GAP = re.compile(f"[{re.escape(''.join(sorted(_BLANK | _ZERO)))}]+")
_ORDINARY = re.compile(r"[A-Za-z0-9_@%+=:,./!*?#(){}\[\]-]+")
_ORDINARY_INSIDE = re.compile(r"[A-Za-z0-9_@%+=:,./!*?#(){}\[\] -]+")


@dataclass(frozen=True, slots=True)
class Word:
    """`span` is the position in the received line; `quoted` tells `''` from no word; `mention` is a wrapped user's or channel's id."""

    text: str
    raw: str
    span: tuple[int, int]
    quoted: bool = False
    mention: str = ""


@dataclass(frozen=True, slots=True)
class _Unwrapped:
    """The line as typed, with the position of each character in the received line and the ids of mentions."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    mentions: Mapping[int, str]


def tokenize(line: str) -> tuple[Word, ...]:
    """Raises UsageError for a line that is too long or has an open quote."""
    if len(line) > MAX_LINE:
        raise UsageError(f"The line has {counted(len(line), 'character')}; the limit is {MAX_LINE}.")
    if _SPECIAL.search(line) is None:
        # Fast path for most lines: there is nothing to undo, and Slack waits for the acknowledgement.
        return tuple(Word(one[0], one[0], one.span()) for one in _ASCII_WORD.finditer(line))
    return tokenize_any(line)


def tokenize_any(line: str) -> tuple[Word, ...]:
    """Tokenize any line, character by character."""
    typed = _unwrap(line)
    found: list[Word] = []
    at = _past(_GAP, typed.text, 0)
    while at < len(typed.text):
        at, word = _word(typed, at)
        found.append(word)
        at = _past(_GAP, typed.text, at)
    return tuple(found)


def _past(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _unwrap(line: str) -> _Unwrapped:
    if "<" not in line and "&" not in line:
        return _Unwrapped(line, range(len(line)), range(1, len(line) + 1), {})
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    mentions: dict[int, str] = {}
    at = 0
    for match in (*_WRAPPED.finditer(line), None):
        _unescape(line[at : match.start() if match else len(line)], at, parts, starts, ends)
        if match is None:
            break
        shown, mention = _shown(match)
        plain = _ENTITIES.sub(lambda found: _ENTITY[found[0]], shown)
        if mention:
            mentions |= dict.fromkeys(range(len(starts), len(starts) + len(plain)), mention)
        parts.append(plain)
        starts += [match.start()] * len(plain)
        ends += [match.end()] * len(plain)
        at = match.end()
    return _Unwrapped("".join(parts), starts, ends, mentions)


def _shown(match: re.Match[str]) -> tuple[str, str]:
    """Return the text as typed and the id behind it."""
    if match["url"] is not None:
        label = match["label"] or match["url"]
        return label.removeprefix("mailto:"), ""
    sign, target, name = match["sign"], match["id"], match["name"]
    if sign == "!":
        return ("@" + (name or target).lstrip("@")), target
    if name:
        return sign + name, target
    return f"<{sign}{target}>", target


_ENTITY = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
_ENTITIES = re.compile("&(?:amp|lt|gt);")


def _unescape(text: str, start: int, parts: list[str], starts: list[int], ends: list[int]) -> None:
    """Append the unescaped characters of a piece of the line that begins at `start`."""
    at = 0
    for match in (*_ENTITIES.finditer(text), None):
        end = match.start() if match else len(text)
        parts.append(text[at:end])
        starts.extend(range(start + at, start + end))
        ends.extend(range(start + at + 1, start + end + 1))
        if match is not None:
            parts.append(_ENTITY[match[0]])
            starts.append(start + end)
            ends.append(start + match.end())
            at = match.end()


def _word(typed: _Unwrapped, at: int) -> tuple[int, Word]:
    text, start = typed.text, at
    plain: list[str] = []
    raw: list[str] = []
    quoted = False
    while at < len(text) and text[at] not in _BLANK:
        char = text[at]
        if char in _OPENING:
            at = _quotation(typed, at, plain, raw)
            quoted = True
            continue
        if char == "\\" and at + 1 < len(text):
            at += 1
            plain.append(text[at])
            raw.append(text[at])
        elif (end := _past(_ORDINARY, text, at)) > at:
            plain.append(text[at:end])
            raw.append(text[at:end])
            at = end
            continue
        elif char not in _ZERO:
            plain.append(_plain(char, first=not any(plain)))
            raw.append(char)
        at += 1
    span = (typed.starts[start], typed.ends[at - 1])
    mention = (
        next((typed.mentions[each] for each in range(start, at) if each in typed.mentions), "")
        if typed.mentions
        else ""
    )
    return at, Word("".join(plain), "".join(raw), span, quoted, mention)


def _quotation(typed: _Unwrapped, at: int, plain: list[str], raw: list[str]) -> int:
    """Read from the opening quote past the closing one; any quote of the same family closes."""
    text, opening = typed.text, at
    family = _OPENING[text[at]]
    ascii_quote = text[at] == family
    at += 1
    while at < len(text):
        if (end := _past(_ORDINARY_INSIDE, text, at)) > at:
            plain.append(text[at:end])
            raw.append(text[at:end])
            at = end
            continue
        char = text[at]
        if _closes(char, family, ascii_only=ascii_quote):
            return at + 1
        if family == '"' and char == "\\" and at + 1 < len(text) and text[at + 1] in '"\\$`':
            at += 1
            char = text[at]
        plain.append(_PLAIN.get(char, char))
        raw.append(char)
        at += 1
    part = (typed.starts[opening], typed.ends[-1])
    raise UsageError(
        "A quote isn't closed.",
        why=f"It opens with {text[opening]}.",
        fix="Close it with the same character.",
        part=part,
    )


def _closes(char: str, family: str, *, ascii_only: bool) -> bool:
    if ascii_only:
        return char == family
    return _OPENING.get(char) == family


def _plain(char: str, *, first: bool) -> str:
    if char == "–":
        return "--" if first else "-"
    return _PLAIN.get(char, char)


# Text that looks like Slack's escaping. `quote` splits it with empty quotes, or reading it back would unescape it.
_LOOKS_ESCAPED = re.compile(r"&(?=(?:amp|lt|gt);)|<(?=[@#!]|[A-Za-z][A-Za-z0-9+.-]*:)")


def quote(word: str) -> str:
    """Quote a word so that a shell and `tokenize` read it back unchanged."""
    if word and re.fullmatch(r"[A-Za-z0-9_@%+=:,./!*?\[\]-]+", word) and word[0] not in "*?":
        return word
    parts = (_LOOKS_ESCAPED.sub(lambda found: f"{found[0]}''", part) for part in word.split("'"))
    return "'" + "'\"'\"'".join(parts) + "'"
