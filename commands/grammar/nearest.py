"""Suggestions for a wrong word: known words that it begins, then known words a typing error away."""

from __future__ import annotations

from collections.abc import Iterable

MAX_WORD_LENGTH = 64
"""Longer words get no suggestion, which also bounds the cost."""
MIN_WORD_LENGTH = 3
"""Shorter words are near to too many others."""


def nearest(word: str, among: Iterable[str], most: int = 5) -> tuple[str, ...]:
    """Return known words that begin with `word`, then those with the fewest typing errors."""
    names = list(dict.fromkeys(among))
    if not word or len(word) > MAX_WORD_LENGTH:
        return ()
    starts = [name for name in names if name.startswith(word)]
    counted = ((slips(word, name), name) for name in names)
    close = sorted((found, at, name) for at, (found, name) in enumerate(counted) if found is not None)
    return tuple(dict.fromkeys([*starts, *(name for _, _, name in close)]))[:most]


def meant(word: str, among: Iterable[str]) -> str:
    """Return the one known word that `word` must stand for; empty if two are equally likely or none is near."""
    names = list(dict.fromkeys(among))
    if not word or len(word) > MAX_WORD_LENGTH:
        return ""
    close = sorted((found, name) for name in names if (found := slips(word, name)) is not None)
    if close and (len(close) == 1 or close[0][0] < close[1][0]):
        return close[0][1]
    starts = [name for name in names if len(word) >= MIN_WORD_LENGTH and name.startswith(word)]
    return starts[0] if not close and len(starts) == 1 else ""


def slips(word: str, name: str) -> int | None:
    """Count wrong, missing, extra and swapped letters; None if there are more than a typing error explains."""
    one, other = _plain(word), _plain(name)
    longest = max(len(one), len(other))
    most = 1 if longest <= 5 else 2 if longest <= 11 else 3
    if abs(len(one) - len(other)) > most or longest > MAX_WORD_LENGTH or min(len(one), len(other)) < MIN_WORD_LENGTH:
        return None
    letters, others = set(one), set(other)
    if max(len(letters - others), len(others - letters)) > most:  # each of them takes an error; cheaper than counting
        return None
    found = _distance(one, other, most)
    return found if found <= most and found < min(len(one), len(other)) else None


def _plain(word: str) -> str:
    return word.lower().lstrip("-").replace("_", "-")


def _distance(one: str, other: str, most: int) -> int:
    """Optimal string alignment distance; some number above `most` once the distance is certain to exceed it."""
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
