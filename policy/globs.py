"""Namespace patterns as Velero 1.18 supports them (`*`, `?`, `[abc]`), compared as whole languages.

A rule's pattern has to cover every name that a manifest's pattern could ever match, not only names that exist today.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

Range = tuple[str, str]
"""First and last character."""
Token = tuple[Range, ...] | None
"""Characters that match one position; an empty tuple matches any. `None` is the star."""

MAX_PATTERN_LENGTH = 128
_MAX_STEPS = 200_000
"""Limit of one comparison. A pattern such as `*a????????????????????` needs millions; beyond the limit it isn't covered."""
_ANY: tuple[Range, ...] = ()
_LETTERS = "-0123456789abcdefghijklmnopqrstuvwxyz"
_LAST_CODE = 0x10FFFF


class BadPattern(ValueError):
    """A pattern that Velero doesn't support."""


def is_pattern(name: str) -> bool:
    return any(sign in name for sign in "*?[]")


def matches_glob(pattern: str, name: str) -> bool:
    """Whether the pattern matches the literal `name`. Raises BadPattern."""
    if not is_pattern(pattern) and len(pattern) <= MAX_PATTERN_LENGTH:
        return pattern == name
    return _compile(pattern).fullmatch(name) is not None


def is_valid_glob(pattern: str) -> bool:
    """Whether Velero supports the pattern. Objects in a cluster may contain others."""
    try:
        tokens(pattern)
    except BadPattern:
        return False
    return True


def any_matches(patterns: Iterable[str], name: str) -> bool:
    """Whether one of the patterns matches the literal `name`; an invalid pattern matches only itself."""
    return any(
        pattern in {"*", name} or (is_valid_glob(pattern) and matches_glob(pattern, name)) for pattern in patterns
    )


def covers_glob(outers: Iterable[str], inner: str) -> bool:
    """Whether the `outers` match every name that `inner`, a literal or a pattern, matches."""
    wide = tuple(outers)
    if inner in wide or "*" in wide:
        return True
    if not is_pattern(inner):
        return any(matches_glob(outer, inner) for outer in wide)
    return _included(inner, wide)


def globs_overlap(left: str, right: str) -> bool:
    """Whether some name matches both."""
    one, two = tokens(left), tokens(right)
    todo, seen = [(0, 0)], {(0, 0)}
    while todo:
        at = todo.pop()
        if at == (len(one), len(two)):
            return True
        for to in _product_steps(one, two, *at):
            if to not in seen:
                seen.add(to)
                todo.append(to)
    return False


@lru_cache(maxsize=4096)
def tokens(pattern: str) -> tuple[Token, ...]:
    """Raises BadPattern."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise BadPattern(f"A pattern has at most {MAX_PATTERN_LENGTH} characters; this one has {len(pattern)}")
    found: list[Token] = []
    at = 0
    while at < len(pattern):
        sign = pattern[at]
        if sign == "[":
            end = pattern.find("]", at)
            found.append(_letters(pattern, pattern[at + 1 : end] if end > 0 else ""))
            at = end
        elif sign == "]":
            raise BadPattern(f"{pattern!r} has a ']' without a '['")
        elif sign != "*" or not found or found[-1] is not None:
            found.append({"*": None, "?": _ANY}.get(sign, ((sign, sign),)))
        at += 1
    return tuple(found)


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> re.Pattern[str]:
    """Each star but the last is an atomic group with what follows it up to the next star, so only one star backtracks."""
    parts: list[list[str]] = [[]]
    for token in tokens(pattern):
        if token is None:
            parts.append([])
        else:
            parts[-1].append(_expression(token))
    first, *rest = ("".join(part) for part in parts)
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(f"{first}{middle}{f'.*{rest[-1]}' if rest else ''}", re.DOTALL)


def _expression(ranges: tuple[Range, ...]) -> str:
    if not ranges:
        return "."
    return f"[{''.join(f'{re.escape(first)}-{re.escape(last)}' for first, last in ranges)}]"


def _letters(pattern: str, inside: str) -> tuple[Range, ...]:
    """Parse a class. Ranges stay ranges: a class may contain all of Unicode."""
    if not inside or inside[0] in "!^" or "[" in inside:
        raise BadPattern(f"{pattern!r} uses brackets that Velero doesn't support")
    found: list[Range] = []
    at = 0
    while at < len(inside):
        last = inside[at + 2] if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside) else ""
        if not last or inside[at] <= last:
            found.append((inside[at], last or inside[at]))
        at += 3 if last else 1
    if not found:
        raise BadPattern(f"{pattern!r} has an empty range")
    return tuple(found)


def _in_ranges(ranges: tuple[Range, ...], letter: str) -> bool:
    return any(first <= letter <= last for first, last in ranges)


def _epsilon_closure(parts: tuple[Token, ...], places: frozenset[int]) -> frozenset[int]:
    found = set(places)
    for place in places:
        step = place
        while step < len(parts) and parts[step] is None:
            step += 1
            found.add(step)
    return frozenset(found)


def _step(parts: tuple[Token, ...], places: frozenset[int], letter: str) -> frozenset[int]:
    after: set[int] = set()
    for place in places:
        if place < len(parts):
            token = parts[place]
            if token is None:
                after.add(place)
            elif not token or _in_ranges(token, letter):
                after.add(place + 1)
    return _epsilon_closure(parts, frozenset(after))


def _included(inner: str, outers: tuple[str, ...]) -> bool:
    """Run both as automata over sets of positions, until a name of `inner` is found that no outer matches."""
    small, wide = tokens(inner), tuple(tokens(outer) for outer in outers)
    alphabet = _alphabet((small, *wide))
    start = (_epsilon_closure(small, frozenset({0})), tuple(_epsilon_closure(parts, frozenset({0})) for parts in wide))
    todo, seen, steps = [start], {start}, 0
    while todo:
        mine, theirs = todo.pop()
        if len(small) in mine and not any(len(p) in places for p, places in zip(wide, theirs, strict=True)):
            return False
        steps += len(alphabet) * (len(mine) + sum(map(len, theirs)))
        if steps > _MAX_STEPS:
            return False
        for letter in alphabet:
            onward = _step(small, mine, letter)
            after = (onward, tuple(_step(p, places, letter) for p, places in zip(wide, theirs, strict=True)))
            if onward and after not in seen:
                seen.add(after)
                todo.append(after)
    return True


def _alphabet(patterns: tuple[tuple[Token, ...], ...]) -> list[str]:
    """Return one character of each class that the patterns distinguish, and one that no pattern contains.

    All characters between two range borders behave alike, so the first one represents them.
    """
    ranges = {each for parts in patterns for token in parts if token for each in token}
    borders = {ord(first) for first, _ in ranges} | {ord(last) + 1 for _, last in ranges}
    named = tuple(ranges)
    representatives = [chr(code) for code in sorted(borders) if code <= _LAST_CODE and _in_ranges(named, chr(code))]
    return representatives + [letter for letter in _LETTERS if not _in_ranges(named, letter)][:1]


def _product_steps(one: tuple[Token, ...], two: tuple[Token, ...], i: int, j: int) -> list[tuple[int, int]]:
    left = one[i] if i < len(one) else (("/", "/"),)
    right = two[j] if j < len(two) else (("/", "/"),)
    onward: list[tuple[int, int]] = []
    if left is None:
        onward.append((i + 1, j))
    if right is None:
        onward.append((i, j + 1))
    if left is None and right is not None and j < len(two):
        onward.append((i, j + 1))
    if right is None and left is not None and i < len(one):
        onward.append((i + 1, j))
    if left is not None and right is not None and i < len(one) and j < len(two) and _classes_overlap(left, right):
        onward.append((i + 1, j + 1))
    return onward


def _classes_overlap(left: tuple[Range, ...], right: tuple[Range, ...]) -> bool:
    return not left or not right or any(a <= d and c <= b for a, b in left for c, d in right)
