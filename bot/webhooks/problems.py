"""Errors as RFC 9457 problem documents: the same words as in chat, the nearest values, the mend."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from commands.grammar.nearest import nearest
from domain.errors import ChatopsError, ClusterError, NotFound, Refused, Stale, StoreError, UsageError

TYPE = "urn:velero-chatops:problem:"
CONTENT_TYPE = "application/problem+json"
EXTRA = "extra_forbidden"

_KINDS: tuple[tuple[type[ChatopsError], str, int], ...] = (
    (UsageError, "usage", 422),
    (NotFound, "unknown", 422),
    (Refused, "refused", 403),
    (Stale, "stale", 409),
    (ClusterError, "cluster", 502),
    (StoreError, "busy", 503),
)


def problem_of_error(error: ChatopsError) -> dict[str, Any]:
    name, status = next(((name, status) for kind, name, status in _KINDS if isinstance(error, kind)), ("failed", 500))
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
    """Without the members that say nothing."""
    more = {
        "detail": detail,
        "nearest": list(nearest),
        "fix": fix,
        "part": list(part) if part else None,
        "faults": list(faults),
    }
    said = {name: value for name, value in more.items() if value}
    return {"type": TYPE + name, "title": title, "status": status, **said}


def problem_of_validation(error: ValidationError, model: type[BaseModel]) -> dict[str, Any]:
    """Where and what, never the value; for a field that is not there those that are nearest."""
    found = error.errors(include_url=False, include_input=False, include_context=False)[:20]
    faults = [f"{'.'.join(map(str, each['loc'])) or 'body'}: {_words(each)}" for each in found]
    near = [nearest(str(each["loc"][-1]), _fields(model, each["loc"])) for each in found if each["type"] == EXTRA]
    unique = tuple(dict.fromkeys(name for names in near for name in names))
    return problem("body", 422, "The request body is invalid.", nearest=unique, faults=tuple(faults))


def _words(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "extra_forbidden":
            return "unknown field"
        case "missing":
            return "required field is missing"
        case _:
            return fault["msg"].removeprefix("Value error, ")


def _fields(model: type[BaseModel], place: Sequence[int | str]) -> tuple[str, ...]:
    """Those that may stand beside it."""
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
        content_type=CONTENT_TYPE,
        headers=headers,
    )
