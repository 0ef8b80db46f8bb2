"""Lists over HTTP: their options, and their JSON joined from encoded items."""

import asyncio
import json
from collections.abc import Iterator, Mapping

from sandbox.kubernetes import failures
from sandbox.kubernetes.failures import ApiFailure, Cause
from sandbox.kubernetes.lists import ListQuery, Page, page
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.schemas.kinds import Kind

_FRESHNESS_WAIT = 3.0  # how long the server waits for a revision from the future


def read_list_query(namespace: str | None, query: Mapping[str, str]) -> ListQuery:
    causes = [*_causes(query)]
    if causes:
        raise failures.invalid_options("ListOptions", causes)
    limit = query.get("limit", "") or "0"
    if not limit.isdigit():
        raise failures.bad_request(f'strconv.ParseInt: parsing "{limit}": invalid syntax')
    return ListQuery(
        namespace,
        query.get("labelSelector"),
        query.get("fieldSelector"),
        int(limit),
        query.get("continue", ""),
        query.get("resourceVersion", ""),
        query.get("resourceVersionMatch", ""),
    )


def _causes(query: Mapping[str, str]) -> Iterator[Cause]:
    field, match = "resourceVersionMatch", query.get("resourceVersionMatch", "")
    if match and not query.get("resourceVersion"):
        yield failures.forbidden_field(field, "resourceVersionMatch is forbidden unless resourceVersion is provided")
    if match and query.get("continue"):
        yield failures.forbidden_field(field, "resourceVersionMatch is forbidden when continue is provided")
    if match not in {"", "Exact", "NotOlderThan"}:
        yield failures.unsupported(field, match, ["Exact", "NotOlderThan", ""])
    if match == "Exact" and query.get("resourceVersion") == "0":
        detail = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        yield failures.forbidden_field(field, detail)
    if "sendInitialEvents" in query:
        yield failures.forbidden_field("sendInitialEvents", "sendInitialEvents is forbidden for list")


async def list_answer(objects: Objects, kind: Kind, query: ListQuery) -> bytes:
    table = objects.table(kind.plural)
    try:
        return encode(kind, page(table, objects.revision, query))
    except ApiFailure as e:
        if e.status != 504:
            raise
    await asyncio.sleep(_FRESHNESS_WAIT)
    return encode(kind, page(table, objects.revision, query))


def encode(kind: Kind, found: Page) -> bytes:
    metadata = {"continue": "", **found.metadata()} if kind.custom else found.metadata()
    head = json.dumps({"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": metadata})
    items = b",".join([version.encoded_item() for version in found.versions])
    return head[:-1].encode() + b', "items": [' + items + b"]}"
