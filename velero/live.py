"""Reads live objects of any kind that a cluster serves: finds kinds by discovery, reads with the bot's own permissions."""

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
"""The event loop reduces one page to what is needed in about 10 ms."""


@dataclass(frozen=True, slots=True)
class ServedKinds:
    """Kinds by (apiVersion, kind). `unknown` holds group versions whose kinds couldn't be read (extension server down)."""

    kinds: Mapping[tuple[str, str], Kind]
    unknown: frozenset[str] = frozenset()

    def of(self, api_version: str, kind: str) -> Kind | None:
        return self.kinds.get((api_version, kind))


@dataclass(slots=True)
class LiveRead:
    """`unread` holds kinds that the bot has no permission to list: their objects are unknown, not absent."""

    unread: set[Kind] = field(default_factory=set)


async def read_served_kinds(api: Api) -> ServedKinds:
    """Return all kinds that the cluster can list. Raises ClusterError if the cluster doesn't respond."""
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
    """Call `visit` with every live object of these kinds in these namespaces (`*`: all), one page at a time."""
    result, gate = LiveRead(), asyncio.Semaphore(MAX_CONCURRENT_READS)

    async def read_one(kind: Kind, namespace: str) -> None:
        async with gate:
            try:
                await _visit_pages(api, kind, namespace, visit)
            except Forbidden:
                result.unread.add(kind)
            except (ObjectNotFound, VeleroMissing):
                return

    is_cluster_wide = "*" in namespaces or len(namespaces) > MAX_NAMESPACES_LISTED_ONE_BY_ONE
    spaces = [""] if is_cluster_wide else sorted(namespaces)
    await asyncio.gather(
        *(read_one(kind, space) for kind in kinds for space in (spaces if kind.namespaced else [""])),
    )
    return result


async def _visit_pages(api: Api, kind: Kind, namespace: str, visit: Callable[[Kind, Json], None]) -> None:
    """Read all pages, of all namespaces if none is given; start once more if the list expired between two pages."""
    listed_kind = (
        kind if namespace or not kind.namespaced else Kind(kind.name, kind.plural, kind.group, kind.version, False)
    )
    gateway: Gateway[None] = Gateway(api, listed_kind, lambda source: visit(kind, source), namespace)
    try:
        async for _ in gateway.pages(limit=PAGE_OBJECTS):
            await asyncio.sleep(0)
    except ResourceVersionExpired:
        async for _ in gateway.pages(limit=PAGE_OBJECTS):
            await asyncio.sleep(0)
