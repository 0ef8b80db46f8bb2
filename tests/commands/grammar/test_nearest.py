"""Suggestions count wrong, missing, extra and swapped letters, up to what a typing error explains."""

import pytest

from commands.grammar.nearest import meant, nearest, slips


@pytest.mark.parametrize(
    ("word", "name", "count"),
    [
        ("backup", "backup", 0),
        ("bakcup", "backup", 1),
        ("backpu", "backup", 1),
        ("bcakpu", "backup", 2),
        ("bxxkup", "backup", 2),
        ("bxxyup", "backup", None),
        ("logs", "plug", None),
        ("--Name_space", "namespace", 1),
        ("ab", "abc", None),
        ("include-namespaec", "include-namespaces", 2),
    ],
)
def test_slips(word, name, count):
    assert slips(word, name) == count


def test_a_suggestion_is_one_word_or_none():
    assert meant("restroe", ["restore", "schedule"]) == "restore"
    assert meant("cat", ["bat", "hat"]) == ""
    assert nearest("sched", ["restore", "schedule"]) == ("schedule",)
