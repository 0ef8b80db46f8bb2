"""A line as it arrives in chat → words with their place in it.

Two things are undone: the shell's quoting (POSIX rules, so a line pasted from a runbook means the same), and what Slack
and keyboards do to text: escaped `& < >`, wrapped users, channels and addresses, smart quotes, long dashes for `--`,
non-breaking and zero-width blanks. Free text keeps its signs: `Word.raw` is what was typed, `Word.text` the plain form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Word:
    """`span` is its place in the received line; `quoted` tells `''` from nothing; `mention` the id of a wrapped user or channel."""

    text: str
    raw: str
    span: tuple[int, int]
    quoted: bool = False
    mention: str = ""


@dataclass(frozen=True, slots=True)
class _Sign:
    """One sign after unwrapping, where it stood, and whether Slack's escaping hides a plain one."""

    char: str
    start: int
    end: int
    mention: str = ""


def words(line: str) -> tuple[Word, ...]:
    """Raises UsageError for a line that is too long or whose quotes do not close."""
    if len(line) > MAX_LINE:
        raise UsageError(f"The line has {len(line)} characters; at most {MAX_LINE} are read.")
    if _SPECIAL.search(line) is None:
        # Most lines: nothing to undo. Every command passes here before it is acknowledged.
        return tuple(Word(one[0], one[0], one.span()) for one in _ASCII_WORD.finditer(line))
    signs = _unwrap(line)
    found: list[Word] = []
    at = 0
    while True:
        while at < len(signs) and (signs[at].char in _BLANK or signs[at].char in _ZERO):
            at += 1
        if at == len(signs):
            return tuple(found)
        at, word = _word(signs, at)
        found.append(word)


def _unwrap(line: str) -> list[_Sign]:
    signs: list[_Sign] = []
    at = 0
    for match in _WRAPPED.finditer(line):
        signs += _unescape(line, at, match.start())
        shown, mention = _shown(match)
        signs += [_Sign(s.char, match.start(), match.end(), mention) for s in _unescape(shown, 0, len(shown))]
        at = match.end()
    return signs + _unescape(line, at, len(line))


def _shown(match: re.Match[str]) -> tuple[str, str]:
    """What the person typed, and the id behind it."""
    if match["url"] is not None:
        label = match["label"] or match["url"]
        return label.removeprefix("mailto:"), ""
    sign, ident, name = match["sign"], match["id"], match["name"]
    if sign == "!":
        return ("@" + (name or ident).lstrip("@")), ident
    if name:
        return sign + name, ident
    return f"<{sign}{ident}>", ident


_ENTITY = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}


def _unescape(text: str, start: int, end: int) -> list[_Sign]:
    signs: list[_Sign] = []
    at = start
    while at < end:
        for entity, char in _ENTITY.items():
            if text.startswith(entity, at) and at + len(entity) <= end:
                signs.append(_Sign(char, at, at + len(entity)))
                at += len(entity)
                break
        else:
            signs.append(_Sign(text[at], at, at + 1))
            at += 1
    return signs


def _word(signs: list[_Sign], at: int) -> tuple[int, Word]:
    start = at
    text: list[str] = []
    raw: list[str] = []
    quoted = False
    mention = ""
    while at < len(signs) and signs[at].char not in _BLANK:
        char = signs[at].char
        if char in _OPENING:
            at = _quotation(signs, at, text, raw)
            quoted = True
            continue
        if char == "\\" and at + 1 < len(signs):
            at += 1
            text.append(signs[at].char)
            raw.append(signs[at].char)
        elif char not in _ZERO:
            text.append(_plain(char, first=not text))
            raw.append(char)
            mention = mention or signs[at].mention
        at += 1
    span = (signs[start].start, signs[at - 1].end)
    return at, Word("".join(text), "".join(raw), span, quoted, mention)


def _quotation(signs: list[_Sign], at: int, text: list[str], raw: list[str]) -> int:
    """Reads from the opening to past the closing quote; any quote of the same family closes."""
    opening = at
    family = _OPENING[signs[at].char]
    ascii_quote = signs[at].char == family
    at += 1
    while at < len(signs):
        char = signs[at].char
        if _closes(char, family, ascii_only=ascii_quote):
            return at + 1
        if family == '"' and char == "\\" and at + 1 < len(signs) and signs[at + 1].char in '"\\$`':
            at += 1
            char = signs[at].char
        text.append(_PLAIN.get(char, char))
        raw.append(char)
        at += 1
    part = (signs[opening].start, signs[-1].end)
    raise UsageError("A quote is opened and never closed.", why=f"It opens with {signs[opening].char}.", part=part)


def _closes(char: str, family: str, *, ascii_only: bool) -> bool:
    if ascii_only:
        return char == family
    return _OPENING.get(char) == family


def _plain(char: str, *, first: bool) -> str:
    if char == "–":
        return "--" if first else "-"
    return _PLAIN.get(char, char)


# What Slack's escaping would be taken for: a quote in between keeps it from being undone where nobody did it.
_WRITTEN = re.compile(r"&(?=(?:amp|lt|gt);)|<(?=[@#!]|[A-Za-z][A-Za-z0-9+.-]*:)")


def quote(word: str) -> str:
    """The word as a shell and this reader would read it back."""
    if word and re.fullmatch(r"[A-Za-z0-9_@%+=:,./!*?\[\]-]+", word) and word[0] not in "*?":
        return word
    parts = (_WRITTEN.sub(lambda found: f"{found[0]}''", part) for part in word.split("'"))
    return "'" + "'\"'\"'".join(parts) + "'"
