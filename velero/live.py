"""What is live in a cluster, of any kind that it serves: found by discovery, read with the bot's own rights."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from domain.errors import Forbidden, ObjectNotFound, ResourceVersionExpired, VeleroMissing
from domain.json_types import Json
from velero.fields import items, strings, text
from velero.gateway import Gateway
from velero.kinds import Kind

if TYPE_CHECKING:
    from velero.api import Api

MAX_CONCURRENT_READS = 6
MAX_NAMESPACES_LISTED_ONE_BY_ONE = 20
PAGE_OBJECTS = 100
"""Each page is made small on the event loop, in about 10 ms."""


@dataclass(frozen=True, slots=True)
class ServedKinds:
    """Kinds by (apiVersion, kind). `unknown` are group versions that would not tell (their extension server is down)."""

    kinds: Mapping[tuple[str, str], Kind]
    unknown: frozenset[str] = frozenset()

    def of(self, api_version: str, kind: str) -> Kind | None:
        return self.kinds.get((api_version, kind))


@dataclass(slots=True)
class LiveRead:
    """`unread` are kinds that the bot may not list: nothing is known of them, which is not the same as nothing there."""

    unread: set[Kind] = field(default_factory=set)


async def read_served_kinds(api: Api) -> ServedKinds:
    """Raises ClusterError where the cluster does not answer."""
    groups = await api.request("GET", "/apis")
    versions = ["v1", *(text(v, "groupVersion") for group in items(groups, "groups") for v in items(group, "versions"))]
    gate = asyncio.Semaphore(MAX_CONCURRENT_READS)
    answers = await asyncio.gather(*(_resources(api, version, gate) for version in versions))
    kinds: dict[tuple[str, str], Kind] = {}
    for version, answer in zip(versions, answers, strict=True):
        for item in items(answer or {}, "resources"):
            if "/" not in text(item, "name") and "list" in strings(item, "verbs"):
                kinds[version, text(item, "kind")] = _kind(version, item)
    unknown = frozenset(version for version, answer in zip(versions, answers, strict=True) if answer is None)
    return ServedKinds(kinds, unknown)


async def _resources(api: Api, version: str, gate: asyncio.Semaphore) -> Json | None:
    path = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    async with gate:
        try:
            return await api.request("GET", path)
        except (ObjectNotFound, Forbidden, VeleroMissing):
            return None


def _kind(version: str, item: Json) -> Kind:
    group, _, short = version.rpartition("/")
    return Kind(text(item, "kind"), text(item, "name"), group, short, item.get("namespaced") is True)


async def read_live_objects(
    api: Api, kinds: Iterable[Kind], namespaces: frozenset[str], visit: Callable[[Kind, Json], None]
) -> LiveRead:
    """Calls `visit` with every live object of these kinds in these namespaces (`*`: all), a page at a time."""
    found, gate = LiveRead(), asyncio.Semaphore(MAX_CONCURRENT_READS)

    async def one(kind: Kind, namespace: str) -> None:
        async with gate:
            try:
                await _pages(api, kind, namespace, visit)
            except Forbidden:
                found.unread.add(kind)
            except (ObjectNotFound, VeleroMissing):
                return

    everywhere = "*" in namespaces or len(namespaces) > MAX_NAMESPACES_LISTED_ONE_BY_ONE
    spaces = [""] if everywhere else sorted(namespaces)
    await asyncio.gather(
        *(one(kind, space) for kind in kinds for space in (spaces if kind.namespaced else [""])),
    )
    return found


async def _pages(api: Api, kind: Kind, namespace: str, visit: Callable[[Kind, Json], None]) -> None:
    """Over all namespaces where none is named. Begun anew once where the list grew too old between two pages."""
    where = kind if namespace or not kind.namespaced else Kind(kind.name, kind.plural, kind.group, kind.version, False)
    gateway: Gateway[None] = Gateway(api, where, lambda source: visit(kind, source), namespace)
    try:
        async for _ in gateway.pages(limit=PAGE_OBJECTS):
            await asyncio.sleep(0)
    except ResourceVersionExpired:
        async for _ in gateway.pages(limit=PAGE_OBJECTS):
            await asyncio.sleep(0)
