"""Lists in pages, consistent at one revision, as the API server's."""

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.kubernetes import failures, selectors
from sandbox.kubernetes.history import Key, Table, Version
from sandbox.kubernetes.patches import clone

_LATEST = -1  # in a continue token: the newest revision at the time of use
_EXPIRED_LIST = "The resourceVersion for the provided list is too old."
_EXPIRED_TOKEN = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Parameters of a list request."""

    namespace: str | None = None
    label_selector: str | None = None
    field_selector: str | None = None
    limit: int = 0
    continue_: str = ""
    resource_version: str = ""
    match: str = ""

    def selects(self) -> bool:
        return bool(self.label_selector or self.field_selector)


@dataclass(frozen=True, slots=True)
class Page:
    versions: Sequence[Version]
    revision: int
    continue_: str = ""
    remaining: int | None = None

    def items(self) -> list[dict[str, Any]]:
        return [clone(v.object) for v in self.versions]

    def metadata(self) -> dict[str, Any]:
        said: dict[str, Any] = {"resourceVersion": str(self.revision)}
        if self.continue_:
            said["continue"] = self.continue_
        if self.remaining is not None:
            said["remainingItemCount"] = self.remaining
        return said


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a page begins, and the list's revision."""

    revision: int
    after: Key | None = None
    limit: int = 0


def page(table: Table, current: int, query: ListQuery) -> Page:
    start = _start(table, current, query)
    keys, objects = table.at(start.revision)
    begin = bisect_right(keys, start.after) if start.after else 0
    matches_labels = selectors.labels(query.label_selector)
    matches_fields = selectors.fields(query.field_selector, table.kind.plural)
    chosen: list[Version] = []
    last: Key | None = None
    for key in _within(keys, begin, query.namespace):
        if start.limit and len(chosen) == start.limit:
            assert last is not None
            remaining = None if query.selects() else _count(keys, last, query.namespace)
            return Page(chosen, start.revision, _token(start.revision, last), remaining)
        version = objects[key]
        if matches_labels(version.object) and matches_fields(version.object):
            chosen.append(version)
            last = key
    return Page(chosen, start.revision)


def _within(keys: Sequence[Key], begin: int, namespace: str | None) -> Iterator[Key]:
    if namespace:
        begin = max(begin, bisect_right(keys, (namespace, "")))
    for position in range(begin, len(keys)):
        if namespace and keys[position][0] != namespace:
            return
        yield keys[position]


def _count(keys: Sequence[Key], last: Key, namespace: str | None) -> int:
    end = bisect_right(keys, (namespace, "\U0010ffff")) if namespace else len(keys)
    return end - bisect_right(keys, last)


def _start(table: Table, current: int, query: ListQuery) -> _Start:
    if query.continue_:
        return _continued(table, current, query)
    if query.resource_version in {"", "0"}:
        # Revision 0 is answered from the cache, which ignores the limit.
        return _Start(current, limit=query.limit if not query.resource_version else 0)
    wanted = _listed_revision(query.resource_version)
    if wanted > current:
        raise failures.too_large_version(wanted, current)
    if query.match == "Exact" or (not query.match and query.limit):
        if wanted < table.listable_from:
            raise failures.expired(_EXPIRED_LIST)
        return _Start(wanted, limit=query.limit)
    return _Start(current, limit=query.limit)


def _continued(table: Table, current: int, query: ListQuery) -> _Start:
    if query.resource_version not in {"", "0"}:
        raise failures.bad_request("specifying resource version is not allowed when using continue")
    revision, after = _read_token(query.continue_)
    if revision == _LATEST:
        return _Start(current, after, query.limit)
    if revision < table.listable_from:
        raise failures.expired(_EXPIRED_TOKEN, continue_=_token(_LATEST, after))
    return _Start(revision, after, query.limit)


def _listed_revision(text: str) -> int:
    try:
        return revision_of(text)
    except failures.ApiFailure as e:
        raise failures.bad_request(f"invalid resource version: {e.message}") from e


def revision_of(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        detail = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise failures.internal(f'resourceVersion: Invalid value: "{text}": {detail}')
    return int(text)


def _token(revision: int, after: Key) -> str:
    content = {"v": "meta.k8s.io/v1", "rv": revision, "start": f"{after[0]}/{after[1]}\0"}
    return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).rstrip(b"=").decode()


def _read_token(text: str) -> tuple[int, Key]:
    said = "invalid continue token: continue key is not valid"
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as e:
        raise failures.bad_request(f"{said}: illegal base64 data at input byte 0") from e
    try:
        content: Mapping[str, Any] = json.loads(decoded)
        namespace, name = content["start"].rstrip("\0").split("/", 1)
        return int(content["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise failures.bad_request(f"{said}: {e}") from e
