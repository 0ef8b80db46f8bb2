"""Decodes the bodies and options of requests, with the server's errors for invalid ones."""

import json
from collections.abc import Mapping
from typing import Any, get_args

from aiohttp import web

from domain.json_types import Json
from sandbox.kubernetes import failures
from sandbox.kubernetes.bodies import FieldValidation
from sandbox.kubernetes.schemas.kinds import Kind

_BODY_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_PROPAGATIONS = ("Foreground", "Background", "Orphan")


async def object_of(request: web.Request, kind: Kind) -> Json:
    """Return the object in the body; a custom resource has to name its kind and version."""
    if request.headers.get("Content-Type") and request.content_type not in _BODY_TYPES:
        raise failures.unknown_media_type(_BODY_TYPES)
    raw = await request.read()
    unrecognized = f"the object provided is unrecognized (must be of type {kind.kind})"
    body, fault = _parsed(raw)
    if fault is not None or not isinstance(body, dict):
        said = fault or "json: cannot unmarshal into Go value of type struct"
        message = f"{unrecognized}: couldn't get version/kind; json parse error: {said} ({_summary(raw)})"
        raise failures.bad_request(message)
    if kind.custom:
        if not body.get("kind"):
            said = f"Object 'Kind' is missing in '{raw.decode()}'"
            raise failures.bad_request(f"{unrecognized}: {said} ({_summary(raw)})")
        return {"apiVersion": "", **body}
    if (other := body.get("kind", kind.kind)) != kind.kind:
        said = f"converting (v1.{other}) to ({kind.group or 'core'}.{kind.kind}): unknown conversion"
        raise failures.bad_request(f'{other} in version "{kind.version}" cannot be handled as a {kind.kind}: {said}')
    return body


async def patch_of(request: web.Request) -> Any:
    patch, fault = _parsed(await request.read())
    if fault is not None:
        raise failures.bad_request(f"error decoding patch: {fault}")
    return patch


def write_options(query: Mapping[str, str], options: str) -> dict[str, Any]:
    validation, dry_run = query.get("fieldValidation", "") or "Warn", query.get("dryRun", "")
    causes = []
    if validation not in get_args(FieldValidation):
        causes.append(failures.unsupported("fieldValidation", validation, ["", "Ignore", "Strict", "Warn"]))
    if dry_run not in {"", "All"}:
        causes.append(failures.unsupported("dryRun", [dry_run], ["All"]))
    if causes:
        raise failures.invalid_options(options, causes)
    return {"field_validation": validation, "dry_run": dry_run == "All"}


async def delete_options(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    options, fault = _parsed(raw) if raw else ({}, None)
    if fault is not None or not isinstance(options, dict):
        raise failures.bad_request(f"couldn't get version/kind; json parse error: {fault}")
    propagation = options.get("propagationPolicy") or request.query.get("propagationPolicy")
    if propagation not in {None, *_PROPAGATIONS}:
        cause = failures.unsupported("propagationPolicy", propagation, [*_PROPAGATIONS, "nil"])
        raise failures.invalid_options("DeleteOptions", [cause])
    preconditions = options.get("preconditions") or {}
    return {
        "propagation": propagation,
        "uid": preconditions.get("uid"),
        "resource_version": preconditions.get("resourceVersion"),
        "dry_run": "All" in (options.get("dryRun") or [request.query.get("dryRun")]),
    }


def _parsed(raw: bytes) -> tuple[Any, str | None]:
    try:
        return json.loads(raw), None
    except json.JSONDecodeError as e:
        if not e.doc[e.pos :].strip() or e.pos >= len(e.doc.rstrip()) - 1:
            return None, "unexpected end of JSON input"
        return None, f"invalid character '{e.doc[e.pos]}' looking for beginning of value"
    except UnicodeDecodeError:
        return None, "invalid character looking for beginning of value"


def _summary(raw: bytes) -> str:
    if not raw:
        return "<empty>"
    if not raw.startswith(b"{"):
        return raw[:30].hex()
    return raw[:30].decode(errors="replace") + (" ..." if len(raw) > 30 else "")
