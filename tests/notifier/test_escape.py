"""Sentences of the bot keep their code spans; values in them and untrusted text format nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.render.escape import sentence, untrusted

GAP = "\u200b"


@pytest.mark.parametrize(
    "text",
    [
        "Namespace `shop` doesn't exist in prod.",
        "`backup get`: lists backups (`-o wide` shows more).",
        "`nightly_1`'s next run is at 02:00.",
        "Use `*_~` or `a b`, `c`.",
    ],
)
def test_a_sentence_keeps_its_code(text):
    assert sentence(text) == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("<!channel>", "`&lt;!channel&gt;`"),
        ("a`b", f"{GAP}`a{GAP}`b{GAP}`"),
        ("x` *bold* `y", f"`x` {GAP}*bold{GAP}* `y`"),
        ("```", GAP + f"`{GAP}" * 4 + "`"),
        ("a\nb", f"{GAP}`a\nb{GAP}`"),
        ("a\u200b\u202eb", "`a\\u200b\\u202eb`"),
    ],
)
def test_a_value_in_a_sentence_formats_nothing(value, shown):
    assert sentence(f"`{value}` is wrong.") == f"{shown} is wrong."


def test_a_value_without_code_formats_nothing():
    assert sentence("*now* _or_ ~never~ & <@U1>") == (
        f"{GAP}*now{GAP}* {GAP}_or{GAP}_ {GAP}~never{GAP}~ &amp; &lt;@U1&gt;"
    )


@given(st.text("`*_~<>&a b\n", max_size=20))
def test_nothing_but_code_ever_formats(text):
    for shown in (sentence(text), sentence(f"`{text}`"), untrusted(text)):
        outside = re.sub(r"(?<![\w`\u200b])`[^`\n]+`(?![\w`])", "", shown)
        assert not re.search(r"(?<!\u200b)[*_~`]", outside)
        assert not re.search(r"[<>]", shown)
