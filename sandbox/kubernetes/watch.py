"""Watches: changes as lines of JSON, with bookmarks, until the timeout."""

import asyncio
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aiohttp import web

from sandbox.kubernetes import failures, selectors
from sandbox.kubernetes.failures import ApiFailure, Cause
from sandbox.kubernetes.faults import Faults, Trouble
from sandbox.kubernetes.history import Change, Version
from sandbox.kubernetes.lists import revision_of
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.schemas.kinds import Kind
from sandbox.kubernetes.selectors import Match
from sandbox.kubernetes.subscription import Subscription
from sandbox.kubernetes.target import Target, is_true

BOOKMARK_EVERY = 60.0
_LAST_BOOKMARK = 2.0  # seconds before the end; a shorter watch gets none
_INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}


@dataclass(frozen=True, slots=True)
class WatchQuery:
    namespace: str
    label_selector: str
    field_selector: str
    resource_version: str
    bookmarks: bool
    initial_events: bool | None
    seconds: float

    def starts_with_everything(self) -> bool:
        if self.initial_events is not None:
            return self.initial_events
        return self.resource_version in {"", "0"}


def read_query(target: Target, query: Mapping[str, str]) -> WatchQuery:
    causes = [*_causes(query)]
    if causes:
        raise failures.invalid_options("ListOptions", causes)
    seconds = _seconds(query.get("timeoutSeconds") or "0") or 1800 * (1 + random.random())
    initial = query.get("sendInitialEvents")
    return WatchQuery(
        target.namespace,
        query.get("labelSelector", ""),
        query.get("fieldSelector", ""),
        query.get("resourceVersion", ""),
        is_true(query.get("allowWatchBookmarks")),
        is_true(initial) if initial is not None else None,
        seconds,
    )


def _seconds(text: str) -> int:
    if not text.isdigit():
        raise failures.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _causes(query: Mapping[str, str]) -> Iterator[Cause]:
    field, match = "resourceVersionMatch", query.get("resourceVersionMatch", "")
    if "sendInitialEvents" in query and match != "NotOlderThan":
        detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        yield failures.forbidden_field(field, detail)
    elif match and "sendInitialEvents" not in query:
        detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        yield failures.forbidden_field(field, detail)
    if match and match != "NotOlderThan":
        yield failures.unsupported(field, match, ["NotOlderThan"])


class Watches:
    """All open watches of one server."""

    def __init__(self, objects: Objects, faults: Faults, *, bookmark_every: float = BOOKMARK_EVERY) -> None:
        self._objects = objects
        self._faults = faults
        self.bookmark_every = bookmark_every
        self._open: dict[Subscription, web.Request] = {}

    @property
    def count(self) -> int:
        return len(self._open)

    def end(self, *, abruptly: bool = False) -> None:
        """End every stream, cleanly or by cutting the connection."""
        for subscription, request in tuple(self._open.items()):
            if abruptly and request.transport is not None:
                request.transport.abort()
            subscription.close()

    async def serve(self, request: web.Request, kind: Kind, query: WatchQuery) -> web.StreamResponse:
        since = revision_of(query.resource_version or "0")
        stream = _Stream(request, kind, query)
        everything = query.starts_with_everything()
        try:
            if self._faults.strikes(Trouble.EXPIRED_WATCH, request):
                raise failures.expired(f"too old resource version: {since} ({self._objects.revision})")
            start = None if everything else since
            subscription = self._objects.subscribe(kind.plural, query.namespace or None, since=start)
        except ApiFailure as e:
            if e.status != 410:
                raise
            await stream.open()
            return await stream.fail(e)
        self._open[subscription] = request
        try:
            await stream.open()
            if everything:
                await self._tell_everything(stream)
            await self._follow(stream, subscription)
        finally:
            subscription.close()
            del self._open[subscription]
        return stream.response

    async def _tell_everything(self, stream: "_Stream") -> None:
        query = stream.query
        revision = self._objects.revision
        page = self._objects.list_page(stream.kind.plural, query.namespace or None)
        for version in page.versions:
            if stream.selects(version):
                await stream.send("ADDED", version.encoded())
        if query.initial_events and query.bookmarks:
            await stream.bookmark(revision, _INITIAL_EVENTS_END)

    async def _follow(self, stream: "_Stream", subscription: Subscription) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + stream.query.seconds
        due = marks(loop.time(), ends, self.bookmark_every) if stream.query.bookmarks else iter(())
        mark = next(due, ends)
        while True:
            try:
                async with asyncio.timeout_at(min(mark, ends)):
                    change = await subscription.next_change()
            except TimeoutError:
                if loop.time() >= ends:
                    break
                await stream.bookmark(self._objects.revision)
                mark = next(due, ends)
                continue
            if change is None:
                break
            if not await self._pass_on(stream, change):
                return
        await stream.response.write_eof()

    async def _pass_on(self, stream: "_Stream", change: Change) -> bool:
        event = stream.event(change)
        if event is None:
            return True
        if self._faults.strikes(Trouble.TRUNCATED_WATCH, stream.request):
            await stream.truncate(*event)
            return False
        await stream.send(*event)
        return True


def marks(now: float, ends: float, every: float) -> Iterator[float]:
    """Return when bookmarks are due: periodically, and shortly before the end."""
    last = ends - _LAST_BOOKMARK
    if last <= now:
        return
    while (now := now + every) < last:
        yield now
    yield last


class _Stream:
    """One watch response, line by line."""

    def __init__(self, request: web.Request, kind: Kind, query: WatchQuery) -> None:
        self.request = request
        self.kind = kind
        self.query = query
        self.response = web.StreamResponse(headers={"Content-Type": "application/json"})
        self._not_before = int(query.resource_version or "0")
        self._labels: Match = selectors.labels(query.label_selector)
        self._fields: Match = selectors.fields(query.field_selector, kind.plural)

    async def open(self) -> None:
        await self.response.prepare(self.request)

    def selects(self, version: Version | None) -> bool:
        return version is not None and self._labels(version.object) and self._fields(version.object)

    def event(self, change: Change) -> tuple[str, bytes] | None:
        """Return the change as this watch shows it: an object that leaves the selection is deleted, one that enters is added."""
        before, after = self.selects(change.old), change.type != "DELETED" and self.selects(change.version)
        if not before and not after:
            return None
        if before and not after:
            return "DELETED", change.version.encoded()
        return ("MODIFIED" if before else "ADDED"), change.version.encoded()

    async def send(self, event_type: str, encoded: bytes) -> None:
        await self.response.write(_line(event_type, encoded))

    async def truncate(self, event_type: str, encoded: bytes) -> None:
        line = _line(event_type, encoded)
        await self.response.write(line[: len(line) // 2])
        await self.response.write_eof()

    async def bookmark(self, revision: int, annotations: Mapping[str, str] | None = None) -> None:
        if revision < self._not_before:
            return  # A watch from a future revision sends nothing.
        metadata = {"resourceVersion": str(revision), **({"annotations": annotations} if annotations else {})}
        mark = {"kind": self.kind.kind, "apiVersion": self.kind.api_version, "metadata": metadata}
        await self.send("BOOKMARK", json.dumps(mark, separators=(",", ":")).encode())

    async def fail(self, failure: ApiFailure) -> web.StreamResponse:
        await self.send("ERROR", json.dumps(failure.body(), separators=(",", ":")).encode())
        await self.response.write_eof()
        return self.response


def _line(event_type: str, encoded: bytes) -> bytes:
    return b'{"type":"' + event_type.encode() + b'","object":' + encoded + b"}\n"
