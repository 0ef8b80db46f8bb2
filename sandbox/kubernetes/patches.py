"""Merge patch (RFC 7396) and JSON patch (RFC 6902) on JSON values."""

from typing import Any

from sandbox.kubernetes.failures import ApiFailure, bad_request

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def clone(value: Any) -> Any:
    """Return a deep copy of a JSON value."""
    if isinstance(value, dict):
        return {k: clone(v) if isinstance(v, (dict, list)) else v for k, v in value.items()}
    if isinstance(value, list):
        return [clone(v) if isinstance(v, (dict, list)) else v for v in value]
    return value


def merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return clone(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def rejected() -> ApiFailure:
    """The server's only text for an operation that doesn't apply."""
    return ApiFailure(422, "Invalid", "the server rejected our request due to an error in our request", {})


def apply(target: Any, operations: Any) -> Any:
    """Apply all operations in order, or raise."""
    if not isinstance(operations, list):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        )
    document = clone(target)
    for operation in operations:
        document = _step(document, operation)
    return document


def _step(document: Any, operation: Any) -> Any:
    if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
        raise rejected()
    verb, path = operation.get("op"), _keys(operation["path"])
    if verb == "test":
        if not _same(_at_or_none(document, path), operation.get("value")):
            raise rejected()
        return document
    if verb == "remove":
        return _removed(document, path)
    if verb == "replace":
        _at(document, path[:-1])  # A missing field of an object is added.
        return _put(document, path, clone(operation.get("value")), insert=False)
    if verb == "add":
        return _put(document, path, clone(operation.get("value")), insert=True)
    if verb in {"move", "copy"}:
        source = _keys(operation.get("from", ""))
        value = clone(_at(document, source))
        document = _removed(document, source) if verb == "move" else document
        return _put(document, path, value, insert=True)
    raise rejected()


def _same(left: Any, right: Any) -> bool:
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _keys(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise rejected()
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _at(document: Any, keys: list[str]) -> Any:
    for key in keys:
        document = _child(document, key)
    return document


def _at_or_none(document: Any, keys: list[str]) -> Any:
    parent = _at(document, keys[:-1])
    if keys and isinstance(parent, dict):
        return parent.get(keys[-1])
    return _at(parent, keys[-1:])


def _child(node: Any, key: str) -> Any:
    if isinstance(node, dict) and key in node:
        return node[key]
    if isinstance(node, list):
        return node[_index(key, len(node) - 1)]
    raise rejected()


def _index(key: str, highest: int) -> int:
    if not key.isdigit() or int(key) > highest:
        raise rejected()
    return int(key)


def _put(document: Any, keys: list[str], value: Any, *, insert: bool) -> Any:
    if not keys:
        return value
    parent = _at(document, keys[:-1])
    if isinstance(parent, dict):
        parent[keys[-1]] = value
    elif isinstance(parent, list):
        _put_item(parent, keys[-1], value, insert=insert)
    else:
        raise rejected()
    return document


def _put_item(parent: list[Any], key: str, value: Any, *, insert: bool) -> None:
    if not insert:
        parent[_index(key, len(parent) - 1)] = value
    elif key == "-":
        parent.append(value)
    else:
        parent.insert(_index(key, len(parent)), value)


def _removed(document: Any, keys: list[str]) -> Any:
    if not keys:
        raise rejected()
    parent = _at(document, keys[:-1])
    _child(parent, keys[-1])
    del parent[int(keys[-1]) if isinstance(parent, list) else keys[-1]]
    return document
