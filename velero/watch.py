"""Parses one line of a watch without trusting it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from msgspec import Raw, Struct
from msgspec.json import Decoder, decode

from domain.json_types import Json
from velero.documents import MANIFEST_BOUNDS, check_json
from velero.fields import section, text

V = TypeVar("V")


class EventType(StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[V]):
    """`value` is the changed object, `status` that of an ERROR event."""

    type: EventType
    resource_version: str
    value: V | None = None
    status: Json = field(default_factory=dict)


class _Event(Struct, frozen=True):
    type: EventType
    object: Raw


_EVENT_DECODER = Decoder(_Event)


def read_event(raw: bytes, read: Callable[[Raw], V | None]) -> WatchEvent[V] | None:
    """Parse a line; None if it isn't an event: an error page, an incomplete line, an unknown type."""
    try:
        event = _EVENT_DECODER.decode(raw)
        check_json(bytes(event.object), MANIFEST_BOUNDS)
        source = decode(event.object)
        if not isinstance(source, dict):
            return None
        resource_version = text(section(source, "metadata"), "resourceVersion")
        if event.type is EventType.ERROR:
            return WatchEvent(event.type, resource_version, status=source)
        return WatchEvent(
            event.type, resource_version, None if event.type is EventType.BOOKMARK else read(event.object)
        )
    except (ValueError, RecursionError):
        return None
