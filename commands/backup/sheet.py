"""Everything that `velero backup describe --details` shows, as lines of a file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping

from commands import moments
from commands.backup.findings import Findings, printed
from commands.selectors import words_of
from velero.results import Entry, grouped

Json = moments.Json

_SPEC = (
    ("Namespaces included", "includedNamespaces", "*"),
    ("Namespaces excluded", "excludedNamespaces", "<none>"),
    ("Resources included", "includedResources", "*"),
    ("Resources excluded", "excludedResources", "<none>"),
    ("Cluster-scoped included", "includedClusterScopedResources", "<none>"),
    ("Cluster-scoped excluded", "excludedClusterScopedResources", "<none>"),
    ("Namespace-scoped included", "includedNamespaceScopedResources", "*"),
    ("Namespace-scoped excluded", "excludedNamespaceScopedResources", "<none>"),
    ("Cluster resources", "includeClusterResources", "auto"),
    ("Snapshot volumes", "snapshotVolumes", "auto"),
    ("Move snapshot data", "snapshotMoveData", "auto"),
    ("File-system backup for all volumes", "defaultVolumesToFsBackup", "auto"),
    ("Data mover", "datamover", "velero"),
    ("Storage location", "storageLocation", "<default>"),
    ("Snapshot locations", "volumeSnapshotLocations", "<none>"),
    ("TTL", "ttl", "<server default>"),
    ("CSI snapshot timeout", "csiSnapshotTimeout", "<server default>"),
    ("Item operation timeout", "itemOperationTimeout", "<server default>"),
)


def lines(found: Findings, zone: str = "UTC", *, details: bool = False) -> list[str]:
    item, status = found.item, moments.status(found.item)
    said = [
        *_pairs(
            (
                ("Name", moments.name(item)),
                ("Namespace", str((item.get("metadata") or {}).get("namespace", ""))),
                ("Labels", _map(moments.labels(item))),
                ("Annotations", _map(moments.remarks(item))),
                ("Phase", moments.phase(item)),
            )
        ),
        "",
        *_pairs((label, _value(moments.spec(item).get(field), default)) for label, field, default in _SPEC),
        *_pairs((("Label selector", selector_of(item)), ("Resource policy", _policy(item)))),
        *_ordered(item),
        "",
        *_pairs(
            (
                ("Format version", str(status.get("formatVersion") or "-")),
                ("Started", moments.at(moments.moment(status.get("startTimestamp")), zone)),
                ("Completed", moments.at(moments.moment(status.get("completionTimestamp")), zone)),
                ("Expiration", moments.at(moments.moment(status.get("expiration")), zone)),
                ("Items", items_of(item)),
                ("Errors", str(moments.number(status.get("errors")))),
                ("Warnings", str(moments.number(status.get("warnings")))),
            )
        ),
        *_results(found),
        *_volumes(found),
        *_hooks(found),
        *_operations(found),
        *_deletions(found),
    ]
    return [*said, *(_resources(found) if details else [])]


def items_of(item: Json) -> str:
    progress = moments.status(item).get("progress") or {}
    done, total = moments.number(progress.get("itemsBackedUp")), moments.number(progress.get("totalItems"))
    return f"{done} of {total}" if progress else "-"


def total_of(item: Json) -> int:
    return moments.number((moments.status(item).get("progress") or {}).get("totalItems"))


def _pairs(rows: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{label + ':':<36} {value}" for label, value in rows]


def _value(value: object, default: str) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or default
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if value not in (None, "") else default


def _map(pairs: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(pairs.items())) or "<none>"


def selector_of(item: Json) -> str:
    spec = moments.spec(item)
    several = [words_of(one) for one in spec.get("orLabelSelectors") or []]
    return " or ".join(several) or words_of(spec.get("labelSelector") or {}) or "<none>"


def _policy(item: Json) -> str:
    reference = moments.spec(item).get("resourcePolicy")
    return str(reference.get("name")) if isinstance(reference, dict) else "<none>"


def _ordered(item: Json) -> list[str]:
    ordered = moments.spec(item).get("orderedResources") or {}
    return ["Ordered resources:", *(f"  {kind}: {names}" for kind, names in sorted(ordered.items()))] if ordered else []


def _results(found: Findings) -> list[str]:
    if found.results is None:
        return []
    return [
        *_entries("Errors", found.results.errors),
        *_entries("Warnings", found.results.warnings),
    ]


def _entries(title: str, entries: tuple[Entry, ...]) -> list[str]:
    if not entries:
        return []
    said = ["", f"{title}:"]
    for group in grouped(entries):
        said.append(f"  {len(group.entries)} × {group.message}")
        said += [f"    {entry.subject}" for entry in group.entries if entry.subject]
        said += [f"      {line}" for line in group.entries[0].detail.splitlines()[:20]]
    return said


def _volumes(found: Findings) -> list[str]:
    if found.volumes is None:
        return []
    said = ["", "Volumes:"]
    for one in found.volumes:
        size = f", {moments.size(one.size)}" if one.size else ""
        said.append(f"  {one.shown}: {one.data.value} by {one.method or 'nothing'}{size}")
        said += [f"    {why}" for why in one.why]
    return said if found.volumes else [*said, "  <none included>"]


def _hooks(found: Findings) -> list[str]:
    counts = moments.status(found.item).get("hookStatus") or {}
    said: list[str] = []
    if counts:
        tried, failed = moments.number(counts.get("hooksAttempted")), moments.number(counts.get("hooksFailed"))
        said = ["", "Hooks:", f"  attempted {tried}, failed {failed}"]
    for run in found.hooks:
        where = "/".join(part for part in (run.namespace, run.pod, run.container) if part)
        said.append(f"  {run.phase} {run.name} {where}: {run.command}".rstrip())
        said += [f"    {line}" for line in printed(run).splitlines()[:50]]
    return said


def _operations(found: Findings) -> list[str]:
    if not found.operations:
        return []
    said = ["", "Operations of plugins:"]
    for one in found.operations:
        progress = f" {one.done}/{one.total} {one.units}".rstrip() if one.total else ""
        said.append(f"  {one.resource} {one.namespace}/{one.name}: {one.phase}{progress} ({one.action})")
        said += [f"    {one.error}"] if one.error else []
    return said


def _deletions(found: Findings) -> list[str]:
    if not found.deletions:
        return []
    said = ["", "Requests to delete it:"]
    for one in found.deletions:
        errors = "; ".join(map(str, moments.status(one).get("errors") or []))
        said.append(f"  {moments.name(one)}: {moments.phase(one)} {errors}".rstrip())
    return said


def _resources(found: Findings) -> list[str]:
    if found.listed is None:
        return []
    said = ["", f"Resources ({len(found.listed)}):"]
    counts = Counter(f"{one.api_version}/{one.kind}" for one in found.listed)
    for kind in sorted(counts):
        said.append(f"  {kind} ({counts[kind]}):")
        said += [
            f"    {'/'.join(part for part in (one.namespace, one.name) if part)}"
            for one in found.listed
            if f"{one.api_version}/{one.kind}" == kind
        ]
    return said


def as_json(found: Findings) -> str:
    """For one backup, as `describe -o json` of the CLI: its parts under their names."""
    volumes = [
        {"volume": one.shown, "data": one.data.value, "method": one.method, "why": list(one.why), "size": one.size}
        for one in found.volumes or ()
    ]
    results = found.results
    shown = {
        "metadata": {key: found.item["metadata"].get(key) for key in ("name", "namespace", "labels", "annotations")},
        "phase": moments.phase(found.item),
        "spec": moments.spec(found.item),
        "status": moments.status(found.item),
        "volumes": volumes,
        "errors": [f"{one.subject}: {one.message}" for one in results.errors] if results else [],
        "warnings": [f"{one.subject}: {one.message}" for one in results.warnings] if results else [],
        "hooks": [{"pod": run.pod, "command": run.command, "output": printed(run)} for run in found.hooks],
        "resources": [f"{one.api_version}/{one.kind} {one.namespace}/{one.name}" for one in found.listed or ()],
    }
    return json.dumps(shown, indent=2, default=str)
