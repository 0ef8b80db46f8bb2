"""What Slack, phones and shells do to a line is undone: words come back as they were meant."""

from __future__ import annotations

import shlex
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from commands.grammar.parser import parse
from commands.grammar.tokenizer import MAX_LINE, quote, tokenize, tokenize_any
from domain.errors import UsageError
from sandbox.slack.emulator import SlackEmulator
from sandbox.slack.mangle import as_a_phone_types, as_slack_sends
from sandbox.slack.workspace import Workspace

PRINTABLE = st.text(alphabet=string.printable, max_size=20)
PIECES = st.sampled_from(
    [
        "shop.io",
        "https://minio.example.org:9000/x?a=1&b=2",
        "ada@example.org",
        "@ada",
        "#ops",
        "<",
        ">",
        "&",
        "&amp;",
        "&lt;",
        "<@U1>",
        "<!here>",
        "<http://a.io|b>",
        "|",
        "--ttl",
        "=",
        "'",
        '"',
        "\\",
        " ",
    ]
)
ARGUMENT = st.one_of(PRINTABLE, st.lists(PIECES, max_size=5).map("".join))
VECTOR = st.lists(ARGUMENT, max_size=6)


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    slack = SlackEmulator(
        signing_secret="s", bot_token="xoxb-1", app_token="xapp-1", team_id="T000000001", app_id="A000000001"
    )
    return slack.workspace


def texts(line: str) -> list[str]:
    return [word.text for word in tokenize(line)]


@settings(max_examples=300, deadline=None)
@given(VECTOR)
@example(["&lt;"])
@example(["<@U1>"])
@example(["<http://a.io|b>"])
@example(["a=https://x.io/?a=1&amp;b"])
def test_what_slack_delivers_is_what_was_typed(workspace: Workspace, vector: list[str]) -> None:
    typed = shlex.join(vector)
    assert texts(as_slack_sends(typed, workspace, names=True)) == vector


@settings(max_examples=300, deadline=None)
@given(VECTOR)
def test_our_own_quoting_is_read_back(vector: list[str]) -> None:
    assert texts(" ".join(map(quote, vector))) == vector


PLAIN = st.text(alphabet=string.ascii_letters + string.digits + "=,.:/*-_", min_size=1, max_size=12)
SPOKEN = st.lists(PLAIN.filter(lambda word: "--" not in word), min_size=1, max_size=5)


@settings(max_examples=300, deadline=None)
@given(SPOKEN, st.sampled_from(["", "--ttl", "--include-namespaces=a,b"]))
def test_a_phone_s_dashes_and_quotes_are_undone(workspace: Workspace, vector: list[str], flag: str) -> None:
    meant = [*vector, *([flag] if flag else []), "two words"]
    typed = " ".join([*map(quote, vector), flag, '"two words"'])
    assert texts(as_slack_sends(as_a_phone_types(typed), workspace, names=True)) == meant


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("backup create x —ttl 30d", ["backup", "create", "x", "--ttl", "30d"]),
        ("backup create x –ttl 30d", ["backup", "create", "x", "--ttl", "30d"]),
        ("a–b", ["a-b"]),
        ("-l “app=web”", ["-l", "app=web"]),
        ("-l ‘app in (a, b)’", ["-l", "app in (a, b)"]),
        ("a\u00a0b\u200bc", ["a", "bc"]),
        ("--x=<https://a.io|a.io>", ["--x=a.io"]),
        ("<mailto:ada@x.org|ada@x.org>", ["ada@x.org"]),
        ("<@U1|ada> <#C1|ops> <!here>", ["@ada", "#ops", "@here"]),
        ("--x ''", ["--x", ""]),
        ("a\\ b 'c d'\"e\"", ["a b", "c de"]),
    ],
)
def test_by_example(line: str, found: list[str]) -> None:
    assert texts(line) == found


FREE = "Before “the” upgrade — at last… it’s <on> & running"


def test_free_text_keeps_its_signs(workspace: Workspace) -> None:
    sent = as_slack_sends(f"backup create x --reason '{FREE.replace(chr(39), '')}'", workspace, names=True)
    assert parse(sent).text("reason") == FREE


@pytest.mark.parametrize("line", ["--reason 'it is", '"', "backup create “x", "x" * 8001])
def test_lines_that_cannot_be_read(line: str) -> None:
    with pytest.raises(UsageError):
        tokenize(line)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(st.characters(max_codepoint=127), max_size=60), st.lists(PIECES, max_size=6).map("".join)))
@example("\x1c\x1d a\x85b \x00")
def test_the_short_way_and_the_careful_one_read_the_same(line: str) -> None:
    try:
        found = tokenize_any(line)
    except UsageError:
        with pytest.raises(UsageError):
            tokenize(line)
        return
    assert tokenize(line) == found


def test_a_line_of_the_greatest_length_is_read() -> None:
    assert [len(word.text) for word in tokenize("x" * MAX_LINE)] == [MAX_LINE]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_gives_words_inside_the_line_or_a_usage_error(line: str) -> None:
    try:
        found = tokenize(line)
    except UsageError:
        return
    assert all(0 <= word.span[0] < word.span[1] <= len(line) for word in found)
