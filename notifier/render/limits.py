"""Blocks within Slack's limits. Whatever is too long is cut, and the cut is marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.answer import Button
from domain.counting import counted

Block = dict[str, Any]

BLOCKS = 50
SECTION = 3000
HEADER = 150
FIELD = 2000
FIELDS = 10
CONTEXT = 10
BUTTON = 75
VALUE = 2000
ACTIONS = 25
TEXT = 3900
CONFIRM_TITLE = 100
CONFIRM_TEXT = 300
CONFIRM_BUTTON = 30
MORE = "…"


def cut(text: str, length: int) -> str:
    """At most `length` characters, never ending inside an entity such as `&amp;`."""
    if len(text) <= length:
        return text
    short = text[: length - len(MORE)]
    entity = short.rfind("&", max(0, len(short) - 5))
    if entity >= 0 and ";" not in short[entity:]:
        short = short[:entity]
    return short + MORE


def header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": cut(text, HEADER) or " ", "emoji": True}}


def section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, SECTION) or " "}}


def fields(rows: tuple[tuple[str, str], ...]) -> list[Block]:
    """Label above value; a block holds ten of them."""
    cells = [{"type": "mrkdwn", "text": cut(f"*{label}*\n{value}", FIELD)} for label, value in rows]
    return [{"type": "section", "fields": cells[start : start + FIELDS]} for start in range(0, len(cells), FIELDS)]


def context(*texts: str) -> Block:
    elements = [{"type": "mrkdwn", "text": cut(text, FIELD)} for text in texts[:CONTEXT] if text]
    return {"type": "context", "elements": elements or [{"type": "mrkdwn", "text": " "}]}


def code_sections(text: str, most: int = 4) -> tuple[list[Block], bool]:
    """A code block in up to `most` sections, and whether something was left out."""
    room = SECTION - 10
    pieces: list[str] = []
    piece = ""
    for line in text.split("\n"):
        short = cut(line, room)
        if piece and len(piece) + len(short) + 1 > room:
            pieces.append(piece)
            piece = short
        else:
            piece = f"{piece}\n{short}" if piece else short
    pieces.append(piece)
    return [section(f"```{each}```") for each in pieces[:most]], len(pieces) > most


def bullets(texts: Sequence[str], most: int, room: int) -> list[Block]:
    """The first `most` texts, each cut to `room`, and how many more there are."""
    lines = [f"• {cut(text, room)}" for text in texts[:most]]
    lines += [f"{MORE} and {len(texts) - most} more"] if len(texts) > most else []
    pieces: list[str] = []
    for line in lines:
        if pieces and len(pieces[-1]) + len(line) + 1 <= SECTION:
            pieces[-1] += f"\n{line}"
        else:
            pieces.append(line)
    return [section(each) for each in pieces]


def button(text: str, action: str, value: str, style: str = "") -> Block:
    block: Block = {
        "type": "button",
        "text": {"type": "plain_text", "text": cut(text, BUTTON), "emoji": True},
        "action_id": action[:255],
        "value": value[:VALUE],
    }
    return {**block, "style": style} if style in {"primary", "danger"} else block


def confirm_dialog(button: Button) -> Block:
    """Repeats the button's verb: "Yes" and "No" are ambiguous next to a button such as "Cancel"."""
    dialog: Block = {
        "title": {"type": "plain_text", "text": cut(button.text, CONFIRM_TITLE)},
        "text": {"type": "plain_text", "text": cut(button.confirm, CONFIRM_TEXT)},
        "confirm": {"type": "plain_text", "text": cut(button.text, CONFIRM_BUTTON)},
        "deny": {"type": "plain_text", "text": cut(button.dismiss, CONFIRM_BUTTON)},
    }
    return {**dialog, "style": "danger"} if button.style == "danger" else dialog


def actions(buttons: list[Block]) -> list[Block]:
    return [{"type": "actions", "elements": buttons[:ACTIONS]}] if buttons else []


def bounded(blocks: list[Block]) -> list[Block]:
    if len(blocks) <= BLOCKS:
        return blocks
    rest = counted(len(blocks) - BLOCKS + 1, "more section")
    return [*blocks[: BLOCKS - 1], context(f"{MORE} and {rest}")]
