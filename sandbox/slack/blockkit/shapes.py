"""Composable checks: each takes a value and its pointer and yields errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    code: str
    message: str
    pointer: str

    def __str__(self) -> str:
        return f"[ERROR] {self.message} [json-pointer:{self.pointer}]"


Check = Callable[[Any, str], Iterator[Problem]]


def string(longest: int, shortest: int = 1) -> Check:
    def check(value: Any, at: str) -> Iterator[Problem]:
        if not isinstance(value, str):
            yield Problem("invalid_type", "must provide a string", at)
        elif len(value) < shortest:
            yield Problem("too_short", f"must be more than {shortest - 1} characters", at)
        elif len(value) > longest:
            yield Problem("too_long", f"must be less than {longest + 1} characters", at)

    return check


def choice(*allowed: str) -> Check:
    def check(value: Any, at: str) -> Iterator[Problem]:
        if value not in allowed:
            yield Problem("invalid_value", f"must be one of: {', '.join(allowed)}", at)

    return check


def pattern(expression: str, told: str) -> Check:
    def check(value: Any, at: str) -> Iterator[Problem]:
        if not isinstance(value, str) or not re.fullmatch(expression, value):
            yield Problem("invalid_value", told, at)

    return check


def url(longest: int = 3000) -> Check:
    def check(value: Any, at: str) -> Iterator[Problem]:
        yield from string(longest)(value, at)
        if isinstance(value, str) and not re.match(r"(https?|mailto|slack):", value):
            yield Problem("invalid_url", "must be a valid URL", at)

    return check


def integer(low: int, high: int) -> Check:
    def check(value: Any, at: str) -> Iterator[Problem]:
        if not isinstance(value, int) or isinstance(value, bool):
            yield Problem("invalid_type", "must provide an integer", at)
        elif not low <= value <= high:
            yield Problem("out_of_range", f"must be between {low} and {high}", at)

    return check


def boolean(value: Any, at: str) -> Iterator[Problem]:
    if not isinstance(value, bool):
        yield Problem("invalid_type", "must provide a boolean", at)


def anything(_value: Any, _at: str) -> Iterator[Problem]:
    return iter(())


def array(item: Check, low: int, high: int) -> Check:
    def check(value: Any, at: str) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield Problem("invalid_type", "must provide an array", at)
            return
        if len(value) < low:
            yield Problem("too_few", f"no less than {low} items allowed", at)
        if len(value) > high:
            yield Problem("too_many", f"no more than {high} items allowed", at)
        for index, part in enumerate(value):
            yield from item(part, f"{at}/{index}")

    return check


def shape(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Check an object with exactly these fields; null counts as absent."""
    known = {**required, **(optional or {})}

    def check(value: Any, at: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem("invalid_type", "must provide an object", at)
            return
        present = {key: part for key, part in value.items() if part is not None}
        for key in required.keys() - present.keys():
            yield Problem("missing_field", f"missing required field: {key}", at)
        for key, part in present.items():
            if key in known:
                yield from known[key](part, f"{at}/{key}")
            else:
                yield Problem("unknown_field", f"invalid additional property: {key}", at)

    return check


def typed(kinds: Mapping[str, Check]) -> Check:
    """Check an object by its `type`."""

    def check(value: Any, at: str) -> Iterator[Problem]:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str):
            yield Problem("missing_field", "missing required field: type", at)
        elif kind not in kinds:
            yield Problem("unsupported_type", f"unsupported type: {kind}", f"{at}/type")
        else:
            yield from kinds[kind]({key: part for key, part in value.items() if key != "type"}, at)

    return check


def also(check: Check, extra: Check) -> Check:
    def both(value: Any, at: str) -> Iterator[Problem]:
        yield from check(value, at)
        if isinstance(value, dict):
            yield from extra(value, at)

    return both


def at_least_one(*names: str) -> Check:
    def check(value: Any, at: str) -> Iterator[Problem]:
        if not any(value.get(name) for name in names):
            yield Problem("missing_field", f"missing one of the required fields: {', '.join(names)}", at)

    return check
