"""The pages of docs/ that are made from the code."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable, Mapping
from functools import partial
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from bot import settings as settings_module
from bot.settings import Settings
from commands import help as helping
from domain.operation import MOVES, State


def commands() -> str:
    return helping.markdown()


def state_machine() -> str:
    arrows = [f"    {start.value} --> {end.value}" for start in State for end in State if end in MOVES.get(start, ())]
    return "\n".join(
        [
            "# States of an operation",
            "",
            "Made from `domain/operation.py`.",
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
        "Made from `bot/settings.py`. One TOML file; secrets come from the environment or from files.",
        "",
    ]
    comments = _docstrings()
    for table, model in _tables("", Settings):
        lines += [f"## {table or 'top level'}", ""]
        lines += ["| setting | type | default | meaning |", "|---|---|---|---|"]
        for name, field in model.model_fields.items():
            default = "" if field.default is PydanticUndefined else _default(field.default)
            lines.append(
                f"| `{name}` | {_type(field.annotation)} | {default} | {comments.get((model.__name__, name), '')} |"
            )
        lines.append("")
    return "\n".join(lines)


def openapi() -> str:
    from bot.hooks.openapi import openapi as made

    return _json(made())


def event_schemas() -> Mapping[str, Callable[[], str]]:
    """By kind of event."""
    from notifier.render.cloudevents import schemas

    return {name: partial(_json, schema) for name, schema in schemas().items()}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _tables(prefix: str, model: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    found: list[tuple[str, type[BaseModel]]] = [(prefix, model)]
    for name, field in model.model_fields.items():
        many = "tuple" in str(field.annotation)
        for inner in _models(field.annotation):
            path = f"{prefix}.{name}".strip(".[]") if prefix else name
            found += _tables(f"[[{path}]]" if many else f"[{path}]", inner)
    return found


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _default(value: Any) -> str:
    if isinstance(value, BaseModel) or value in ((), {}, None, ""):
        return ""
    return f"`{value}`"


def _type(annotation: Any) -> str:
    if _models(annotation):
        return "table"
    parts = [part for part in get_args(annotation) if part is not NoneType and part is not Ellipsis]
    if not parts:
        return str(getattr(annotation, "__name__", annotation))
    if str(annotation).startswith("typing.Literal"):
        return " or ".join(str(part) for part in parts)
    return "list" if "tuple" in str(annotation) else _type(parts[0])


def _docstrings() -> dict[tuple[str, str], str]:
    """Each field's own docstring: the string that follows it in the source."""
    found: dict[tuple[str, str], str] = {}
    for node in ast.parse(inspect.getsource(settings_module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, after in zip(node.body, node.body[1:], strict=False):
            text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, str):
                found[node.name, field.target.id] = " ".join(text.split())
    return found
