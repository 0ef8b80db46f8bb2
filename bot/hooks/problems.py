"""Errors as RFC 9457 problem documents: the same words as in chat, the nearest values, the mend."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from domain.errors import ChatopsError, ClusterError, Refused, Stale, StoreError, Unknown, UsageError

TYPE = "urn:velero-chatops:problem:"
CONTENT_TYPE = "application/problem+json"

_KINDS: tuple[tuple[type[ChatopsError], str, int], ...] = (
    (UsageError, "usage", 422),
    (Unknown, "unknown", 422),
    (Refused, "refused", 403),
    (Stale, "stale", 409),
    (ClusterError, "cluster", 502),
    (StoreError, "busy", 503),
)


def of_fault(fault: ChatopsError) -> dict[str, Any]:
    name, status = next(((name, status) for kind, name, status in _KINDS if isinstance(fault, kind)), ("failed", 500))
    return problem(name, status, fault.text, detail=fault.why, nearest=fault.nearest, fix=fault.fix, part=fault.part)


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


def of_validation(fault: ValidationError) -> dict[str, Any]:
    """Where and what, never the value."""
    found = fault.errors(include_url=False, include_input=False, include_context=False)
    faults = [f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in found[:20]]
    return problem("body", 422, "The body is not as it should be.", faults=tuple(faults))


def response(body: Mapping[str, Any], *, retry_after: float = 0.0) -> web.Response:
    headers = {"Retry-After": str(max(1, round(retry_after + 0.5)))} if retry_after else {}
    return web.Response(
        body=json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"),
        status=int(body["status"]),
        content_type=CONTENT_TYPE,
        headers=headers,
    )
