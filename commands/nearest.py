"""The right words nearest to a wrong one. Pairs of letters are compared first: most words are far from most others."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache

LONGEST = 64
"""A longer word is no slip of the finger."""
ALIKE = 0.5
LOOKED_AT = 5


def nearest(word: str, among: Iterable[str], most: int = 5) -> tuple[str, ...]:
    """Those that begin with it, then the likest."""
    names = list(dict.fromkeys(among))
    if not word or len(word) > LONGEST:
        return ()
    starts = [name for name in names if name.startswith(word)]
    mine = _pairs(word)
    shares = sorted(
        ((len(mine & _pairs(name)) / (len(mine) + len(_pairs(name))), name) for name in names), reverse=True
    )
    ratios = [(_ratio(word, name), name) for share, name in shares[:LOOKED_AT] if share > 0.1]
    likest = [name for ratio, name in sorted(ratios, key=lambda each: -each[0]) if ratio >= ALIKE]
    return tuple(dict.fromkeys([*starts, *likest[:3]]))[:most]


def _ratio(word: str, name: str) -> float:
    return SequenceMatcher(None, word, name).ratio()


@lru_cache(maxsize=2048)
def _pairs(word: str) -> frozenset[str]:
    """With the ends marked: a first letter counts."""
    framed = f"^{word}$"
    return frozenset(framed[at : at + 2] for at in range(len(framed) - 1))
