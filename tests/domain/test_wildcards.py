"""Shell wildcards in bounded time."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.wildcards import MAX_PATTERN_LENGTH, matches_wildcard

PARTS = ["a", "b", "-", "*", "?", "[ab]", "[!a]", "[a-c]", "[!a-b-]", "[]]", "[!]]", "[a", "]", "**", "[]a-c]"]


@given(st.lists(st.sampled_from(PARTS), max_size=6).map("".join), st.text("abc-]![", max_size=6))
def test_it_says_what_fnmatch_says(pattern, name):
    assert matches_wildcard(pattern, name) is fnmatchcase(name, pattern)


class Counted(str):
    """A name that counts how often it is looked at."""

    __slots__ = ("looks",)

    def __new__(cls, text):
        made = super().__new__(cls, text)
        made.looks = 0
        return made

    def __getitem__(self, at):
        self.looks += 1
        return super().__getitem__(at)


@pytest.mark.parametrize("pattern", ["*a" * 30 + "b", "*?" * 30 + "b", "*[a-z]*a" * 15 + "!", "*" * 500 + "b"])
def test_many_stars_cost_no_more_than_pattern_times_name(pattern):
    name = Counted("a" * 200)
    assert not matches_wildcard(pattern, name)
    assert name.looks <= len(pattern) * len(name)


def test_a_pattern_of_any_length_is_answered():
    assert not matches_wildcard("a" * (MAX_PATTERN_LENGTH + 1), "a" * (MAX_PATTERN_LENGTH + 1))
