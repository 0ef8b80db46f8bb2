"""Error responses of the API server: Status objects with the texts of the real server (1.35)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.json_types import Json
from sandbox.kubernetes.schemas.kinds import Kind

RETRY_LATER = "please apply your changes to the latest version and try again"


class ApiFailure(Exception):
    """An error that is sent as a Status."""

    def __init__(
        self, status: int, reason: str, message: str, details: Mapping[str, Any] | None = None, *, continue_: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = dict(details) if details is not None else None
        self.continue_ = continue_

    def body(self) -> Json:
        metadata = {"continue": self.continue_} if self.continue_ else {}
        body: Json = {"kind": "Status", "apiVersion": "v1", "metadata": metadata, "status": "Failure"}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.status
        return body


@dataclass(frozen=True, slots=True)
class Cause:
    """One invalid field and the reason."""

    type: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"

    def body(self) -> Json:
        return {"reason": self.type, "message": self.message, "field": self.field}


def quoted(value: object) -> str:
    """Format a value as Go does in these messages: strings and structures as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def invalid(field: str, value: object, detail: str) -> Cause:
    return Cause("FieldValueInvalid", field, f"Invalid value: {quoted(value)}: {detail}")


def wrong_type(field: str, value: object, detail: str) -> Cause:
    return Cause("FieldValueTypeInvalid", field, f"Invalid value: {quoted(value)}: {detail}")


def required(field: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", field, "Required value" + (f": {detail}" if detail else ""))


def unsupported(field: str, value: object, allowed: Iterable[str]) -> Cause:
    listed = ", ".join(quoted(v) for v in allowed)
    return Cause("FieldValueNotSupported", field, f"Unsupported value: {quoted(value)}: supported values: {listed}")


def forbidden_field(field: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", field, f"Forbidden: {detail}")


def too_long(field: str, limit: int) -> Cause:
    return Cause("FieldValueTooLong", field, f"Too long: may not be more than {limit} bytes")


def unprocessable(group: str, kind: str, name: str, causes: Sequence[Cause]) -> ApiFailure:
    qualified = f"{kind}.{group}" if group else kind
    # As Go's aggregate error: each text once.
    texts = list(dict.fromkeys(str(c) for c in causes))
    said = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details: Json = {"name": name} if name else {}
    details |= {"group": group} if group else {}
    details |= {"kind": kind} if kind else {}
    details["causes"] = [c.body() for c in causes]
    return ApiFailure(422, "Invalid", f'{qualified} "{name}" is invalid: {said}', details)


def invalid_object(kind: Kind, name: str, causes: Sequence[Cause]) -> ApiFailure:
    return unprocessable(kind.group, kind.kind, name, causes)


def precondition_failed(kind: Kind, name: str, why: str) -> ApiFailure:
    """Return this conflict, which names the kind; other conflicts name the resource."""
    qualified = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    details = {**details_of(kind, name), "kind": kind.kind}
    return ApiFailure(409, "Conflict", f'Operation cannot be fulfilled on {qualified} "{name}": {why}', details)


def invalid_options(kind: str, causes: Sequence[Cause]) -> ApiFailure:
    return unprocessable("meta.k8s.io", kind, "", causes)


def details_of(kind: Kind, name: str) -> Json:
    details = {"name": name, "group": kind.group, "kind": kind.plural}
    return {k: v for k, v in details.items() if v}


def not_found(kind: Kind, name: str) -> ApiFailure:
    return ApiFailure(404, "NotFound", f'{kind.qualified} "{name}" not found', details_of(kind, name))


def already_exists(kind: Kind, name: str) -> ApiFailure:
    return ApiFailure(409, "AlreadyExists", f'{kind.qualified} "{name}" already exists', details_of(kind, name))


def conflict(kind: Kind, name: str, why: str) -> ApiFailure:
    message = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {why}'
    return ApiFailure(409, "Conflict", message, details_of(kind, name))


def stale(kind: Kind, name: str) -> ApiFailure:
    return conflict(kind, name, f"the object has been modified; {RETRY_LATER}")


def forbidden(kind: Kind, name: str, why: str, causes: Sequence[Json] = ()) -> ApiFailure:
    subject = f'{kind.qualified} "{name}"' if name else kind.qualified
    details = details_of(kind, name)
    if causes:
        details["causes"] = list(causes)
    return ApiFailure(403, "Forbidden", f"{subject} is forbidden: {why}", details)


def bad_request(message: str) -> ApiFailure:
    return ApiFailure(400, "BadRequest", message)


def expired(message: str, *, continue_: str = "") -> ApiFailure:
    return ApiFailure(410, "Expired", message, continue_=continue_)


def unauthorized() -> ApiFailure:
    return ApiFailure(401, "Unauthorized", "Unauthorized")


def internal(message: str) -> ApiFailure:
    """Return an internal error; it has no reason."""
    return ApiFailure(500, "", message)


def too_large_version(asked: int, current: int) -> ApiFailure:
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return ApiFailure(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})


def unknown_media_type(accepted: Sequence[str]) -> ApiFailure:
    listed = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {listed}"
    return ApiFailure(415, "UnsupportedMediaType", message)
