"""What an API server answered, in the words of the error tree (`domain/errors.py`).

Pure. Bodies are never shown whole: only a Kubernetes Status is read, its message is cut, anything else is counted as
an answer that is not Kubernetes'.
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

_LIMIT = 500
_LONGEST_WAIT = 600.0
# A request without any credentials is not 401 but 403, as this user.
_ANONYMOUS = 'User "system:anonymous"'


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a request wanted, in words: `list backups`, `delete restore r1`."""

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


def error_of_reply(what: RequestContext, reply: Reply) -> ClusterError:
    """The error that this answer is, for answers that are not a success or not JSON.

    Besides a Status in JSON an API server says some things in plain text: an unknown resource, 429. A page of
    anything else, a proxy's for example, tells nothing about Kubernetes.
    """
    plain = reply.content_type.startswith("text/plain")
    spoken = reply.status in {401, 403, 429} or (reply.status == 503 and bool(reply.retry_after))
    if _status_object(reply.body) or spoken or (plain and reply.status == 404):
        return error_of_status(what, reply)
    return unexpected_reply_error(what, reply)


def error_of_status(what: RequestContext, reply: Reply) -> ClusterError:
    status = _status_object(reply.body)
    code = number(status, "code") or reply.status
    why = shorten(text(status, "message"))
    if reply.status == 404 or code == 404:
        return _not_found(what, status, why)
    if code == 429 or (code == 503 and reply.retry_after):
        return _throttled(what, code, reply)
    if code == 409:
        return _conflict(what, status, why)
    if _stale_version(code, why):
        return ResourceVersionExpired(what.cluster, "The watch position has expired.", status=code, why=why)
    return _by_code(what, code, status, why)


def error_of_watch_event(what: RequestContext, status: Json) -> ClusterError:
    """The error that an ERROR line inside a watch is; it may lack its code, its reason or both."""
    code = number(status, "code") or (410 if text(status, "reason") in {"Expired", "Gone"} else 0)
    if not code:
        return Unreachable(what.cluster, f"The watch on {what.resource} was interrupted.", why=_said(status))
    return error_of_status(what, Reply(code, json.dumps({**status, "kind": "Status", "code": code}).encode()))


def unreachable_error(what: RequestContext, why: str) -> Unreachable:
    return Unreachable(what.cluster, f"Cluster {what.cluster} doesn't respond.", why=why)


def unanswered_error(what: RequestContext, why: str, status: int = 0) -> Unanswered:
    text_ = f"Cluster {what.cluster} has not confirmed the request to {what}; it may have been carried out."
    return Unanswered(what.cluster, text_, status=status, why=why)


def unexpected_reply_error(what: RequestContext, reply: Reply) -> Unreachable:
    """Of the body only its type and size are told: an error page may hold anything.

    A proxy that answers a write in the API server's place may have passed it on before.
    """
    media = reply.content_type.partition(";")[0].strip()[:60] or "no type"
    why = f"it returned {reply.status} with {len(reply.body)} bytes of {media}, which isn't a Kubernetes API response"
    if what.writes:
        return unanswered_error(what, why, reply.status)
    return Unreachable(
        what.cluster,
        f"The API server of cluster {what.cluster} returned an unexpected response.",
        status=reply.status,
        why=why,
    )


def parse_retry_after(value: str, now: float | None = None) -> float | None:
    """Seconds, from a number or a date (`now` is then the epoch); None for anything else. Never above ten minutes."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value, now)
    return min(max(seconds, 0.0), _LONGEST_WAIT) if seconds == seconds else None  # noqa: PLR0124 - NaN


def _until(value: str, now: float | None) -> float:
    if now is None:
        return float("nan")
    try:
        return parsedate_to_datetime(value).timestamp() - now
    except ValueError:
        return float("nan")


def shorten(message: str, limit: int = _LIMIT) -> str:
    first = " ".join(message.split())
    return first if len(first) <= limit else first[: limit - 1] + "…"


def _status_object(body: Body) -> Json:
    try:
        parsed = read_json(body, MESSAGE_BOUNDS)
    except BadDocument:
        return {}
    return parsed if isinstance(parsed, dict) and parsed.get("kind") == "Status" else {}


def _stale_version(code: int, why: str) -> bool:
    """A resourceVersion that the server cannot even read is answered with 500; a new list mends it as it mends a 410."""
    return code == 410 or (code in {400, 500} and "resourceVersion: Invalid value" in why)


def _by_code(what: RequestContext, code: int, status: Json, why: str) -> ClusterError:
    if code == 401 or (code == 403 and _ANONYMOUS in why):
        return _unauthenticated(what, code, why)
    if code == 403 and not _ending(status):
        return _forbidden(what, why)
    if status and code in {400, 403, 405, 413, 415, 422}:
        return _rejected(what, code, status, why)
    if what.writes and (code >= 500 or code == 408):
        # A server's own trouble: etcd's timeout is one, and says nothing of the write.
        return unanswered_error(what, why or f"it returned {code}", code)
    text_ = f"Cluster {what.cluster} couldn't {what}."
    return Unreachable(what.cluster, text_, status=code, why=why or f"it returned {code}")


def _ending(status: Json) -> bool:
    """A namespace that is being deleted is answered with 403 as well, and no right would help."""
    causes = items(section(status, "details"), "causes")
    return any(text(cause, "reason") == "NamespaceTerminating" for cause in causes)


def _unauthenticated(what: RequestContext, code: int, why: str) -> Unauthenticated:
    return Unauthenticated(
        what.cluster,
        f"Cluster {what.cluster} rejects the bot's credentials.",
        status=code,
        why=why,
        fix="Renew the token or certificate in this cluster's kubeconfig or service account.",
    )


def _forbidden(what: RequestContext, why: str) -> Forbidden:
    place = f" in namespace {what.namespace}" if what.namespace else ""
    return Forbidden(
        what.cluster,
        f"The bot has no permission to {what.verb} {what.resource}{place} in cluster {what.cluster}.",
        status=403,
        why=why,
        fix=f"Grant the bot's role {what.verb} on {what.resource}{place}.",
    )


def _rejected(what: RequestContext, code: int, status: Json, why: str) -> Rejected:
    causes = [_cause(cause) for cause in items(section(status, "details"), "causes")]
    words = "; ".join(dict.fromkeys(cause for cause in causes if cause)) or why
    fix = "Velero in this cluster is too old for this field: remove it." if "unknown field" in words else ""
    return Rejected(
        what.cluster, f"Cluster {what.cluster} refuses to {what}.", status=code, why=shorten(words), fix=fix
    )


def _cause(cause: Json) -> str:
    field, message = text(cause, "field"), text(cause, "message")
    return f"{field}: {message}" if field and not message.startswith(field) else message


def _not_found(what: RequestContext, status: Json, why: str) -> ClusterError:
    """Without a named object the whole resource is unknown; the API server says so in plain text."""
    details = section(status, "details")
    if not text(details, "name"):
        text_ = f"Cluster {what.cluster} has no {what.resource} resource."
        return VeleroMissing(what.cluster, text_, status=404, why=why, fix="Install Velero there, or update its CRDs.")
    kind = text(details, "kind") or what.resource
    return ObjectNotFound(
        what.cluster, f"{kind} {text(details, 'name')} doesn't exist in {what.cluster}.", status=404, why=why
    )


def _conflict(what: RequestContext, status: Json, why: str) -> ClusterError:
    if text(status, "reason") == "AlreadyExists":
        name = text(section(status, "details"), "name") or what.name
        return AlreadyExists(what.cluster, f"{name} already exists in {what.cluster}.", status=409, why=why)
    return Conflict(what.cluster, f"{what.name or what.resource} was changed in the meantime.", status=409, why=why)


def _throttled(what: RequestContext, code: int, reply: Reply) -> Throttled:
    wait = parse_retry_after(reply.retry_after)
    return Throttled(
        what.cluster,
        f"Cluster {what.cluster} is rate limiting requests.",
        status=code,
        retry_after=1.0 if wait is None else wait,
    )


def _said(status: Json) -> str:
    return shorten(text(status, "message")) or "no reason given"
