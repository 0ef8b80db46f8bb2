"""Checks the blocks of a message or a view with Slack's errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.slack.blockkit.blocks import BLOCKS, NOT_IN
from sandbox.slack.blockkit.elements import ID, plain
from sandbox.slack.blockkit.shapes import Problem, anything, boolean, shape, string, typed

MOST_BLOCKS = {"message": 50, "modal": 100, "home": 100}
LARGEST_VIEW = 250_000
MARKDOWN_TOTAL = 12_000


def check_blocks(blocks: Any, surface: str = "message", at: str = "/blocks") -> Iterator[Problem]:
    if not isinstance(blocks, list):
        yield Problem("invalid_type", "must provide an array", at)
        return
    if len(blocks) > MOST_BLOCKS[surface]:
        yield Problem("too_many", f"no more than {MOST_BLOCKS[surface]} items allowed", at)
    for index, block in enumerate(blocks):
        yield from _check_block(block, surface, f"{at}/{index}")
    yield from _check_together(blocks, at)


def _check_block(block: Any, surface: str, at: str) -> Iterator[Problem]:
    kind = block.get("type") if isinstance(block, dict) else None
    if isinstance(kind, str) and kind in NOT_IN[surface]:
        yield Problem("unsupported_type", f"block type {kind} is not supported in a {surface}", f"{at}/type")
        return
    yield from typed(BLOCKS)(block, at)
    element = block.get("element") if isinstance(block, dict) else None
    if surface == "message" and isinstance(element, dict) and element.get("type") in {"file_input", "rich_text_input"}:
        yield Problem("unsupported_type", f"unsupported type: {element['type']}", f"{at}/element/type")


def _check_together(blocks: list[Any], at: str) -> Iterator[Problem]:
    """Return errors across blocks: duplicate ids, two tables, too much markdown."""
    whole = [block for block in blocks if isinstance(block, dict)]
    yield from _repeated([block.get("block_id") for block in whole], "block_id", at)
    for index, block in enumerate(blocks):
        if isinstance(block, dict):
            yield from _repeated(_action_ids(block), "action_id", f"{at}/{index}")
    if sum(len(str(b.get("text", ""))) for b in whole if b.get("type") == "markdown") > MARKDOWN_TOTAL:
        yield Problem("too_long", f"markdown blocks must be less than {MARKDOWN_TOTAL + 1} characters in all", at)


def _action_ids(block: dict[str, Any]) -> list[Any]:
    elements = block.get("elements") if block.get("type") == "actions" else None
    return [e.get("action_id") for e in elements if isinstance(e, dict)] if isinstance(elements, list) else []


def _repeated(ids: list[Any], name: str, at: str) -> Iterator[Problem]:
    given = [one for one in ids if isinstance(one, str)]
    for one in sorted({one for one in given if given.count(one) > 1}):
        yield Problem("duplicate_id", f'{name} "{one}" already exists', at)


def tables(blocks: Any) -> int:
    return sum(isinstance(block, dict) and block.get("type") == "table" for block in blocks or ())


VIEW = typed(
    {
        "modal": shape(
            {"title": plain(24), "blocks": anything},
            {
                "submit": plain(24),
                "close": plain(24),
                "private_metadata": string(3000, 0),
                "callback_id": string(255, 0),
                "external_id": string(255, 0),
                "clear_on_close": boolean,
                "notify_on_close": boolean,
                "submit_disabled": boolean,
            },
        ),
        "home": shape(
            {"blocks": anything},
            {"private_metadata": string(3000, 0), "callback_id": string(255, 0), "external_id": ID},
        ),
    }
)


def check_view(view: Any, at: str = "") -> Iterator[Problem]:
    yield from VIEW(view, at)
    if not isinstance(view, dict) or view.get("type") not in {"modal", "home"}:
        return
    yield from check_blocks(view.get("blocks"), view["type"], f"{at}/blocks")
    blocks = view.get("blocks")
    inputs = isinstance(blocks, list) and any(isinstance(b, dict) and b.get("type") == "input" for b in blocks)
    if view["type"] == "modal" and inputs and not view.get("submit"):
        yield Problem("missing_field", "missing required field: submit", at)
