"""Matches untrusted shell wildcards (`*`, `?`, `[a-z]`, `[!a-z]`) against a name in bounded time.

`fnmatch` translates them into a regular expression that backtracks: thirty stars against a name of thirty letters take
forever.
"""

from __future__ import annotations

MAX_PATTERN_LENGTH = 1_000


def matches_wildcard(pattern: str, name: str) -> bool:
    """Match as fnmatch.fnmatchcase does, in at most `len(pattern) * len(name)` steps: only the last star backtracks."""
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
    """Return the position in the pattern after matching `letter`; 0 if it doesn't match."""
    sign = pattern[at]
    end = _closing(pattern, at) if sign == "[" else -1
    if end > 0:
        return end + 1 if _in_class(pattern[at + 1 : end], letter) else 0
    return at + 1 if sign in {"?", letter} else 0


def _closing(pattern: str, at: int) -> int:
    """Return the closing bracket of a class. A `]` right after the opening is a member; an open `[` is a literal."""
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
