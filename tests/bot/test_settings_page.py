"""docs/settings.md tells of every setting what it means and how it is written in TOML."""

import re

import pytest

from bot.terminal import generated_pages

ROWS = [line.split(" | ") for line in generated_pages.settings().splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_each_setting_has_a_type_and_a_meaning(row):
    name, kind, *_, meaning = row
    assert meaning.rstrip(" |"), name
    assert not re.search(r"\b(str|bool|int|float|dict|tuple|Path|NoneType|typing)\b", kind), kind


def test_tables_are_named_as_toml_has_them():
    heads = [line.removeprefix("## ") for line in generated_pages.settings().splitlines() if line.startswith("## [")]
    assert "[routes.match]" in heads
    assert all(re.fullmatch(r"\[[a-z_.]+\]|\[\[[a-z_.]+\]\]", head) for head in heads), heads
