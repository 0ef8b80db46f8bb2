"""`docs/messages.md`: every message as it looks in Slack, drawn from the golden messages of the tests.

A golden message holds Slack's blocks as JSON. Here they become text: buttons in brackets, small print in angle quotes.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from domain.json_types import Json

GOLDEN = Path("tests/golden")
SURFACES = {
    "status-messages": ("Status messages", "One message per operation; it is edited while the operation runs."),
    "approval-requests": ("Approval requests", "Sent to the approvers' channel and edited with every vote."),
    "notifications": ("Notifications", "Sent once for an event, by the routes and subscriptions."),
    "answers": ("Answers to commands", "Visible only to the person who ran the command."),
    "forms": ("Forms", "Opened by a shortcut or a button."),
}
FIELD_WIDTH = 34
_DATE = re.compile(r"<!date\^[^|>]*\|([^>]*)>")
_LINK = re.compile(r"<(https?://[^|>]*)\|([^>]*)>")
_MENTION = re.compile(r"<(?:@|!subteam\^|!)([A-Za-z0-9]+)>")


def messages() -> str:
    lines = [
        "# Messages",
        "",
        "Generated from the golden messages in `tests/golden`. `[…]` are buttons, `‹…›` is small print, and the first",
        "line is the text that Slack shows in a notification on a phone. Times appear in each reader's time zone.",
        "",
    ]
    for folder, (title, description) in SURFACES.items():
        lines += [f"## {title}", "", description, ""]
        for path in sorted((GOLDEN / folder).glob("*.json")):
            lines += [
                f"### {path.stem}",
                "",
                "```text",
                *_message_lines(json.loads(path.read_text("utf-8"))),
                "```",
                "",
            ]
    return "\n".join(lines)


def _message_lines(message: Json) -> Iterator[str]:
    if text := message.get("text"):
        yield f"notification: {_plain(text)}"
        yield ""
    if title := message.get("title"):
        yield f"── {title['text']} ──"
    for block in message.get("blocks") or []:
        yield from _block_lines(block)
    if submit := message.get("submit"):
        yield f"[{message['close']['text']}] [{submit['text']}]"
    for file in message.get("files") or []:
        yield f"📎 {file['filename']}"


def _block_lines(block: Json) -> Iterable[str]:
    match block["type"]:
        case "section":
            shown = _plain(block["text"]["text"]).split("\n") if "text" in block else []
            return [*shown, *_field_lines([_plain(each["text"]) for each in block.get("fields") or []])]
        case "context":
            return [f"‹{' · '.join(_plain(each['text']) for each in block['elements'])}›"]
        case "actions":
            return [" ".join(f"[{_label(each)}]" for each in block["elements"])]
        case "input":
            return [_input_line(block)]
        case "header":
            return [block["text"]["text"]]
    return []


def _label(element: Json) -> str:
    return str((element.get("text") or element.get("placeholder") or {}).get("text", ""))


def _field_lines(fields: Sequence[str]) -> Iterator[str]:
    """Two labels with their values on a line."""
    cells = [": ".join(field.replace("*", "", 2).split("\n", 1)) for field in fields]
    for at in range(0, len(cells), 2):
        yield "   ".join(cell.ljust(FIELD_WIDTH) for cell in cells[at : at + 2]).rstrip()


def _input_line(block: Json) -> str:
    element = block["element"]
    options = [option["text"]["text"] for option in element.get("options") or []]
    value = element.get("initial_value") or " | ".join(options)
    hint = (block.get("hint") or {}).get("text", "")
    note = f" ‹{hint}›" if hint else ""
    return f"{block['label']['text']}{'' if block.get('optional') else ' *'}: [{value or ' ' * 12}]{note}"


def _plain(text: Any) -> str:
    """Mrkdwn as a reader sees it; bold and code keep their marks."""
    shown = _MENTION.sub(r"@\1", _LINK.sub(r"\2", _DATE.sub(r"\1", str(text))))
    return html.unescape(shown).replace("\u200b", "").replace("```", "")
