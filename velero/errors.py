"""Turns replies of an API server into errors of `domain/errors.py`. Pure.

Only a Kubernetes Status is read, and its message is shortened. Any other body counts as a reply that isn't from
Kubernetes and is never shown: an error page of a proxy may contain anything. A failed write becomes Unanswered unless
the reply proves that the server didn't carry it out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from domain.errors import (
    AlreadyExists,
    ClusterError,
    Conflict,
    Forbidden,
    ObjectNotFound,
    Rejected,
    ResourceVersionExpired,
    Throttled,
    Unanswered,
    Unauthenticated,
    Unreachable,
    VeleroMissing,
)
from domain.json_types import Json
from velero.documents import MESSAGE_BOUNDS, BadDocument, read_json
from velero.fields import items, number, section, text

Body = bytes | bytearray

_MAX_MESSAGE_LENGTH = 500
_MAX_WAIT_S = 600.0
# An API server answers a request without credentials with 403, not 401, as this user.
_ANONYMOUS = 'User "system:anonymous"'


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Describes a request. As text: `list backups`, `delete restores r1`."""

    cluster: str
    verb: str
    resource: str
    name: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f" {self.name}" if self.name else "")

    @property
    def writes(self) -> bool:
        return self.verb not in {"get", "list", "watch", "head"}


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Body
    content_type: str = ""
    retry_after: str = ""


_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def describe_request(cluster: str, method: str, path: str, *, watch: bool = False) -> RequestContext:
    parts = [part for part in path.split("?", maxsplit=1)[0].split("/") if part]
    inside = parts[2:] if parts[:1] == ["api"] else parts[3:] if parts[:1] == ["apis"] else parts
    namespace = ""
    if len(inside) > 2 and inside[0] == "namespaces":
        namespace, inside = inside[1], inside[2:]
    resource, name = (inside[0] if inside else path), "/".join(inside[1:])
    verb = "watch" if watch else _VERBS.get(method, method.lower())
    return RequestContext(cluster, "list" if verb == "get" and inside and not name else verb, resource, name, namespace)


def error_of_reply(context: RequestContext, reply: Reply) -> ClusterError:
    """Return the error of a reply that isn't a success or isn't JSON.

    An API server sends some errors as plain text instead of a Status: an unknown resource, 429. Any other page, for
    example of a proxy, says nothing about Kubernetes.
    """
    is_plain_text = reply.content_type.startswith("text/plain")
    is_from_server = reply.status in {401, 403, 429} or (reply.status == 503 and bool(reply.retry_after))
    if _status_object(reply.body) or is_from_server or (is_plain_text and reply.status == 404):
        return error_of_status(context, reply)
    return unexpected_reply_error(context, reply)


def error_of_status(context: RequestContext, reply: Reply) -> ClusterError:
    status = _status_object(reply.body)
    code = number(status, "code") or reply.status
    why = shorten(text(status, "message"))
    if reply.status == 404 or code == 404:
        return _not_found(context, status, why)
    if code == 429 or (code == 503 and reply.retry_after):
        return _throttled(context, code, reply)
    if code == 409:
        return _conflict(context, status, why)
    if _is_stale_version(code, why):
        return ResourceVersionExpired(
            context.cluster,
            f"The watch on {context.resource} in cluster {context.cluster} has expired.",
            status=code,
            why=why,
        )
    return _error_of_code(context, code, status, why)


def error_of_watch_event(context: RequestContext, status: Json) -> ClusterError:
    """Return the error of an ERROR event in a watch; it may lack its code, its reason or both."""
    code = number(status, "code") or (410 if text(status, "reason") in {"Expired", "Gone"} else 0)
    if not code:
        return Unreachable(
            context.cluster,
            f"The watch on {context.resource} in cluster {context.cluster} was interrupted.",
            why=_status_message(status),
        )
    return error_of_status(context, Reply(code, json.dumps({**status, "kind": "Status", "code": code}).encode()))


def unreachable_error(context: RequestContext, why: str) -> Unreachable:
    return Unreachable(context.cluster, f"Cluster {context.cluster} doesn't respond.", why=why)


def unanswered_error(context: RequestContext, why: str, status: int = 0) -> Unanswered:
    message = f"Cluster {context.cluster} hasn't confirmed the request to {context}; it may have been carried out."
    return Unanswered(context.cluster, message, status=status, why=why)


def unexpected_reply_error(context: RequestContext, reply: Reply) -> Unreachable:
    """Return an error with only the type and size of the body: an error page may contain anything.

    A proxy that replies to a write in place of the API server may have forwarded it before.
    """
    media_type = reply.content_type.partition(";")[0].strip()[:60] or "no type"
    why = f"It returned {reply.status} with {len(reply.body)} bytes of {media_type}, which isn't a Kubernetes API response."
    if context.writes:
        return unanswered_error(context, why, reply.status)
    return Unreachable(
        context.cluster,
        f"The API server of cluster {context.cluster} returned an unexpected response.",
        status=reply.status,
        why=why,
    )


def parse_retry_after(value: str, now: float | None = None) -> float | None:
    """Return seconds from a number or a date (`now` as Unix time), at most ten minutes; None for anything else."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value, now)
    return min(max(seconds, 0.0), _MAX_WAIT_S) if seconds == seconds else None  # noqa: PLR0124 - NaN


def _seconds_until(value: str, now: float | None) -> float:
    if now is None:
        return float("nan")
    try:
        return parsedate_to_datetime(value).timestamp() - now
    except ValueError:
        return float("nan")


def shorten(message: str, limit: int = _MAX_MESSAGE_LENGTH) -> str:
    line = " ".join(message.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _status_object(body: Body) -> Json:
    try:
        parsed = read_json(body, MESSAGE_BOUNDS)
    except BadDocument:
        return {}
    return parsed if isinstance(parsed, dict) and parsed.get("kind") == "Status" else {}


def _is_stale_version(code: int, why: str) -> bool:
    """Also true for a resourceVersion that the server can't parse (500): a new list helps there as after a 410."""
    return code == 410 or (code in {400, 500} and "resourceVersion: Invalid value" in why)


def _error_of_code(context: RequestContext, code: int, status: Json, why: str) -> ClusterError:
    if code == 401 or (code == 403 and _ANONYMOUS in why):
        return _unauthenticated(context, code, why)
    if code == 403 and not _is_terminating(status):
        return _forbidden(context, why)
    if status and code in {400, 403, 405, 413, 415, 422}:
        return _rejected(context, code, status, why)
    if context.writes and (code >= 500 or code == 408):
        # An internal error, such as a timeout of etcd, doesn't tell whether the write was carried out.
        return unanswered_error(context, why or f"it returned {code}", code)
    message = f"Cluster {context.cluster} couldn't {context}."
    return Unreachable(context.cluster, message, status=code, why=why or f"it returned {code}")


def _is_terminating(status: Json) -> bool:
    """A namespace that is being deleted also causes a 403, which no permission would fix."""
    causes = items(section(status, "details"), "causes")
    return any(text(cause, "reason") == "NamespaceTerminating" for cause in causes)


def _unauthenticated(context: RequestContext, code: int, why: str) -> Unauthenticated:
    return Unauthenticated(
        context.cluster,
        f"Cluster {context.cluster} rejects the bot's credentials.",
        status=code,
        why=why,
        fix="Renew the token or certificate in this cluster's kubeconfig or service account.",
    )


def _forbidden(context: RequestContext, why: str) -> Forbidden:
    action = f"{context.verb} {context.resource}"
    namespace = f" in namespace {context.namespace}" if context.namespace else ""
    cluster = f"of cluster {context.cluster}" if context.namespace else f"in cluster {context.cluster}"
    return Forbidden(
        context.cluster,
        f"The bot has no permission to {action}{namespace} {cluster}.",
        status=403,
        why=why,
        fix=f"Add {context.verb} on {context.resource}{namespace} to the bot's role.",
    )


def _rejected(context: RequestContext, code: int, status: Json, why: str) -> Rejected:
    causes = [_describe_cause(cause) for cause in items(section(status, "details"), "causes")]
    reasons = "; ".join(dict.fromkeys(cause for cause in causes if cause)) or why
    fix = "Velero in this cluster is too old for this field: remove it." if "unknown field" in reasons else ""
    return Rejected(
        context.cluster, f"Cluster {context.cluster} refuses to {context}.", status=code, why=shorten(reasons), fix=fix
    )


def _describe_cause(cause: Json) -> str:
    field, message = text(cause, "field"), text(cause, "message")
    return f"{field}: {message}" if field and not message.startswith(field) else message


def _not_found(context: RequestContext, status: Json, why: str) -> ClusterError:
    """Return VeleroMissing where the reply names no object: then the cluster doesn't know the resource at all."""
    details = section(status, "details")
    if not text(details, "name"):
        message = f"Cluster {context.cluster} has no {context.resource} resource."
        return VeleroMissing(
            context.cluster, message, status=404, why=why, fix="Install Velero there, or update its CRDs."
        )
    kind = text(details, "kind") or context.resource
    return ObjectNotFound(
        context.cluster, f"{kind} {text(details, 'name')} doesn't exist in {context.cluster}.", status=404, why=why
    )


def _conflict(context: RequestContext, status: Json, why: str) -> ClusterError:
    if text(status, "reason") == "AlreadyExists":
        name = text(section(status, "details"), "name") or context.name
        return AlreadyExists(context.cluster, f"{name} already exists in {context.cluster}.", status=409, why=why)
    return Conflict(
        context.cluster,
        f"{context.name or context.resource} was changed in the meantime.",
        status=409,
        why=why,
        fix="Run the command again.",
    )


def _throttled(context: RequestContext, code: int, reply: Reply) -> Throttled:
    wait = parse_retry_after(reply.retry_after)
    return Throttled(
        context.cluster,
        f"Cluster {context.cluster} is rate limiting requests.",
        status=code,
        retry_after=1.0 if wait is None else wait,
    )


def _status_message(status: Json) -> str:
    return shorten(text(status, "message")) or "no reason given"
