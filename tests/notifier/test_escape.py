"""Untrusted text in messages: what can't be seen is shown as its code point, everything else stays as it is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.render.escape import escape, plain, untrusted

INVISIBLE = ["\x00", "\x1b", "\x7f", "\r", "\u202e", "\u2066", "\u200e", "\u061c", "\u200b", "\ufeff", "\ue000", "\ud800"]  # fmt: skip


@pytest.mark.parametrize("char", INVISIBLE)
def test_what_can_t_be_seen_is_shown_as_its_code_point(char: str) -> None:
    assert plain(f"é{char}ü{char}") == f"é\\u{ord(char):04x}ü\\u{ord(char):04x}"


@given(st.text(max_size=30))
def test_each_character_is_shown_alike_alone_and_among_others(text: str) -> None:
    assert plain(text) == "".join(map(plain, text))


@given(st.characters(categories=["L", "M", "N", "P", "S", "Zs"]))
def test_what_can_be_read_stays(char: str) -> None:
    assert plain(char) == char, unicodedata.name(char, "")


def test_the_signs_of_slack_are_entities_and_formatting_is_broken() -> None:
    assert escape("<!here> & <@U1>\n\t") == "&lt;!here&gt; &amp; &lt;@U1&gt;\n\t"
    assert untrusted("*a_ ~b` é") == "\u200b*a\u200b_ \u200b~b\u200b` é"
