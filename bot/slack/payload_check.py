"""Checks that a signed body has the types that Slack sends, so that later code can rely on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from velero.documents import MESSAGE_BOUNDS, read_json

JSON_CONTENT_TYPE = "application/json"

_OBJECT_FIELDS = ("event", "user", "team", "channel", "container", "message", "view", "state")
_TEXT_FIELDS = ("type", "trigger_id", "response_url", "event_id", "ts", "thread_ts", "callback_id", "action_id")
_OBJECT_OR_ID_FIELDS = frozenset({"user", "team", "channel", "message"})
"""Fields that are an id in some payloads and an object in others."""
_LIST_FIELDS = ("actions", "authorizations")


def is_event(content_type: str) -> bool:
    """Return whether it is an event: only events come as JSON, and only they are sent again if they are refused."""
    return content_type == JSON_CONTENT_TYPE


def is_valid_payload(content_type: str, body: bytes) -> bool:
    """Return whether the body is UTF-8 and its JSON, if any, is an object whose known fields have the right types."""
    try:
        text = body.decode("utf-8")
        if is_event(content_type):
            return _is_valid_object(read_json(text, MESSAGE_BOUNDS))
        payload = parse_qs(text, errors="strict").get("payload")
        return payload is None or _is_valid_object(read_json(payload[0], MESSAGE_BOUNDS))
    except ValueError:
        return False


def _is_valid_object(value: Any, depth: int = 0) -> bool:
    return isinstance(value, Mapping) and all(_is_valid_field(name, part, depth) for name, part in value.items())


def _is_valid_field(name: str, part: Any, depth: int) -> bool:
    if part is None:
        return True
    if name in _LIST_FIELDS:
        return isinstance(part, list) and all(isinstance(each, Mapping) for each in part)
    if name in _OBJECT_OR_ID_FIELDS and isinstance(part, str):
        return True
    if name in _OBJECT_FIELDS:
        return isinstance(part, Mapping) and (depth > 2 or _is_valid_object(part, depth + 1))
    return name not in _TEXT_FIELDS or isinstance(part, str)
