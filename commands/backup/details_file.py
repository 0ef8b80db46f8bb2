"""The file that `backup describe` attaches: everything that `velero backup describe --details` shows, line by line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from commands.backup.findings import DATA_LABELS, BackupFindings, redacted_output
from commands.planning import object_fields
from domain.json_types import Json
from domain.selectors import format_selector
from velero.artifacts.resource_list import ListedItem
from velero.artifacts.results import ResultEntry, group_by_message

_SPEC_ROWS = (
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


def detail_lines(findings: BackupFindings, zone: str = "UTC", *, details: bool = False) -> list[str]:
    item, status = findings.item, object_fields.status(findings.item)
    lines = [
        *_pairs(
            (
                ("Name", object_fields.name(item)),
                ("Namespace", str((item.get("metadata") or {}).get("namespace", ""))),
                ("Labels", _map_text(object_fields.labels(item))),
                ("Annotations", _map_text(object_fields.annotations_of(item))),
                ("Phase", object_fields.phase(item)),
            )
        ),
        "",
        *_pairs((label, _value(object_fields.spec(item).get(field), default)) for label, field, default in _SPEC_ROWS),
        *_pairs((("Label selector", selector_text(item)), ("Resource policy", _policy_name(item)))),
        *_ordered_resources(item),
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
        *_results(findings),
        *_volumes(findings),
        *_hooks(findings),
        *_operations(findings),
        *_deletions(findings),
    ]
    return [*lines, *(_resources(findings) if details else [])]


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


def _map_text(pairs: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(pairs.items())) or "<none>"


def selector_text(item: Json) -> str:
    spec = object_fields.spec(item)
    several = [format_selector(one) for one in spec.get("orLabelSelectors") or []]
    return " or ".join(several) or format_selector(spec.get("labelSelector") or {}) or "<none>"


def _policy_name(item: Json) -> str:
    reference = object_fields.spec(item).get("resourcePolicy")
    return str(reference.get("name")) if isinstance(reference, dict) else "<none>"


def _ordered_resources(item: Json) -> list[str]:
    ordered = object_fields.spec(item).get("orderedResources") or {}
    return ["Ordered resources:", *(f"  {kind}: {names}" for kind, names in sorted(ordered.items()))] if ordered else []


def _results(findings: BackupFindings) -> list[str]:
    if findings.results is None:
        return []
    return [
        *_entries("Errors", findings.results.errors),
        *_entries("Warnings", findings.results.warnings),
    ]


def _entries(title: str, entries: tuple[ResultEntry, ...]) -> list[str]:
    if not entries:
        return []
    lines = ["", f"{title}:"]
    for group in group_by_message(entries):
        lines.append(f"  {len(group.entries)} × {group.message}")
        lines += [f"    {entry.subject}" for entry in group.entries if entry.subject]
        lines += [f"      {line}" for line in group.entries[0].detail.splitlines()[:20]]
    return lines


def _volumes(findings: BackupFindings) -> list[str]:
    if findings.volumes is None:
        return []
    lines = ["", "Volumes:"]
    for one in findings.volumes:
        size = f", {object_fields.format_size(one.size)}" if one.size else ""
        method = f" ({one.method})" if one.method else ""
        lines.append(f"  {one.shown}: {DATA_LABELS[one.data]}{method}{size}")
        lines += [f"    {why}" for why in one.why]
    return lines if findings.volumes else [*lines, "  <none included>"]


def _hooks(findings: BackupFindings) -> list[str]:
    counts = object_fields.status(findings.item).get("hookStatus") or {}
    lines: list[str] = []
    if counts:
        attempted, failed = (
            object_fields.number(counts.get("hooksAttempted")),
            object_fields.number(counts.get("hooksFailed")),
        )
        lines = ["", "Hooks:", f"    attempted: {attempted}, failed: {failed}"]
    for run in findings.hooks:
        where = "/".join(part for part in (run.namespace, run.pod, run.container) if part)
        lines.append(f"  {run.phase} {run.name} {where}: {run.command}".rstrip())
        lines += [f"    {line}" for line in redacted_output(run).splitlines()[:50]]
    return lines


def _operations(findings: BackupFindings) -> list[str]:
    if not findings.operations:
        return []
    lines = ["", "Plugin operations:"]
    for one in findings.operations:
        progress = f" {one.done}/{one.total} {one.units}".rstrip() if one.total else ""
        lines.append(f"  {one.resource} {one.namespace}/{one.name}: {one.phase}{progress} ({one.action})")
        lines += [f"    {one.error}"] if one.error else []
    return lines


def _deletions(findings: BackupFindings) -> list[str]:
    if not findings.deletions:
        return []
    lines = ["", "Deletion requests:"]
    for one in findings.deletions:
        errors = "; ".join(map(str, object_fields.status(one).get("errors") or []))
        lines.append(f"  {object_fields.name(one)}: {object_fields.phase(one)} {errors}".rstrip())
    return lines


def _resources(findings: BackupFindings) -> list[str]:
    if findings.listed is None:
        return []
    by_kind: dict[str, list[str]] = {}
    for one in findings.listed:
        by_kind.setdefault(f"{one.api_version}/{one.kind}", []).append(_location(one))
    lines = ["", f"Resources ({len(findings.listed)}):"]
    for kind in sorted(by_kind):
        lines += [f"  {kind} ({len(by_kind[kind])}):", *by_kind.pop(kind)]
    return lines


def _location(one: ListedItem) -> str:
    return f"    {'/'.join(part for part in (one.namespace, one.name) if part)}"


def as_json(findings: BackupFindings) -> str:
    """Return one backup as the CLI's `describe -o json` does: each part under its name."""
    volumes = [
        {"volume": one.shown, "data": one.data.value, "method": one.method, "why": list(one.why), "size": one.size}
        for one in findings.volumes or ()
    ]
    results = findings.results
    shown = {
        "metadata": {key: findings.item["metadata"].get(key) for key in ("name", "namespace", "labels", "annotations")},
        "phase": object_fields.phase(findings.item),
        "spec": object_fields.spec(findings.item),
        "status": object_fields.status(findings.item),
        "volumes": volumes,
        "errors": [f"{one.subject}: {one.message}" for one in results.errors] if results else [],
        "warnings": [f"{one.subject}: {one.message}" for one in results.warnings] if results else [],
        "hooks": [{"pod": run.pod, "command": run.command, "output": redacted_output(run)} for run in findings.hooks],
        "resources": [f"{one.api_version}/{one.kind} {one.namespace}/{one.name}" for one in findings.listed or ()],
    }
    return json.dumps(shown, indent=2, default=str)
