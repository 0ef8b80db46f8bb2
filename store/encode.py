"""JSON encoding for database columns."""

from __future__ import annotations

import json
from typing import Any


def to_json(value: Any) -> str:
    """Return compact JSON with sorted keys. A lone surrogate (Slack can send one) is kept as its escape: SQLite needs UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    if _is_utf8(text):
        return text
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def from_json(text: str) -> Any:
    return json.loads(text)


def storable(text: str) -> str:
    return text if _is_utf8(text) else text.encode("utf-8", "replace").decode()


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
