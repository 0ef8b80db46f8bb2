"""The blocks: their fields, and the surfaces that allow them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.slack.blockkit.elements import (
    BUTTON,
    ID,
    IMAGE_ELEMENT,
    OVERFLOW,
    PICKERS,
    TYPED,
    any_text,
    plain,
)
from sandbox.slack.blockkit.shapes import (
    Check,
    Problem,
    also,
    anything,
    array,
    at_least_one,
    boolean,
    choice,
    integer,
    shape,
    string,
    typed,
    url,
)

NAMED: Mapping[str, Check] = {"block_id": ID}

STYLE = shape({}, {"bold": boolean, "italic": boolean, "strike": boolean, "code": boolean, "underline": boolean})
INLINE = typed(
    {
        "text": shape({"text": string(12_000)}, {"style": STYLE}),
        "link": shape({"url": url()}, {"text": string(12_000), "unsafe": boolean, "style": STYLE}),
        "emoji": shape({"name": string(100)}, {"unicode": string(100), "style": STYLE, "skin_tone": integer(1, 6)}),
        "user": shape({"user_id": ID}, {"style": STYLE}),
        "usergroup": shape({"usergroup_id": ID}, {"style": STYLE}),
        "channel": shape({"channel_id": ID}, {"style": STYLE}),
        "broadcast": shape({"range": choice("here", "channel", "everyone")}, {"style": STYLE}),
        "date": shape(
            {"timestamp": integer(0, 9_999_999_999), "format": string(500)},
            {"url": url(), "fallback": string(500), "style": STYLE},
        ),
        "color": shape({"value": string(20)}),
    }
)
PARAGRAPH = shape({"elements": array(INLINE, 0, 1000)}, {"border": integer(0, 1), "indent": integer(0, 8)})
BULLETS = shape(
    {"style": choice("bullet", "ordered"), "elements": array(typed({"rich_text_section": PARAGRAPH}), 1, 1000)},
    {"border": integer(0, 1), "indent": integer(0, 8), "offset": integer(0, 10_000)},
)
RICH_PARTS = typed(
    {
        "rich_text_section": PARAGRAPH,
        "rich_text_list": BULLETS,
        "rich_text_preformatted": shape(
            {"elements": array(INLINE, 0, 1000)}, {"border": integer(0, 1), "language": string(50)}
        ),
        "rich_text_quote": PARAGRAPH,
    }
)
RICH_TEXT = shape({"elements": array(RICH_PARTS, 1, 1000)}, NAMED)

CELL = typed(
    {"raw_text": shape({"text": string(12_000)}), "raw_number": shape({"value": anything}), "rich_text": RICH_TEXT}
)
COLUMN = shape({}, {"align": choice("left", "center", "right"), "is_wrapped": boolean})


def _even_rows(table: Any, at: str) -> Iterator[Problem]:
    rows = table.get("rows")
    if isinstance(rows, list) and len({len(row) for row in rows if isinstance(row, list)}) > 1:
        yield Problem("invalid_value", "all rows must have the same number of cells", f"{at}/rows")


TABLE = also(
    shape({"rows": array(array(CELL, 1, 20), 1, 100)}, {**NAMED, "column_settings": array(COLUMN, 0, 20)}), _even_rows
)
SECTION = also(
    shape(
        {},
        {
            **NAMED,
            "text": any_text(3000),
            "fields": array(any_text(2000), 1, 10),
            "accessory": typed({**PICKERS, "button": BUTTON, "overflow": OVERFLOW, "image": IMAGE_ELEMENT}),
            "expand": boolean,
        },
    ),
    at_least_one("text", "fields"),
)
CONTEXT_PARTS = typed(
    {
        "image": IMAGE_ELEMENT,
        "plain_text": shape({"text": string(3000)}, {"emoji": boolean}),
        "mrkdwn": shape({"text": string(3000)}, {"verbatim": boolean}),
    }
)
BLOCKS: Mapping[str, Check] = {
    "section": SECTION,
    "divider": shape({}, NAMED),
    "header": shape({"text": plain(150)}, {**NAMED, "level": integer(1, 4)}),
    "context": shape({"elements": array(CONTEXT_PARTS, 1, 10)}, NAMED),
    "actions": shape({"elements": array(typed({**PICKERS, "button": BUTTON, "overflow": OVERFLOW}), 1, 25)}, NAMED),
    "image": also(
        shape({"alt_text": string(2000)}, {**NAMED, "image_url": url(), "slack_file": anything, "title": plain(2000)}),
        at_least_one("image_url", "slack_file"),
    ),
    "input": shape(
        {"label": plain(2000), "element": typed({**PICKERS, **TYPED})},
        {**NAMED, "hint": plain(2000), "optional": boolean, "dispatch_action": boolean},
    ),
    "markdown": shape({"text": string(12_000)}, NAMED),
    "rich_text": RICH_TEXT,
    "table": TABLE,
    "video": shape(
        {"alt_text": string(2000), "title": plain(200), "thumbnail_url": url(), "video_url": url()},
        {
            **NAMED,
            "author_name": string(50),
            "description": plain(200),
            "provider_name": string(50),
            "title_url": url(),
        },
    ),
    "alert": shape(
        {"text": any_text(200)}, {**NAMED, "level": choice("default", "info", "warning", "error", "success")}
    ),
}
NOT_IN: Mapping[str, frozenset[str]] = {
    "message": frozenset({"alert", "file"}),
    "modal": frozenset({"file", "markdown", "table"}),
    "home": frozenset({"alert", "file", "markdown", "table"}),
}
