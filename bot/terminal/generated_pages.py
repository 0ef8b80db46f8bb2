"""Pages of docs/ that are generated from the code."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic_core import PydanticUndefined

from bot.configuration import connections
from bot.configuration import settings as settings_module
from bot.configuration.settings import Settings
from commands import help as helping
from domain.operation import MOVES, State


def commands() -> str:
    return helping.markdown()


def state_machine() -> str:
    arrows = [f"    {start.value} --> {end.value}" for start in State for end in State if end in MOVES.get(start, ())]
    return "\n".join(
        [
            "# Operation states",
            "",
            "Generated from `domain/operation.py`.",
            "",
            "```mermaid",
            "stateDiagram-v2",
            *arrows,
            "```",
            "",
        ]
    )


def settings() -> str:
    lines = [
        "# Settings",
        "",
        "Generated from `bot/configuration/`. The settings are one TOML file. Secrets come from environment variables or files.",
        "",
        'A duration is a number with a unit in quotes (`"90s"`, `"15m"`, `"30d"`), or a number of seconds.',
        "",
    ]
    docstrings = _docstrings()
    for table, model in _tables("", Settings):
        lines += [f"## {table or 'Top level'}", ""]
        lines += ["| setting | type | default | example | description |", "|---|---|---|---|---|"]
        for name, field in model.model_fields.items():
            kind = _type(field.annotation, field.metadata)
            default = _default(field.default, is_duration=kind == DURATION)
            text, _, example = docstrings[model.__name__, name].partition(" Example: ")
            if not example:
                example = f"see {_heading(name, field.annotation)}"
            lines.append(f"| `{name}` | {kind} | {default} | {example} | {text} |")
        lines.append("")
    return "\n".join(lines)


def openapi() -> str:
    from bot.webhooks.openapi import openapi as document

    return _json(document())


def event_schemas() -> Mapping[str, Callable[[], str]]:
    """Return the page of each kind of event."""
    from notifier.render.cloudevents import schemas

    return {name: partial(_json, schema) for name, schema in schemas().items()}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _tables(prefix: str, model: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    found: list[tuple[str, type[BaseModel]]] = [(prefix, model)]
    for name, field in model.model_fields.items():
        for inner in _models(field.annotation):
            path = f"{prefix.strip('[]')}.{name}" if prefix else name
            found += _tables(_heading(path, field.annotation), inner)
    return found


def _heading(path: str, annotation: Any) -> str:
    return f"[[{path}]]" if get_origin(annotation) is tuple else f"[{path}]"


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _default(value: Any, *, is_duration: bool) -> str:
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel) or value in ((), {}, None, ""):
        return ""
    if is_duration:
        return f'`"{_short_duration(value)}"`'
    if isinstance(value, bool | int | float):
        return f"`{json.dumps(value)}`"
    if isinstance(value, dict | tuple):
        return f"`{_toml(value)}`"
    return f'`"{value}"`'


def _short_duration(seconds: float) -> str:
    """Write whole seconds in the largest unit that divides them."""
    unit, size = next((unit, size) for unit, size in _UNITS.items() if seconds % size == 0)
    return f"{int(seconds // size)}{unit}"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(list(value) if isinstance(value, tuple) else value)


DURATION = "duration"
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_TYPE_NAMES: Mapping[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Path: "path",
    Any: "any value",
    SecretStr: "text",
}


def _type(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Return the type in TOML's terms."""
    if annotation in _TYPE_NAMES:
        # `Seconds` is the only type with a validator that runs before pydantic's.
        return DURATION if any(isinstance(each, BeforeValidator) for each in metadata) else _TYPE_NAMES[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    origin = get_origin(annotation)
    parts = [part for part in get_args(annotation) if part is not NoneType and part is not Ellipsis]
    if origin is Annotated:
        return _type(parts[0], parts[1:])
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin is tuple:
        return f"list of {_plural(_type(parts[0]))}"
    if origin is dict:
        return f"table: {_type(parts[0])} → {_type(parts[1])}"
    return " or ".join(_type(part) for part in parts)


def _plural(name: str) -> str:
    return name if name.startswith(("list", "table:", "`")) else f"{name}s"


def _docstrings() -> dict[tuple[str, str], str]:
    """Return each field's docstring: the string that follows it in the source."""
    found: dict[tuple[str, str], str] = {}
    nodes = (node for module in (connections, settings_module) for node in ast.parse(inspect.getsource(module)).body)
    for node in nodes:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, after in zip(node.body, node.body[1:], strict=False):
            text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, str):
                found[node.name, field.target.id] = " ".join(text.split())
    return found
