"""Reading the settings: every fault at once, with its line, the nearest right key and what is allowed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.settings import Settings
from commands.policy.parse import Faults, parse_rules
from commands.policy.rules import Rule
from domain.errors import ConfigError

Location = tuple[int | str, ...]


def read(path: Path) -> tuple[Settings, tuple[Rule, ...]]:
    """Raises ConfigError with all its faults."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"The settings {path} cannot be read.", faults=(str(fault),)) from None
    return parse(text, str(path))


def parse(text: str, name: str) -> tuple[Settings, tuple[Rule, ...]]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise ConfigError(f"{name} is no TOML.", faults=(f"{name}: {fault}",)) from None
    lines = positions(text)
    faults: list[str] = []
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(data)
    except ValidationError as found:
        faults += [_said(name, lines, each) for each in found.errors(include_url=False)]
    rules = parse_rules(data.get("rules") or [])
    if isinstance(rules, Faults):
        faults += [f"{name}:{lines.get(('rules', each.index), 1)}: rules{each}" for each in rules.faults]
    if faults or settings is None or isinstance(rules, Faults):
        raise ConfigError(
            f"{name} has {len(faults)} {'fault' if len(faults) == 1 else 'faults'}.", faults=tuple(faults)
        )
    return settings, rules


def _said(name: str, lines: dict[Location, int], fault: ErrorDetails) -> str:
    where = tuple(fault["loc"])
    line = next((lines[where[:cut]] for cut in range(len(where), 0, -1) if where[:cut] in lines), 1)
    key = ".".join(str(part) for part in where)
    if fault["type"] == "extra_forbidden":
        allowed = _keys(where[:-1])
        near = get_close_matches(str(where[-1]), allowed, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(allowed)}"
        return f"{name}:{line}: {key}: there is no such setting; {hint}"
    return f"{name}:{line}: {key or 'settings'}: {_words(fault)}"


def _words(fault: ErrorDetails) -> str:
    message = fault["msg"].removeprefix("Value error, ")
    expected = (fault.get("ctx") or {}).get("expected")
    return f"{message}; allowed: {expected}" if expected and str(expected) not in message else message


def _keys(where: Location) -> list[str]:
    """The settings that exist at a place."""
    model: Any = Settings
    for part in where:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if _is_model(model) else None
        if field is None:
            return []
        model = next((each for each in _models(field.annotation)), None)
    return sorted(model.model_fields) if _is_model(model) else []


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _models(annotation: Any) -> list[Any]:
    if _is_model(annotation):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


_TABLE = re.compile(r"^\s*\[(\[)?\s*([^\[\]]+?)\s*\]?\]\s*(#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\"'.-]+)\s*=")


def positions(text: str) -> dict[Location, int]:
    """Line of every table and key. Good for what people write: tables, arrays of tables, one key a line."""
    found: dict[Location, int] = {}
    counts: dict[str, int] = {}
    prefix: Location = ()
    for number, line in enumerate(text.splitlines(), 1):
        if table := _TABLE.match(line):
            prefix = _table(table[2], counts, many=bool(table[1]))
            found.setdefault(prefix, number)
        elif key := _KEY.match(line):
            found.setdefault((*prefix, *_parts(key[1])), number)
    return found


def _table(name: str, counts: dict[str, int], *, many: bool) -> Location:
    parts = _parts(name)
    where: list[int | str] = []
    for depth, part in enumerate(parts):
        where.append(part)
        path = ".".join(parts[: depth + 1])
        last = depth == len(parts) - 1
        if many and last:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            where.append(counts[path])
    return tuple(where)


def _parts(name: str) -> Sequence[str]:
    return [part.strip().strip("\"'") for part in name.split(".")]
