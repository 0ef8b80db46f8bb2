"""The right words nearest to a wrong one: those that it begins, then those that are a slip of the finger away."""

from __future__ import annotations

from collections.abc import Iterable

MAX_WORD_LENGTH = 64
"""A longer word is no slip of the finger."""
SHORTEST = 3
"""Fewer letters are near to too many words."""


def nearest(word: str, among: Iterable[str], most: int = 5) -> tuple[str, ...]:
    """Those that begin with it, then those few slips away, the fewest first."""
    names = list(dict.fromkeys(among))
    if not word or len(word) > MAX_WORD_LENGTH:
        return ()
    starts = [name for name in names if name.startswith(word)]
    counted = ((slips(word, name), name) for name in names)
    close = sorted((found, at, name) for at, (found, name) in enumerate(counted) if found is not None)
    return tuple(dict.fromkeys([*starts, *(name for _, _, name in close)]))[:most]


def meant(word: str, among: Iterable[str]) -> str:
    """The one that this must be a slip of; empty where two are as likely, or none is near."""
    names = list(dict.fromkeys(among))
    if not word or len(word) > MAX_WORD_LENGTH:
        return ""
    close = sorted((found, name) for name in names if (found := slips(word, name)) is not None)
    if close and (len(close) == 1 or close[0][0] < close[1][0]):
        return close[0][1]
    starts = [name for name in names if len(word) >= SHORTEST and name.startswith(word)]
    return starts[0] if not close and len(starts) == 1 else ""


def slips(word: str, name: str) -> int | None:
    """How many letters are wrong, missing, too many or swapped; None for more than a finger slips."""
    one, other = _plain(word), _plain(name)
    longest = max(len(one), len(other))
    most = 1 if longest <= 5 else 2 if longest <= 11 else 3
    if abs(len(one) - len(other)) > most or longest > MAX_WORD_LENGTH or min(len(one), len(other)) < SHORTEST:
        return None
    found = _distance(one, other, most)
    return found if found <= most and found < min(len(one), len(other)) else None


def _plain(word: str) -> str:
    return word.lower().lstrip("-").replace("_", "-")


def _distance(one: str, other: str, most: int) -> int:
    """Optimal string alignment; any number above `most` once it is certain to be more."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i, *([0] * len(other))]
        for j, sign in enumerate(other, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != sign))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == sign:
                row[j] = min(row[j], last[j - 2] + 1)
        if min(row) > most:
            return most + 1
    return row[-1]
