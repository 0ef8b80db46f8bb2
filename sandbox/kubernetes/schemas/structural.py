"""Structural schemas in a compact notation, and what the API server does with them: prune, default, validate.

Notation: a dict is an object with those fields, a list of one an array, a tuple of strings an enum, `"{string}"` a map
of strings, `"any"` keeps whatever is there, `"int-or-string"` and the JSON types stand for themselves, and so do the
checked formats `date-time` and `byte`. Suffixes of a field's name: `!` required, `?` nullable, `+` at least one item,
`=` defaults to the empty string.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Shape = str | tuple[str, ...] | list[Any] | Mapping[str, Any]

_FORMATS = {"date-time": "string", "byte": "string", "int64": "integer"}
_SIGNS = "!?+="
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[tT ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[zZ]|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a schema."""

    type: str
    format: str = ""
    enum: tuple[str, ...] = ()
    fields: Mapping[str, "Field"] = field(default_factory=dict)
    items: "Node | None" = None  # of an array, or the values of a map


@dataclass(frozen=True, slots=True)
class Field:
    node: Node
    required: bool = False
    nullable: bool = False
    not_empty: bool = False
    defaulted: bool = False


def parse(shape: Shape) -> Node:
    if isinstance(shape, tuple):
        return Node("string", enum=shape)
    if isinstance(shape, list):
        return Node("array", items=parse(shape[0]))
    if isinstance(shape, str):
        return _parse_word(shape)
    return Node("object", fields={key.rstrip(_SIGNS): _parse_field(key, value) for key, value in shape.items()})


def _parse_word(word: str) -> Node:
    if word.startswith("{"):
        return Node("map", items=parse(word[1:-1]))
    return Node(_FORMATS.get(word, word), format=word if word in _FORMATS else "")


def _parse_field(key: str, shape: Shape) -> Field:
    signs = key[len(key.rstrip(_SIGNS)) :]
    return Field(parse(shape), "!" in signs, "?" in signs, "+" in signs, "=" in signs)


def prune(value: Any, node: Node, path: str = "") -> tuple[Any, list[str]]:
    """Return the value pruned and defaulted by the schema, and the paths of unknown fields."""
    unknown: list[str] = []
    return _pruned(value, node, path, unknown), unknown


def _pruned(value: Any, node: Node, path: str, unknown: list[str]) -> Any:
    if isinstance(value, dict) and node.type == "object":
        return _pruned_object(value, node, path, unknown)
    if isinstance(value, dict) and node.type == "map" and node.items is not None:
        present = {k: v for k, v in value.items() if v is not None}
        return {k: _pruned(v, node.items, f"{path}.{k}", unknown) for k, v in present.items()}
    if isinstance(value, list) and node.items is not None:
        return [_pruned(v, node.items, f"{path}[{i}]", unknown) for i, v in enumerate(value)]
    return value


def _pruned_object(value: dict[str, Any], node: Node, path: str, unknown: list[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, inner in value.items():
        where = f"{path}.{key}" if path else key
        if (known := node.fields.get(key)) is None:
            unknown.append(where)
        elif inner is not None or known.nullable:  # A null that isn't allowed counts as absent.
            kept[key] = _pruned(inner, known.node, where, unknown)
    for key, known in node.fields.items():
        if known.defaulted:
            kept.setdefault(key, "")
    return kept


@dataclass(frozen=True, slots=True)
class Fault:
    """An error at a path; `of` is "type", "required", "enum" or "items"."""

    of: str
    path: str
    node: Node
    value: Any = None


def faults(value: Any, node: Node, path: str = "") -> Iterator[Fault]:
    """Yield the errors of a value."""
    if not _fits(value, node):
        yield Fault("type", path, node, value)
        return
    if node.enum and value not in node.enum:
        yield Fault("enum", path, node, value)
    if node.type == "object":
        yield from _object_faults(value, node, path)
    elif node.items is not None:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from faults(inner, node.items, f"{path}.{key}" if node.type == "map" else f"{path}[{key}]")


def _object_faults(value: dict[str, Any], node: Node, path: str) -> Iterator[Fault]:
    for key, known in node.fields.items():
        where = f"{path}.{key}" if path else key
        if key not in value:
            if known.required:
                yield Fault("required", where, known.node)
        elif value[key] is not None or not known.nullable:
            yield from faults(value[key], known.node, where)
            if known.not_empty and value[key] == []:
                yield Fault("items", where, known.node, value[key])


def json_type(value: Any) -> str:
    if value is None:
        return "null"
    for python, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(value, python):
            return name
    return "object"


def _fits(value: Any, node: Node) -> bool:
    kind = json_type(value)
    if node.type == "any":
        return True
    if node.type == "int-or-string":
        return kind in {"integer", "string"}
    wanted = "object" if node.type == "map" else node.type
    if kind != wanted:
        return wanted == "integer" and kind == "number" and float(value).is_integer()
    return _has_format(value, node.format)


def _has_format(value: Any, wanted: str) -> bool:
    if wanted == "date-time":
        return _DATE_TIME.fullmatch(value) is not None
    if wanted == "byte":
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return False
    return True
