"""Text from clusters, people and pipelines is untrusted: it is escaped so that it can't mention, link or format anything.

Control characters, bidirectional marks and invisible characters are shown as their code points.
"""

from __future__ import annotations

import re
import unicodedata

_BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}
_CODE_SPAN = re.compile(r"(?<![\w`])(`[^`\n]+`)(?![\w`])")
_ZERO = {0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF}
_BEYOND_ASCII = re.compile(r"[^\t\n -~]+")
_FORMATTING = re.compile(r"([*_~`])")


def escape(text: str) -> str:
    """For mrkdwn: `& < >` become entities, so the text can't contain a mention, a channel or a link."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> str:
    """Control, direction and invisible characters as code points; line breaks and tabs stay."""
    return _BEYOND_ASCII.sub(_shown_run, text)


def _shown_run(found: re.Match[str]) -> str:
    run = found[0]
    return run if run.isprintable() else "".join(map(_shown, run))


def _shown(char: str) -> str:
    code = ord(char)
    if code in _BIDI or code in _ZERO or unicodedata.category(char) in {"Cc", "Cs", "Co", "Cn"}:
        return f"\\u{code:04x}"
    return char


def untrusted(text: str) -> str:
    """Escaped, and with a zero-width space before each character that would format the text."""
    return _FORMATTING.sub("\u200b\\1", escape(text))


def sentence(text: str) -> str:
    """A sentence of the bot: names in backticks are shown as code. Nothing else formats, so no value in it can either."""
    pieces = _CODE_SPAN.split(text)
    return "".join(escape(piece) if at % 2 else untrusted(piece) for at, piece in enumerate(pieces))


def code(text: str) -> str:
    """For the inside of a code block: a fence in the text would end the block."""
    return escape(text).replace("```", "`\u200b``")


def inline_code(text: str) -> str:
    """The text in backticks; a backtick in it would end the code and becomes an apostrophe."""
    return "`" + escape(text).replace("`", "'").replace("\n", " ") + "`"
