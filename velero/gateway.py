"""Get, list, create, patch and delete objects of one kind in one cluster. Their meaning is in `velero/resources`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Raw, Struct, field
from msgspec.json import Decoder, decode

from domain.errors import ObjectNotFound, ResourceVersionExpired
from domain.json_types import Json
from velero.documents import MANIFEST_BOUNDS, check_json
from velero.fields import section
from velero.kinds import Kind
from velero.objects import without_managed_fields

if TYPE_CHECKING:
    from velero.api import Api
    from velero.errors import Body

V = TypeVar("V")
PAGE_SIZE = 500
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Page(Generic[V]):
    """`resource_version` is that of the whole list; `next` is the continue token, empty on the last page."""

    values: tuple[V, ...]
    resource_version: str
    next: str = ""


class ListMeta(Struct, frozen=True):
    resource_version: str = field(name="resourceVersion", default="")
    next: str = field(name="continue", default="")


class ObjectList(Struct, Generic[V], frozen=True):
    metadata: ListMeta = ListMeta()
    items: list[V] | None = None


_LISTED = Decoder(ObjectList[Raw])


class Gateway(Generic[V]):
    """`parse` turns an object's JSON into a value and never raises, whatever the JSON contains."""

    def __init__(self, api: Api, kind: Kind, parse: Callable[[Json], V], namespace: str = "") -> None:
        self.api = api
        self.kind = kind
        self.namespace = namespace
        self._parse = parse

    async def get(self, name: str) -> V:
        return self._value(await self.api.request("GET", self._path(name)))

    async def find(self, name: str) -> V | None:
        try:
            return await self.get(name)
        except ObjectNotFound:
            return None

    async def page(self, *, selector: str = "", token: str = "", limit: int = PAGE_SIZE) -> Page[V]:
        """Read one page. Objects are parsed page by page, so that ten thousand are never in memory as raw JSON."""
        query = {"limit": str(limit), "labelSelector": selector, "continue": token}
        given = {key: value for key, value in query.items() if value}
        return await self.api.read(self.kind.path(self.namespace), given, self.read_page)

    async def pages(self, *, selector: str = "", limit: int = PAGE_SIZE) -> AsyncGenerator[Page[V], None]:
        """Yield all pages. Raises ResourceVersionExpired if the list expired between two pages; list again then."""
        token = ""
        while True:
            page = await self.page(selector=selector, token=token, limit=limit)
            yield page
            if not (token := page.next):
                return

    async def list(self, *, selector: str = "") -> tuple[V, ...]:
        """Return all objects; list a second time if the first list expired between two pages."""
        try:
            return await self._all(selector)
        except ResourceVersionExpired:
            return await self._all(selector)

    async def _all(self, selector: str) -> tuple[V, ...]:
        return tuple([value async for page in self.pages(selector=selector) for value in page.values])

    async def create(self, manifest: Json, *, dry_run: bool = False) -> V:
        """Create an object. `generateName` makes the server choose the name. Raises AlreadyExists if the name is taken."""
        body = {"apiVersion": self.kind.api_version, "kind": self.kind.name, **manifest}
        answer = await self.api.request(
            "POST", self.kind.path(self.namespace), body=body, query=_dry_run_query(dry_run)
        )
        return self._value(answer)

    async def patch(self, name: str, patch: Json, *, resource_version: str = "", dry_run: bool = False) -> V:
        """Patch just these fields (merge patch). With `resource_version`, raises Conflict if the object has changed."""
        if resource_version:
            patch = {**patch, "metadata": {**section(patch, "metadata"), "resourceVersion": resource_version}}
        answer = await self.api.request(
            "PATCH", self._path(name), body=patch, content_type=MERGE_PATCH, query=_dry_run_query(dry_run)
        )
        return self._value(answer)

    async def delete(self, name: str, *, uid: str = "", resource_version: str = "", propagation: str = "") -> None:
        """Delete an object. With `uid`, raises Conflict if the name now belongs to another object."""
        preconditions = {
            key: value for key, value in {"uid": uid, "resourceVersion": resource_version}.items() if value
        }
        options: Json = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if preconditions:
            options["preconditions"] = preconditions
        if propagation:
            options["propagationPolicy"] = propagation
        await self.api.request("DELETE", self._path(name), body=options)

    def read_page(self, body: Body) -> Page[V]:
        """Parse a list. Raises ValueError if it isn't one."""
        listed = _LISTED.decode(body)
        values = [value for raw in listed.items or () if (value := self.read(raw)) is not None]
        return Page(tuple(values), listed.metadata.resource_version, listed.metadata.next)

    def read(self, raw: Raw) -> V | None:
        """Parse an object of a list or watch; None if it isn't one. Raises BadDocument. Items of a core list have no kind."""
        check_json(bytes(raw), MANIFEST_BOUNDS)
        source = decode(raw)
        if not isinstance(source, dict):
            return None
        return self._value({"apiVersion": self.kind.api_version, "kind": self.kind.name, **source})

    def _path(self, name: str) -> str:
        return self.kind.object_path(self.namespace, name)

    def _value(self, source: Json) -> V:
        return self._parse(without_managed_fields(source))


def _dry_run_query(dry_run: bool) -> Mapping[str, str]:
    return {"dryRun": "All"} if dry_run else {}
