"""The text that a person reads in blocks, and the controls that they can use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from domain.json_types import Json

PRESSABLE = frozenset(
    {
        "button", "overflow", "static_select", "external_select", "users_select", "conversations_select",
        "channels_select", "multi_static_select", "multi_external_select", "multi_users_select", "checkboxes",
        "radio_buttons", "datepicker", "timepicker", "datetimepicker",
    }
)  # fmt: skip
READABLE = ("text", "title", "label", "hint", "description", "fields", "elements", "accessory", "rows", "element")


class Readable(Protocol):
    """Yield a message's texts: fallback text, blocks and attachments."""

    @property
    def text(self) -> str: ...
    @property
    def blocks(self) -> object: ...
    @property
    def attachments(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Control:
    """An interactive element, with the block that contains it."""

    block: Json
    element: Json

    @property
    def label(self) -> str:
        text = self.element.get("text") or self.element.get("placeholder") or {}
        return str(text.get("text", "")) if isinstance(text, dict) else str(text)

    @property
    def action_id(self) -> str:
        return str(self.element.get("action_id", ""))

    def answers_to(self, name: str) -> bool:
        return name in {self.label, self.action_id} or name == self.element.get("value") or self.offers(name)

    def offers(self, name: str) -> bool:
        """Return whether an entry of an overflow menu has this text or value."""
        entries = self.element["options"] if self.element["type"] == "overflow" else []
        return any(name in {entry["text"]["text"], entry["value"]} for entry in entries)


def words(thing: object) -> Iterator[str]:
    """Yield every text of a block, block list or message, from top to bottom."""
    if isinstance(thing, str):
        yield thing
    elif isinstance(thing, dict):
        for key in READABLE:
            yield from words(thing.get(key) or ())
    elif isinstance(thing, list | tuple):
        for part in thing:
            yield from words(part)


def reading(message: Readable) -> str:
    """Return all texts of a message: fallback text, blocks and attachments."""
    return "\n".join([message.text, *words(message.blocks), *words(message.attachments)])


def controls(blocks: object) -> Iterator[Control]:
    for block in blocks if isinstance(blocks, list | tuple) else ():
        candidates = [block.get("accessory"), block.get("element"), *(block.get("elements") or ())]
        for element in candidates:
            if isinstance(element, dict) and (element.get("type") in PRESSABLE or block.get("type") == "input"):
                yield Control(block, element)
