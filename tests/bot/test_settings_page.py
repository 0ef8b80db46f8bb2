"""docs/settings.md describes every setting: type in TOML's terms, default, example and meaning."""

import re

import pytest

from bot.configuration.settings_file import parse
from bot.terminal import generated_pages

PAGE = generated_pages.settings()
SECTIONS = [
    (section.partition("\n")[0], [line.split(" | ") for line in section.splitlines() if line.startswith("| `")])
    for section in PAGE.split("\n## ")[1:]
]
ROWS = [(heading, row) for heading, rows in SECTIONS for row in rows]
COMPANIONS = {
    "[[clusters]]": {"name": '"prod"'},
    "[[channels]]": {"id": '"C1"'},
    "[[routes]]": {"name": '"ledger"', "kind": '"webhook"', "url": '"https://ledger.example.com"'},
    "[[senders]]": {"name": '"ci"'},
    "[[applications]]": {"name": '"shop"'},
}
"""What a table needs beside the setting that is tried."""
ONLY_FOR_SLACK = {"channels", "mention"}


def names(rows=ROWS) -> list[str]:
    return [f"{heading} {row[0].strip('| `')}" for heading, row in rows]


@pytest.mark.parametrize(("heading", "row"), ROWS, ids=names())
def test_each_setting_has_a_type_an_example_and_a_meaning(heading, row):
    name, kind, _, example, meaning = row
    assert meaning.rstrip(" |").endswith("."), name
    assert example, name
    assert not re.search(r"\b(str|bool|int|float|dict|tuple|Path|NoneType|typing)\b", kind), kind


EXAMPLES = [(heading, row) for heading, row in ROWS if row[3].startswith("`")]


@pytest.mark.parametrize(("heading", "row"), EXAMPLES, ids=names(EXAMPLES))
def test_each_example_is_accepted(heading, row):
    name, value = row[0].strip("| `"), row[3].strip("`")
    values = {**COMPANIONS.get(heading, {}), name: value}
    if heading == "[[routes]]" and name in ONLY_FOR_SLACK:
        values = {"channels": '["C1"]', name: value}
    table = "[[routes]]\nchannels = ['C1']\n[routes.match]" if heading == "[routes.match]" else heading
    clusters = '[[clusters]]\nname = "prod-eu"\n' if name == "cluster" else ""
    body = "\n".join(f"{key} = {each}" for key, each in values.items())
    parse(body if heading == "Top level" else f"{clusters}{table}\n{body}", "s.toml")


def test_only_tables_have_no_example_of_their_own():
    headings = {heading for heading, _ in SECTIONS}
    for heading, row in ROWS:
        if not row[3].startswith("`"):
            assert row[3].removeprefix("see ") in headings, (heading, row[0])


def test_durations_are_written_with_a_unit():
    durations = [row for _, row in ROWS if row[1] == "duration"]
    assert len(durations) > 15
    assert [row for row in durations if not re.fullmatch(r'`"\d+[dhms]"`', row[2])] == []


def test_headings_are_toml():
    headings = [heading for heading, _ in SECTIONS if heading.startswith("[")]
    assert "[routes.match]" in headings
    assert all(re.fullmatch(r"\[[a-z_.]+\]|\[\[[a-z_.]+\]\]", heading) for heading in headings), headings
