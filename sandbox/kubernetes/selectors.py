"""Label and field selectors, as in query strings."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from domain.json_types import Json
from sandbox.kubernetes import validation
from sandbox.kubernetes.failures import bad_request, invalid

Match = Callable[[Json], bool]
_Labels = Callable[[Mapping[str, str]], bool]

_SET = re.compile(r"(?P<key>[^\s,()=!]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)")
_COMPARE = re.compile(r"(?P<key>[^\s,()=!<>]+)\s*(?P<op>==|=|!=|>|<)\s*(?P<value>[^\s,()=!<>]*)")
_EXISTS = re.compile(r"(?P<not>!?)\s*(?P<key>[^\s,()=!<>]+)")


def everything(_: Json) -> bool:
    return True


def labels(text: str | None) -> Match:
    """Return a predicate for a label selector."""
    if not text or not text.strip():
        return everything
    wanted = [_requirement(part) for part in _parts(text)]

    def matches(item: Json) -> bool:
        have = item["metadata"].get("labels") or {}
        return all(requirement(have) for requirement in wanted)

    return matches


def _parts(text: str) -> list[str]:
    return [part.strip() for part in re.split(r",(?![^()]*\))", text)]


def _requirement(part: str) -> _Labels:
    if found := _SET.fullmatch(part):
        values = [v.strip() for v in found["values"].split(",")]
        return _among(_key(found["key"]), found["op"], {_value(found["key"], i, v) for i, v in enumerate(values)})
    if found := _COMPARE.fullmatch(part):
        return _compared(_key(found["key"]), found["op"], _value(found["key"], 0, found["value"]))
    if found := _EXISTS.fullmatch(part):
        key, absent = _key(found["key"]), bool(found["not"])
        return lambda have: (key in have) != absent
    if re.fullmatch(r"\S+ (in|notin)", part):
        raise bad_request("unable to parse requirement: found '' expected: '('")
    raise bad_request(f"unable to parse requirement: found '{part}', expected: ',' or 'end of string'")


def _key(key: str) -> str:
    for message in validation.label_key(key):
        raise bad_request(f"unable to parse requirement: {invalid('key', key, message)}")
    return key


def _value(key: str, position: int, value: str) -> str:
    for message in validation.label_value(value):
        raise bad_request(f"unable to parse requirement: {invalid(f'values[{position}][{key}]', value, message)}")
    return value


def _among(key: str, operator: str, values: set[str]) -> _Labels:
    if operator == "in":
        return lambda have: have.get(key) in values
    return lambda have: have.get(key) not in values


def _compared(key: str, operator: str, value: str) -> _Labels:
    if operator in {"=", "=="}:
        return lambda have: have.get(key) == value
    if operator == "!=":
        return lambda have: have.get(key) != value
    return lambda have: _ordered(have.get(key), operator, value)


def _ordered(have: str | None, operator: str, bound: str) -> bool:
    try:
        left, right = int(have or ""), int(bound)
    except ValueError:
        return False
    return left > right if operator == ">" else left < right


_EVENT_FIELDS = ("type", "reason", "involvedObject.name", "involvedObject.namespace", "involvedObject.kind")
_BUILTIN_FIELDS: Mapping[str, tuple[str, ...]] = {
    "events": (*_EVENT_FIELDS, "involvedObject.uid"),
    "pods": ("status.phase", "spec.nodeName"),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
}


def fields(text: str | None, plural: str = "") -> Match:
    """Return a predicate for a field selector; it supports name, namespace and little else."""
    if not text or not text.strip():
        return everything
    allowed = {"metadata.name", "metadata.namespace", *_BUILTIN_FIELDS.get(plural, ())}
    wanted = [_field_term(part, allowed) for part in text.split(",")]

    def matches(item: Json) -> bool:
        return all((_field(item, path) == value) == equal for path, equal, value in wanted)

    return matches


def _field_term(part: str, allowed: set[str]) -> tuple[str, bool, str]:
    found = re.fullmatch(r"\s*(?P<path>[^=!\s]+)\s*(?P<op>==|=|!=)\s*(?P<value>.*?)\s*", part)
    if found is None:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    if found["path"] not in allowed:
        raise bad_request(f"field label not supported: {found['path']}")
    return found["path"], found["op"] != "!=", found["value"]


def _field(item: Json, path: str) -> str:
    value: Any = item
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return "" if value is None else str(value)
