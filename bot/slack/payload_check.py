"""Is a signed body what Slack sends? Pure: what is not goes no further, so that nobody behind has to expect the absurd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from velero.documents import MESSAGE_BOUNDS, read_json

JSON = "application/json"

_MAPPINGS = ("event", "user", "team", "channel", "container", "message", "view", "state")
_TEXTS = ("type", "trigger_id", "response_url", "event_id", "ts", "thread_ts", "callback_id", "action_id")
_EITHER = frozenset({"user", "team", "channel", "message"})
"""An id in some payloads, an object in others."""
_LISTS = ("actions", "authorizations")


def is_event(content_type: str) -> bool:
    """Events alone come as JSON, and alone are sent again when they are not taken."""
    return content_type == JSON


def is_valid_payload(content_type: str, body: bytes) -> bool:
    """UTF-8, and where JSON is due an object whose known parts have their types."""
    try:
        text = body.decode("utf-8")
        if is_event(content_type):
            return _fits(read_json(text, MESSAGE_BOUNDS))
        payload = parse_qs(text, errors="strict").get("payload")
        return payload is None or _fits(read_json(payload[0], MESSAGE_BOUNDS))
    except ValueError:
        return False


def _fits(value: Any, depth: int = 0) -> bool:
    return isinstance(value, Mapping) and all(_fit(name, part, depth) for name, part in value.items())


def _fit(name: str, part: Any, depth: int) -> bool:
    if part is None:
        return True
    if name in _LISTS:
        return isinstance(part, list) and all(isinstance(each, Mapping) for each in part)
    if name in _EITHER and isinstance(part, str):
        return True
    if name in _MAPPINGS:
        return isinstance(part, Mapping) and (depth > 2 or _fits(part, depth + 1))
    return name not in _TEXTS or isinstance(part, str)
