"""Everything that `velero backup describe --details` shows, as lines of a file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping

from commands.backup.findings import BackupFindings, redacted_output
from commands.planning import object_fields
from domain.json_types import Json
from domain.selectors import format_selector
from velero.artifacts.results import ResultEntry, group_by_message

_SPEC = (
    ("Namespaces included", "includedNamespaces", "*"),
    ("Namespaces excluded", "excludedNamespaces", "<none>"),
    ("Resources included", "includedResources", "*"),
    ("Resources excluded", "excludedResources", "<none>"),
    ("Cluster-scoped resources included", "includedClusterScopedResources", "<none>"),
    ("Cluster-scoped resources excluded", "excludedClusterScopedResources", "<none>"),
    ("Namespace-scoped resources included", "includedNamespaceScopedResources", "*"),
    ("Namespace-scoped resources excluded", "excludedNamespaceScopedResources", "<none>"),
    ("Cluster resources", "includeClusterResources", "auto"),
    ("Volume snapshots", "snapshotVolumes", "auto"),
    ("Snapshot data movement", "snapshotMoveData", "auto"),
    ("File-system backup for all pod volumes", "defaultVolumesToFsBackup", "auto"),
    ("Data mover", "datamover", "velero"),
    ("Storage location", "storageLocation", "<default>"),
    ("Volume snapshot locations", "volumeSnapshotLocations", "<none>"),
    ("TTL", "ttl", "<server default>"),
    ("CSI snapshot timeout", "csiSnapshotTimeout", "<server default>"),
    ("Item operation timeout", "itemOperationTimeout", "<server default>"),
)


def detail_lines(found: BackupFindings, zone: str = "UTC", *, details: bool = False) -> list[str]:
    item, status = found.item, object_fields.status(found.item)
    said = [
        *_pairs(
            (
                ("Name", object_fields.name(item)),
                ("Namespace", str((item.get("metadata") or {}).get("namespace", ""))),
                ("Labels", _map(object_fields.labels(item))),
                ("Annotations", _map(object_fields.annotations_of(item))),
                ("Phase", object_fields.phase(item)),
            )
        ),
        "",
        *_pairs((label, _value(object_fields.spec(item).get(field), default)) for label, field, default in _SPEC),
        *_pairs((("Label selector", selector_text(item)), ("Resource policy", _policy(item)))),
        *_ordered(item),
        "",
        *_pairs(
            (
                ("Format version", str(status.get("formatVersion") or "-")),
                ("Started", object_fields.format_time(object_fields.parse_time(status.get("startTimestamp")), zone)),
                (
                    "Completed",
                    object_fields.format_time(object_fields.parse_time(status.get("completionTimestamp")), zone),
                ),
                ("Expires", object_fields.format_time(object_fields.parse_time(status.get("expiration")), zone)),
                ("Items", items_text(item)),
                ("Errors", str(object_fields.number(status.get("errors")))),
                ("Warnings", str(object_fields.number(status.get("warnings")))),
            )
        ),
        *_results(found),
        *_volumes(found),
        *_hooks(found),
        *_operations(found),
        *_deletions(found),
    ]
    return [*said, *(_resources(found) if details else [])]


def items_text(item: Json) -> str:
    progress = object_fields.status(item).get("progress") or {}
    done, total = object_fields.number(progress.get("itemsBackedUp")), object_fields.number(progress.get("totalItems"))
    return f"{done} of {total}" if progress else "-"


def total_items(item: Json) -> int:
    return object_fields.number((object_fields.status(item).get("progress") or {}).get("totalItems"))


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


def selector_text(item: Json) -> str:
    spec = object_fields.spec(item)
    several = [format_selector(one) for one in spec.get("orLabelSelectors") or []]
    return " or ".join(several) or format_selector(spec.get("labelSelector") or {}) or "<none>"


def _policy(item: Json) -> str:
    reference = object_fields.spec(item).get("resourcePolicy")
    return str(reference.get("name")) if isinstance(reference, dict) else "<none>"


def _ordered(item: Json) -> list[str]:
    ordered = object_fields.spec(item).get("orderedResources") or {}
    return ["Ordered resources:", *(f"  {kind}: {names}" for kind, names in sorted(ordered.items()))] if ordered else []


def _results(found: BackupFindings) -> list[str]:
    if found.results is None:
        return []
    return [
        *_entries("Errors", found.results.errors),
        *_entries("Warnings", found.results.warnings),
    ]


def _entries(title: str, entries: tuple[ResultEntry, ...]) -> list[str]:
    if not entries:
        return []
    said = ["", f"{title}:"]
    for group in group_by_message(entries):
        said.append(f"  {len(group.entries)} × {group.message}")
        said += [f"    {entry.subject}" for entry in group.entries if entry.subject]
        said += [f"      {line}" for line in group.entries[0].detail.splitlines()[:20]]
    return said


def _volumes(found: BackupFindings) -> list[str]:
    if found.volumes is None:
        return []
    said = ["", "Volumes:"]
    for one in found.volumes:
        size = f", {object_fields.format_size(one.size)}" if one.size else ""
        said.append(f"  {one.shown}: {one.data.value} by {one.method or 'nothing'}{size}")
        said += [f"    {why}" for why in one.why]
    return said if found.volumes else [*said, "  <none included>"]


def _hooks(found: BackupFindings) -> list[str]:
    counts = object_fields.status(found.item).get("hookStatus") or {}
    said: list[str] = []
    if counts:
        tried, failed = (
            object_fields.number(counts.get("hooksAttempted")),
            object_fields.number(counts.get("hooksFailed")),
        )
        said = ["", "Hooks:", f"    attempted: {tried}, failed: {failed}"]
    for run in found.hooks:
        where = "/".join(part for part in (run.namespace, run.pod, run.container) if part)
        said.append(f"  {run.phase} {run.name} {where}: {run.command}".rstrip())
        said += [f"    {line}" for line in redacted_output(run).splitlines()[:50]]
    return said


def _operations(found: BackupFindings) -> list[str]:
    if not found.operations:
        return []
    said = ["", "Plugin operations:"]
    for one in found.operations:
        progress = f" {one.done}/{one.total} {one.units}".rstrip() if one.total else ""
        said.append(f"  {one.resource} {one.namespace}/{one.name}: {one.phase}{progress} ({one.action})")
        said += [f"    {one.error}"] if one.error else []
    return said


def _deletions(found: BackupFindings) -> list[str]:
    if not found.deletions:
        return []
    said = ["", "Deletion requests:"]
    for one in found.deletions:
        errors = "; ".join(map(str, object_fields.status(one).get("errors") or []))
        said.append(f"  {object_fields.name(one)}: {object_fields.phase(one)} {errors}".rstrip())
    return said


def _resources(found: BackupFindings) -> list[str]:
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


def as_json(found: BackupFindings) -> str:
    """For one backup, as `describe -o json` of the CLI: its parts under their names."""
    volumes = [
        {"volume": one.shown, "data": one.data.value, "method": one.method, "why": list(one.why), "size": one.size}
        for one in found.volumes or ()
    ]
    results = found.results
    shown = {
        "metadata": {key: found.item["metadata"].get(key) for key in ("name", "namespace", "labels", "annotations")},
        "phase": object_fields.phase(found.item),
        "spec": object_fields.spec(found.item),
        "status": object_fields.status(found.item),
        "volumes": volumes,
        "errors": [f"{one.subject}: {one.message}" for one in results.errors] if results else [],
        "warnings": [f"{one.subject}: {one.message}" for one in results.warnings] if results else [],
        "hooks": [{"pod": run.pod, "command": run.command, "output": redacted_output(run)} for run in found.hooks],
        "resources": [f"{one.api_version}/{one.kind} {one.namespace}/{one.name}" for one in found.listed or ()],
    }
    return json.dumps(shown, indent=2, default=str)
