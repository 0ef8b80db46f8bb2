"""Patterns compared as languages."""

from __future__ import annotations

import itertools
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.globs import BadPattern, covers_glob, globs_overlap, is_pattern, is_valid_glob, matches_glob, tokens

PATTERNS = st.lists(st.sampled_from(["a", "b", "-", "*", "?", "[ab]", "[a-c]"]), min_size=1, max_size=5).map("".join)
NAMES = ["".join(letters) for size in range(5) for letters in itertools.product("abc-", repeat=size)]


@given(PATTERNS, st.sampled_from(NAMES))
def test_a_name_fits_as_in_a_shell(pattern: str, name: str) -> None:
    assert matches_glob(pattern, name) == fnmatchcase(name, pattern)


@given(
    st.lists(st.sampled_from([*"ab]^&|~-*?", "[ab]", "[a-c]", "[--/]", "[&-~]", "[*?]"]), max_size=8).map("".join),
    st.text("abc-&|~^.*?/\n", max_size=8),
)
def test_a_name_is_matched_as_the_automata_match_it(pattern: str, name: str) -> None:
    literal = "".join(f"[{letter}]" if letter in "*?" else letter for letter in name)
    if is_valid_glob(pattern) and is_valid_glob(literal):
        assert matches_glob(pattern, name) == globs_overlap(pattern, literal)


def test_a_pattern_of_many_stars_is_matched_without_backtracking() -> None:
    assert not matches_glob("*a" * 60 + "*b", "a" * 5_000)
    assert matches_glob("*a" * 60 + "*b", "a" * 5_000 + "b")


@given(st.lists(PATTERNS, min_size=1, max_size=3), PATTERNS)
def test_a_pattern_that_is_held_has_no_name_outside(outers: list[str], inner: str) -> None:
    counter = [
        name for name in NAMES if matches_glob(inner, name) and not any(matches_glob(outer, name) for outer in outers)
    ]
    if covers_glob(outers, inner):
        assert counter == []


@given(PATTERNS, PATTERNS)
def test_patterns_with_a_common_name_meet(left: str, right: str) -> None:
    if any(matches_glob(left, name) and matches_glob(right, name) for name in NAMES):
        assert globs_overlap(left, right)


@given(PATTERNS)
def test_a_pattern_holds_and_meets_itself(pattern: str) -> None:
    assert covers_glob([pattern], pattern)
    assert globs_overlap(pattern, pattern)


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
    assert covers_glob(outers, inner)


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
    assert not covers_glob(outers, inner)


@pytest.mark.parametrize(("left", "right"), [("a*", "b*"), ("shop", "shop-db"), ("a?", "a"), ("[ab]x", "cx")])
def test_strangers_do_not_meet(left: str, right: str) -> None:
    assert not globs_overlap(left, right)


@pytest.mark.parametrize("pattern", ["a[", "a]", "[]", "[!a]", "[^a]", "a[b[c]"])
def test_brackets_that_velero_does_not_take(pattern: str) -> None:
    assert is_pattern(pattern)
    with pytest.raises(BadPattern):
        tokens(pattern)


def test_a_pattern_made_to_be_slow_is_answered_carefully_and_soon() -> None:
    assert not covers_glob(["*a" + "?" * 40], "*a" + "?" * 40 + "*")
    assert not covers_glob(["*a" + "?" * 16], "b*a" + "?" * 16)
    assert covers_glob(["*a" + "?" * 6], "b*a" + "?" * 6)


EVERY_CHARACTER = "[\x01-\U0010ffff]"


def test_a_class_over_all_of_unicode_is_one_range() -> None:
    assert tokens(EVERY_CHARACTER) == ((("\x01", "\U0010ffff"),),)
    assert matches_glob(f"{EVERY_CHARACTER}*", "shop")
    assert globs_overlap(f"{EVERY_CHARACTER}x", "*[w-z]")
    assert not globs_overlap("[a-m]x", "[n-z]x")
    assert covers_glob([f"{EVERY_CHARACTER}*"], "[a-z]?x")
    assert not covers_glob(["[a-y]*"], "[a-z]")
    assert not covers_glob([f"shop{EVERY_CHARACTER}"], "shop*")


def test_a_pattern_longer_than_any_that_names_a_namespace_is_refused() -> None:
    assert not is_valid_glob("a" * 65 + "*" * 64)
    assert is_valid_glob("[a-z]" * 20)
    assert tokens("a***b") == tokens("a*b")


@pytest.mark.parametrize("inner", ["*a" + "?" * 60, "*[a-c]" + "?" * 60, "*?a" * 20])
def test_a_comparison_without_end_is_answered_with_no(inner: str) -> None:
    assert not covers_glob(["*b" + "?" * 60, "*b" + "?" * 50, "*c" + "[a-f]" * 9], inner)
