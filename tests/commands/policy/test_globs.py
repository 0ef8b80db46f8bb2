"""Patterns compared as languages."""

from __future__ import annotations

import itertools
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.policy.globs import BadPattern, fits, holds, is_pattern, meet, tokens

PATTERNS = st.lists(st.sampled_from(["a", "b", "-", "*", "?", "[ab]", "[a-c]"]), min_size=1, max_size=5).map("".join)
NAMES = ["".join(letters) for size in range(5) for letters in itertools.product("abc-", repeat=size)]


@given(PATTERNS, st.sampled_from(NAMES))
def test_a_name_fits_as_in_a_shell(pattern: str, name: str) -> None:
    assert fits(pattern, name) == fnmatchcase(name, pattern)


@given(st.lists(PATTERNS, min_size=1, max_size=3), PATTERNS)
def test_a_pattern_that_is_held_has_no_name_outside(outers: list[str], inner: str) -> None:
    counter = [name for name in NAMES if fits(inner, name) and not any(fits(outer, name) for outer in outers)]
    if holds(outers, inner):
        assert counter == []


@given(PATTERNS, PATTERNS)
def test_patterns_with_a_common_name_meet(left: str, right: str) -> None:
    if any(fits(left, name) and fits(right, name) for name in NAMES):
        assert meet(left, right)


@given(PATTERNS)
def test_a_pattern_holds_and_meets_itself(pattern: str) -> None:
    assert holds([pattern], pattern)
    assert meet(pattern, pattern)


@pytest.mark.parametrize(
    ("outers", "inner"),
    [
        (["shop-*"], "shop-a*"),
        (["shop-[ab]", "shop-c"], "shop-[abc]"),
        (["a*", "[b-z]*", "[0-9]*", "-*"], "?x"),
        (["*"], "?"),
        (["shop", "shop-*"], "shop"),
    ],
)
def test_held(outers: list[str], inner: str) -> None:
    assert holds(outers, inner)


@pytest.mark.parametrize(
    ("outers", "inner"),
    [
        (["shop-*"], "shop*"),
        (["shop-?"], "shop-*"),
        (["shop-a", "shop-b"], "shop-?"),
        (["shop-a", "shop-b"], "*"),
        ([], "shop"),
    ],
)
def test_not_held(outers: list[str], inner: str) -> None:
    assert not holds(outers, inner)


@pytest.mark.parametrize(("left", "right"), [("a*", "b*"), ("shop", "shop-db"), ("a?", "a"), ("[ab]x", "cx")])
def test_strangers_do_not_meet(left: str, right: str) -> None:
    assert not meet(left, right)


@pytest.mark.parametrize("pattern", ["a[", "a]", "[]", "[!a]", "[^a]", "a[b[c]"])
def test_brackets_that_velero_does_not_take(pattern: str) -> None:
    assert is_pattern(pattern)
    with pytest.raises(BadPattern):
        tokens(pattern)


def test_a_pattern_made_to_be_slow_is_answered_carefully_and_soon() -> None:
    assert not holds(["*a" + "?" * 40], "*a" + "?" * 40 + "*")
    assert not holds(["*a" + "?" * 16], "b*a" + "?" * 16)
    assert holds(["*a" + "?" * 6], "b*a" + "?" * 6)
