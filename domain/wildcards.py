"""Shell wildcards (`*`, `?`, `[a-z]`, `[!a-z]`) of other people against one name, in bounded time.

`fnmatch` makes a regular expression of them, which backtracks: thirty stars against a name of thirty letters never end.
"""

from __future__ import annotations

MAX_PATTERN_LENGTH = 1_000


def matches_wildcard(pattern: str, name: str) -> bool:
    """As fnmatch.fnmatchcase. At most `len(pattern) * len(name)` steps: only the last star is gone back to."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        return False
    at, here, star, resume = 0, 0, -1, 0
    while here < len(name):
        after = _step(pattern, at, name[here]) if at < len(pattern) and pattern[at] != "*" else 0
        if at < len(pattern) and pattern[at] == "*":
            star, resume, at = at, here, at + 1
        elif after:
            at, here = after, here + 1
        elif star >= 0:
            resume += 1
            at, here = star + 1, resume
        else:
            return False
    return pattern[at:].strip("*") == ""


def _step(pattern: str, at: int, letter: str) -> int:
    """Where the pattern goes on after `letter`; 0 where the letter does not fit."""
    sign = pattern[at]
    end = _closing(pattern, at) if sign == "[" else -1
    if end > 0:
        return end + 1 if _in_class(pattern[at + 1 : end], letter) else 0
    return at + 1 if sign in {"?", letter} else 0


def _closing(pattern: str, at: int) -> int:
    """A bracket right behind the opening one is a letter of the class; an unclosed `[` is itself a letter."""
    start = at + 2 if pattern[at + 1 : at + 2] in {"!", "]"} else at + 1
    if pattern[at + 1 : at + 3] == "!]":
        start = at + 3
    return pattern.find("]", start)


def _in_class(inside: str, letter: str) -> bool:
    negated = inside.startswith("!")
    letters = inside.removeprefix("!")
    at, found = 0, False
    while at < len(letters) and not found:
        if letters[at + 1 : at + 2] == "-" and at + 2 < len(letters):
            found = letters[at] <= letter <= letters[at + 2]
            at += 3
        else:
            found = letters[at] == letter
            at += 1
    return found is not negated
