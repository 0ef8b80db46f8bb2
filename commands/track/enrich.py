"""What is found out beside an event, from the object store: the first real errors, a hint, volumes without data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commands.track.hints import hint
from domain.errors import ClusterError, DownloadError
from domain.event import Event
from velero.cluster import Cluster
from velero.volumes import Volume

FIRST = 5


async def enrich(event: Event, cluster: Cluster) -> Mapping[str, Any]:
    """Never raises: what cannot be read is left out."""
    noun, _, what = event.kind.partition(".")
    if what in {"failed-validation", "deleted", "gone", "removed", "stuck-in-queue"}:
        return _hinted({}, _own(event))
    restore = noun == "restore"
    found: dict[str, Any] = {}
    if what in {"failed", "partially-failed"}:
        found |= await _errors(event.object_name, cluster, restore=restore)
    if noun == "backup" and what in {"completed", "partially-failed"}:
        found |= await _volumes(event.object_name, cluster)
    return _hinted(found, [*_own(event), *found.get("errors", [])])


def _own(event: Event) -> list[str]:
    said = [
        event.facts.get("failure_reason"),
        *(event.facts.get("validation_errors") or []),
        event.facts.get("message"),
    ]
    return [str(each) for each in said if each]


def _hinted(found: dict[str, Any], texts: list[str]) -> Mapping[str, Any]:
    advice = hint(texts)
    return {**found, "hint": advice} if advice else found


async def _errors(name: str, cluster: Cluster, *, restore: bool) -> dict[str, Any]:
    try:
        results = await cluster.artifacts.results(name, restore=restore)
    except (DownloadError, ClusterError):
        return {}
    texts = [f"{entry.subject}: {entry.message}" if entry.subject else entry.message for entry in results.errors]
    return {"errors": texts[:FIRST], "more_errors": max(0, len(texts) - FIRST)}


async def _volumes(name: str, cluster: Cluster) -> dict[str, Any]:
    try:
        volumes = await cluster.artifacts.volumes(name)
    except (DownloadError, ClusterError):
        return {}
    bare = [volume for volume in volumes if not volume.saved]
    return {
        "volumes": len(volumes),
        "unprotected": [_bare(volume) for volume in bare],
    }


def _bare(volume: Volume) -> str:
    why = f": {'; '.join(volume.why)}" if volume.why else ""
    return f"{volume.shown} has no data in this backup{why}"
