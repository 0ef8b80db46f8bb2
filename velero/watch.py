"""One line of a watch, read without trust."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from velero.fields import Json, section, text


class Type(StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Line:
    type: Type
    object: Json

    @property
    def resource_version(self) -> str:
        return text(section(self.object, "metadata"), "resourceVersion")


def read_line(raw: bytes) -> Line | None:
    """None for what is no event: an error page, a half line, an unknown type."""
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    type_, source = parsed.get("type"), parsed.get("object")
    if not isinstance(type_, str) or type_ not in Type.__members__ or not isinstance(source, dict):
        return None
    return Line(Type(type_), source)
