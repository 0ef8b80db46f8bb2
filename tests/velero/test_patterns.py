"""Untrusted regular expressions: a fast result, or a refusal with its reason."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velero.patterns import MAX_PATTERN_LENGTH, MAX_TEXT_LENGTH, BadPattern, compile_pattern

ENDLESS = [
    "(a+)+$",
    "(a|aa)+$",
    "(a*)*b",
    "(.*a){12}",
    "(x+x+)+y",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "a?" * 30 + "a{30}",
    "(a|a?)+b",
]
NAMES = st.text("ab-x", max_size=8)


@pytest.mark.parametrize("text", ENDLESS)
def test_a_pattern_that_backtracks_in_python_is_fast(text):
    found = compile_pattern(text)
    for name in ("a" * 5_000, "a" * 5_000 + "!", "ax" * 2_500):
        assert found.matches_all(name) in {True, False}
        assert found.matches_part(name) in {True, False}


@given(st.sampled_from(["a|b", "a.*", "[ab]+-?x", "(a|b)*", "a{1,3}", "^a", "b$", "", "x?"]), NAMES)
def test_a_plain_pattern_means_what_it_means_in_python(text, name):
    found = compile_pattern(text)
    assert found.matches_all(name) is (re.fullmatch(text, name) is not None)
    assert found.matches_part(name) is (re.search(text, name) is not None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("(a", "missing"),
        ("(?<=a)b", "invalid perl operator"),
        (r"(a)\1", "invalid escape"),
        ("a{2000}", "repetition size"),
        ("(?:a{1000}){1000}", "repetition size"),
        (r"(\pL{100}){9}" * 10, "too large"),
        ("a" * (MAX_PATTERN_LENGTH + 1), f"the limit is {MAX_PATTERN_LENGTH}"),
        ("a\ud800", "aren't valid Unicode"),
    ],
)
def test_a_refused_pattern_says_why(text, why):
    with pytest.raises(BadPattern, match=why):
        compile_pattern(text)


def test_an_unsearchable_text_matches_nothing():
    found = compile_pattern(".*")
    assert not found.matches_all("a\ud800")
    assert not found.matches_part("a" * (MAX_TEXT_LENGTH + 1))
    assert found.matches_all("ä😀")
