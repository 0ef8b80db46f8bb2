"""Text from a cluster is not ours: Slack's signs escaped, mentions made harmless, control and bidi signs shown as such."""

from __future__ import annotations

import re
import unicodedata

_BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}
_ZERO = {0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF}


def escape(text: str) -> str:
    """For mrkdwn: `& < >` as entities, so that no mention, channel or link can be made of it."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> str:
    """Control and direction signs as their code; new lines and tabs stay."""
    return "".join(_shown(char) for char in text)


def _shown(char: str) -> str:
    code = ord(char)
    if char in "\n\t":
        return char
    if code in _BIDI or code in _ZERO or unicodedata.category(char) in {"Cc", "Cs", "Co", "Cn"}:
        return f"\\u{code:04x}"
    return char


def untrusted(text: str) -> str:
    """Escaped, and without signs that would format it: what a cluster says looks like what it is."""
    return re.sub(r"([*_~`])", "\u200b\\1", escape(text))


def code(text: str) -> str:
    """Inside a code block: a fence in it would end the block."""
    return escape(text).replace("```", "`\u200b``")
