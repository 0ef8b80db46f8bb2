"""JSON patch, merge patch and strategic merge patch on objects, as Velero's resource modifiers use them. Pure.

Source of the rules: velero 1.18 internal/resourcemodifiers; RFC 6902 and 7396.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.json_types import Json

MERGE_KEYS: Mapping[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "secrets": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "ownerReferences": "uid",
}
"""The key by which Kubernetes merges the entries of a list; lists without one are replaced."""


class CannotApply(ValueError):
    """The patch refers to something that doesn't exist."""


class TestFailed(ValueError):
    """A `test` operation failed, so the whole patch has no effect."""

    __test__ = False  # pytest would collect the class by its name


def merge_patch(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def strategic_merge(target: Any, patch: Any) -> Any:
    """Like `merge_patch`, but lists whose entries have a key are merged by that key."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, list) and isinstance(merged.get(key), list) and (by := _merge_key(key, value)):
            merged[key] = _merge_entries(merged[key], value, by)
        elif key != "$patch":
            merged[key] = strategic_merge(merged.get(key), value)
    return merged


def _merge_key(field: str, patch: list[Any]) -> str:
    """The key of the list; `ports` has one key in containers and another one in services."""
    by = MERGE_KEYS.get(field, "")
    if field == "ports":
        by = "containerPort" if all(isinstance(one, dict) and "containerPort" in one for one in patch) else "port"
    return by if all(isinstance(one, dict) and by in one for one in patch) else ""


def _merge_entries(target: list[Any], patch: list[Json], by: str) -> list[Any]:
    merged = list(target)
    for one in patch:
        at = next((n for n, old in enumerate(merged) if isinstance(old, dict) and old.get(by) == one[by]), None)
        if one.get("$patch") == "delete":
            merged = merged if at is None else [*merged[:at], *merged[at + 1 :]]
        elif at is None:
            merged.append(one)
        else:
            merged[at] = strategic_merge(merged[at], one)
    return merged


def apply_json_patch(document: Any, operations: list[Json]) -> Any:
    """Applies the operations in order. Raises TestFailed or CannotApply."""
    for operation in operations:
        document = _apply_operation(document, operation)
    return document


def _apply_operation(document: Any, operation: Json) -> Any:
    path, value = _keys(operation.get("path")), operation.get("value")
    match operation.get("op"):
        case "test":
            if not _same(_at(document, path), value):
                raise TestFailed(str(operation.get("path")))
            return document
        case "remove":
            return _removed(document, path)
        case "replace":
            _at(document, path)
            return _put(document, path, value, insert=False)
        case "add":
            return _put(document, path, value, insert=True)
        case "copy":
            return _put(document, path, _at(document, _keys(operation.get("from"))), insert=True)
        case "move":
            source = _keys(operation.get("from"))
            return _put(_removed(document, source), path, _at(document, source), insert=True)
        case other:
            raise CannotApply(f"unknown operation {other!r}")


def _keys(path: object) -> list[str]:
    if not isinstance(path, str) or (path and not path.startswith("/")):
        raise CannotApply(f"{path!r} isn't a valid path")
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _same(left: Any, right: Any) -> bool:
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _at(node: Any, keys: list[str]) -> Any:
    for key in keys:
        node = _child(node, key)
    return node


def _child(node: Any, key: str) -> Any:
    if isinstance(node, dict) and key in node:
        return node[key]
    if isinstance(node, list):
        return node[_index(key, len(node) - 1)]
    raise CannotApply(f"field {key!r} doesn't exist")


def _index(key: str, highest: int) -> int:
    if not key.isdecimal() or int(key) > highest:
        raise CannotApply(f"list entry {key!r} doesn't exist")
    return int(key)


def _put(node: Any, keys: list[str], value: Any, *, insert: bool) -> Any:
    """A copy of `node` with the value at the path."""
    if not keys:
        return value
    first, rest = keys[0], keys[1:]
    if isinstance(node, dict):
        if rest and first not in node:
            raise CannotApply(f"field {first!r} doesn't exist")
        return {**node, first: _put(node.get(first), rest, value, insert=insert)}
    if isinstance(node, list):
        return _put_entry(node, first, rest, value, insert=insert)
    raise CannotApply(f"field {first!r} doesn't exist")


def _put_entry(node: list[Any], key: str, rest: list[str], value: Any, *, insert: bool) -> list[Any]:
    if insert and not rest:
        at = len(node) if key == "-" else _index(key, len(node))
        return [*node[:at], value, *node[at:]]
    at = _index(key, len(node) - 1)
    return [*node[:at], _put(node[at], rest, value, insert=insert), *node[at + 1 :]]


def _removed(node: Any, keys: list[str]) -> Any:
    if not keys:
        raise CannotApply("the whole object can't be removed")
    first, rest = keys[0], keys[1:]
    child = _child(node, first)
    if isinstance(node, dict):
        if rest:
            return {**node, first: _removed(child, rest)}
        return {key: value for key, value in node.items() if key != first}
    at = int(first)
    return [*node[:at], *([_removed(child, rest)] if rest else []), *node[at + 1 :]]
