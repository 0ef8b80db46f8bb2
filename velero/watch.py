"""One line of a watch, read without trust."""

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
    """`value` of an object that changed, `status` of an error."""

    type: EventType
    resource_version: str
    value: V | None = None
    status: Json = field(default_factory=dict)


class _Event(Struct, frozen=True):
    type: EventType
    object: Raw


_EVENT = Decoder(_Event)


def read_event(raw: bytes, read: Callable[[Raw], V | None]) -> WatchEvent[V] | None:
    """None for what is no event: an error page, a half line, an unknown type."""
    try:
        event = _EVENT.decode(raw)
        check_json(bytes(event.object), MANIFEST_BOUNDS)
        source = decode(event.object)
        if not isinstance(source, dict):
            return None
        place = text(section(source, "metadata"), "resourceVersion")
        if event.type is EventType.ERROR:
            return WatchEvent(event.type, place, status=source)
        return WatchEvent(event.type, place, None if event.type is EventType.BOOKMARK else read(event.object))
    except (ValueError, RecursionError):
        return None
