"""Errors as RFC 9457 problem documents, with the same texts, nearest values and fixes as in chat."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from commands.grammar.nearest import nearest
from domain.errors import ChatopsError, ClusterError, NotFound, Refused, Stale, StoreError, UsageError

PROBLEM_TYPE_PREFIX = "urn:velero-chatops:problem:"
PROBLEM_CONTENT_TYPE = "application/problem+json"
UNKNOWN_FIELD = "extra_forbidden"

_STATUS_OF_ERROR: tuple[tuple[type[ChatopsError], str, int], ...] = (
    (UsageError, "usage", 422),
    (NotFound, "unknown", 422),
    (Refused, "refused", 403),
    (Stale, "stale", 409),
    (ClusterError, "cluster", 502),
    (StoreError, "busy", 503),
)


def problem_of_error(error: ChatopsError) -> dict[str, Any]:
    name, status = next(
        ((name, status) for kind, name, status in _STATUS_OF_ERROR if isinstance(error, kind)), ("failed", 500)
    )
    return problem(name, status, error.text, detail=error.why, nearest=error.nearest, fix=error.fix, part=error.part)


def problem(
    name: str,
    status: int,
    title: str,
    *,
    detail: str = "",
    nearest: tuple[str, ...] = (),
    fix: str = "",
    part: tuple[int, int] | None = None,
    faults: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Build a problem document without empty members."""
    optional = {
        "detail": detail,
        "nearest": list(nearest),
        "fix": fix,
        "part": list(part) if part else None,
        "faults": list(faults),
    }
    members = {name: value for name, value in optional.items() if value}
    return {"type": PROBLEM_TYPE_PREFIX + name, "title": title, "status": status, **members}


def problem_of_validation(error: ValidationError, model: type[BaseModel]) -> dict[str, Any]:
    """Describe validation errors by place and reason, never the value; for unknown fields also the nearest ones."""
    found = error.errors(include_url=False, include_input=False, include_context=False)[:20]
    faults = [f"{'.'.join(map(str, each['loc'])) or 'body'}: {_error_text(each)}" for each in found]
    near = [
        nearest(str(each["loc"][-1]), _fields(model, each["loc"])) for each in found if each["type"] == UNKNOWN_FIELD
    ]
    unique = tuple(dict.fromkeys(name for names in near for name in names))
    return problem("body", 422, "The request body is invalid.", nearest=unique, faults=tuple(faults))


def _error_text(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "extra_forbidden":
            return "unknown field"
        case "missing":
            return "required field is missing"
        case _:
            return fault["msg"].removeprefix("Value error, ")


def _fields(model: type[BaseModel], place: Sequence[int | str]) -> tuple[str, ...]:
    """Return the fields that are allowed at a place."""
    for part in place[:-1]:
        field = model.model_fields.get(str(part))
        kinds = (field.annotation, *get_args(field.annotation)) if field is not None else ()
        inner = next((each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)), None)
        if inner is None:
            return ()
        model = inner
    return tuple(model.model_fields)


def response(body: Mapping[str, Any], *, retry_after: float = 0.0) -> web.Response:
    headers = {"Retry-After": str(max(1, round(retry_after + 0.5)))} if retry_after else {}
    return web.Response(
        body=json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"),
        status=int(body["status"]),
        content_type=PROBLEM_CONTENT_TYPE,
        headers=headers,
    )
