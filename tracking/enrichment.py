"""Adds to an event what the object store has about it: the first errors, a hint, volumes without data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from commands.planning.hints import find_hint
from commands.restore.outcome import line, routine_line, summarize_restore
from domain.errors import ClusterError, DownloadError
from domain.event import Event
from velero.artifacts.results import ResultEntry
from velero.artifacts.volumes import Volume
from velero.cluster import Cluster

MAX_ERRORS_SHOWN = 5
CHECK = "kubectl get pods,pvc -A -l velero.io/restore-name={name}"
MAX_LABEL_LENGTH = 63
"""Velero shortens longer names in labels."""


async def enrich(event: Event, cluster: Cluster) -> Mapping[str, Any]:
    """Never raises: what can't be read is left out."""
    noun, _, what = event.kind.partition(".")
    if what in {"failed-validation", "deleted", "gone", "removed", "stuck-in-queue"}:
        return _with_hint({}, _event_texts(event))
    restore = noun == "restore"
    found: dict[str, Any] = {}
    if restore:
        found |= await _restore_results(event, cluster)
    elif what in {"failed", "partially-failed"}:
        found |= await _backup_errors(event.object_name, cluster)
    if noun == "backup" and what in {"completed", "partially-failed"}:
        found |= await _volumes(event.object_name, cluster)
    return _with_hint(found, [*_event_texts(event), *found.get("errors", [])])


def _event_texts(event: Event) -> list[str]:
    texts = [
        event.facts.get("failure_reason"),
        *(event.facts.get("validation_errors") or []),
        event.facts.get("message"),
    ]
    return [str(each) for each in texts if each]


def _with_hint(found: dict[str, Any], texts: list[str]) -> Mapping[str, Any]:
    advice = found.get("hint") or find_hint(texts)
    return {**found, "hint": advice} if advice else found


async def _restore_results(event: Event, cluster: Cluster) -> dict[str, Any]:
    """Errors in groups, warnings that matter, routine warnings in one line, and the next step."""
    name = event.object_name
    check = CHECK.format(name=name) if len(name) <= MAX_LABEL_LENGTH else ""
    if not (event.facts.get("errors") or event.facts.get("warnings")):
        return {"check": check} if event.kind.endswith(".completed") else {}
    try:
        results = await cluster.artifacts.results(name, restore=True)
    except (DownloadError, ClusterError):
        return {"check": check}
    found = summarize_restore(results)
    return {
        "errors": [line(group) for group in found.errors[:MAX_ERRORS_SHOWN]],
        "more_errors": max(0, len(found.errors) - MAX_ERRORS_SHOWN),
        "results": by_namespace(results.errors),
        "warnings": [line(group) for group in found.warnings[:MAX_ERRORS_SHOWN]],
        "routine": routine_line(found),
        "check": check,
        "hint": found.next_step,
    }


async def _backup_errors(name: str, cluster: Cluster) -> dict[str, Any]:
    try:
        results = await cluster.artifacts.results(name)
    except (DownloadError, ClusterError):
        return {}
    texts = [_text(entry) for entry in results.errors]
    return {
        "errors": texts[:MAX_ERRORS_SHOWN],
        "more_errors": max(0, len(texts) - MAX_ERRORS_SHOWN),
        "results": by_namespace(results.errors),
    }


def by_namespace(entries: Sequence[ResultEntry]) -> dict[str, Any]:
    """The first errors of each namespace, in the shape of a results file, for receivers that may see only some namespaces."""
    namespaces: dict[str, list[str]] = {}
    of_all: list[str] = []
    for entry in entries:
        texts = namespaces.setdefault(entry.scope, []) if entry.scope else of_all
        if len(texts) < MAX_ERRORS_SHOWN:
            texts.append(_text(entry))
    return {"cluster": of_all, "namespaces": namespaces}


def _text(entry: ResultEntry) -> str:
    return f"{entry.subject}: {entry.message}" if entry.subject else entry.message


async def _volumes(name: str, cluster: Cluster) -> dict[str, Any]:
    try:
        volumes = await cluster.artifacts.volumes(name)
    except (DownloadError, ClusterError):
        return {}
    without_data = [volume for volume in volumes if not volume.has_data]
    return {
        "volumes": len(volumes),
        "unprotected": [_without_data(volume) for volume in without_data],
    }


def _without_data(volume: Volume) -> str:
    why = f": {'; '.join(volume.why)}" if volume.why else ""
    kind = "PVC" if volume.pvc else "Volume"
    return f"{kind} {volume.shown} has no data in this backup{why}"
