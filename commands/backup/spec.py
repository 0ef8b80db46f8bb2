"""What a backup takes and keeps: the flags and the BackupSpec that `backup create` and `schedule create` share.

Source of every rule: velero CLI v1.18 `backup create` (Validate, BuildBackup) and ValidateNamespaceIncludesExcludes.
"""

from __future__ import annotations

import re

from commands.grammar.command import Command
from commands.grammar.flags import (
    DURATION,
    FREE_TEXT,
    INT,
    OPTIONAL_BOOL,
    OR_SELECTOR,
    PAIRS,
    SELECTOR,
    STRING_SLICE,
    STRINGS,
    TEXT,
    Flag,
    choice,
)
from commands.planning.facts import Facts, Need, ObjectNeed
from domain.duration import format_go
from domain.duration import parse as parse_duration
from domain.errors import NotFound, UsageError
from domain.json_types import Json

FLAGS: tuple[Flag, ...] = (
    Flag(
        "include-namespaces",
        STRINGS,
        "Namespaces to include; globs allowed, '*' for all",
        group="Scope",
        source="namespaces",
    ),
    Flag("exclude-namespaces", STRINGS, "Namespaces to exclude", group="Scope", source="namespaces"),
    Flag("include-resources", STRINGS, "Resources to include, as resource.group; '*' for all", group="Scope"),
    Flag("exclude-resources", STRINGS, "Resources to exclude, as resource.group", group="Scope"),
    Flag("include-cluster-resources", OPTIONAL_BOOL, "Include cluster-scoped resources", group="Scope"),
    Flag("include-cluster-scoped-resources", STRINGS, "Cluster-scoped resources to include", group="Scope"),
    Flag("exclude-cluster-scoped-resources", STRINGS, "Cluster-scoped resources to exclude", group="Scope"),
    Flag("include-namespace-scoped-resources", STRINGS, "Namespace-scoped resources to include", group="Scope"),
    Flag("exclude-namespace-scoped-resources", STRINGS, "Namespace-scoped resources to exclude", group="Scope"),
    Flag("selector", SELECTOR, "Include only objects that match this label selector", short="l", group="Scope"),
    Flag(
        "or-selector",
        OR_SELECTOR,
        "Include objects that match any of these selectors, separated by ' or '",
        group="Scope",
    ),
    Flag(
        "ordered-resources",
        TEXT,
        "Backup order within a resource: 'pods=ns/a,ns/b;persistentvolumes=pv1'",
        group="Scope",
    ),
    Flag("snapshot-volumes", OPTIONAL_BOOL, "Take volume snapshots", group="Volumes"),
    Flag("snapshot-move-data", OPTIONAL_BOOL, "Move snapshot data to the object store", group="Volumes"),
    Flag("default-volumes-to-fs-backup", OPTIONAL_BOOL, "Use file-system backup for all pod volumes", group="Volumes"),
    Flag("data-mover", TEXT, "Data mover. Default: velero (built in)", group="Volumes"),
    Flag("parallel-files-upload", INT, "Number of files uploaded in parallel (kopia)", group="Volumes"),
    Flag("csi-snapshot-timeout", DURATION, "Maximum time for a CSI snapshot", group="Volumes"),
    Flag("item-operation-timeout", DURATION, "Maximum time for asynchronous plugin operations", group="Volumes"),
    Flag("resource-policies-configmap", TEXT, "ConfigMap with resource policies", group="Volumes"),
    Flag("storage-location", TEXT, "Storage location for the backup", group="Storage", source="backupstoragelocations"),
    Flag(
        "volume-snapshot-locations",
        STRING_SLICE,
        "Volume snapshot locations, one per provider",
        group="Storage",
        source="volumesnapshotlocations",
    ),
    Flag("ttl", DURATION, "Retention, for example 30d, 2w, 6mo, 1y or 720h", group="Retention"),
    Flag("labels", PAIRS, "Labels to set on the object", group="Metadata"),
    Flag("annotations", PAIRS, "Annotations to set on the object", group="Metadata"),
)

OUR_FLAGS: tuple[Flag, ...] = (
    Flag("namespaces", TEXT, "Namespace preset: all, production or non-production", group="Scope", ours=True),
    Flag("description", FREE_TEXT, "Purpose of the object (at most 300 characters)", group="Metadata", ours=True),
    Flag("resource-policy", TEXT, "Resource policy as YAML", group="Volumes", ours=True),
    Flag(
        "type", choice("full", "partial"), "Back up all applications (full) or one (partial)", group="Scope", ours=True
    ),
    Flag("app", TEXT, "Application for a partial backup", group="Scope", ours=True),
)

_OLD = ("include-resources", "exclude-resources")
_SCOPED = (
    "include-cluster-scoped-resources",
    "exclude-cluster-scoped-resources",
    "include-namespace-scoped-resources",
    "exclude-namespace-scoped-resources",
)
_LISTS = {
    "exclude-namespaces": "excludedNamespaces",
    "include-resources": "includedResources",
    "exclude-resources": "excludedResources",
    "include-cluster-scoped-resources": "includedClusterScopedResources",
    "exclude-cluster-scoped-resources": "excludedClusterScopedResources",
    "include-namespace-scoped-resources": "includedNamespaceScopedResources",
    "exclude-namespace-scoped-resources": "excludedNamespaceScopedResources",
    "volume-snapshot-locations": "volumeSnapshotLocations",
}
_SWITCHES = {
    "include-cluster-resources": "includeClusterResources",
    "snapshot-volumes": "snapshotVolumes",
    "snapshot-move-data": "snapshotMoveData",
    "default-volumes-to-fs-backup": "defaultVolumesToFsBackup",
}


SPEC_FIELDS = {
    "include-namespaces": "includedNamespaces",
    "exclude-namespaces": "excludedNamespaces",
    "include-resources": "includedResources",
    "exclude-resources": "excludedResources",
    "include-cluster-resources": "includeClusterResources",
    "include-cluster-scoped-resources": "includedClusterScopedResources",
    "exclude-cluster-scoped-resources": "excludedClusterScopedResources",
    "include-namespace-scoped-resources": "includedNamespaceScopedResources",
    "exclude-namespace-scoped-resources": "excludedNamespaceScopedResources",
    "selector": "labelSelector",
    "or-selector": "orLabelSelectors",
    "ordered-resources": "orderedResources",
    "snapshot-volumes": "snapshotVolumes",
    "snapshot-move-data": "snapshotMoveData",
    "default-volumes-to-fs-backup": "defaultVolumesToFsBackup",
    "data-mover": "datamover",
    "parallel-files-upload": "uploaderConfig",
    "csi-snapshot-timeout": "csiSnapshotTimeout",
    "item-operation-timeout": "itemOperationTimeout",
    "resource-policies-configmap": "resourcePolicy",
    "storage-location": "storageLocation",
    "volume-snapshot-locations": "volumeSnapshotLocations",
    "ttl": "ttl",
}
"""Flag → field of the BackupSpec."""


def cli_lookups(cmd: Command) -> list[Need]:
    """What the CLI looks up before it writes."""
    wants: list[Need] = []
    if cmd.text("storage-location"):
        wants.append(ObjectNeed("backupstoragelocations", cmd.text("storage-location")))
    return wants + [ObjectNeed("volumesnapshotlocations", name) for name in cmd.strings("volume-snapshot-locations")]


def check_command(cmd: Command, facts: Facts) -> None:
    """What the CLI refuses. Raises UsageError or Unknown."""
    if cmd.selector("selector") is not None and "or-selector" in cmd.flags:
        raise UsageError("--selector and --or-selector can't be combined.", fix="Use one of them.")
    check_namespaces(namespaces(cmd), cmd.strings("exclude-namespaces"), facts)
    old = any(cmd.strings(flag) for flag in _OLD) or cmd.optional_bool("include-cluster-resources") is not None
    scoped = [flag for flag in _SCOPED if cmd.strings(flag)]
    if old and scoped:
        raise UsageError(
            f"--{scoped[0]} can't be combined with --include-resources, --exclude-resources or --include-cluster-resources.",
            why="Velero accepts either the old or the new resource filters, not both.",
        )
    check_locations(cmd, facts)
    negative = cmd.nanoseconds("ttl") < 0
    if negative:
        raise UsageError("--ttl can't be negative.", why="Velero would delete the backup as soon as it completes.")


def check_locations(cmd: Command, facts: Facts) -> None:
    name = cmd.text("storage-location")
    if name and facts.is_absent("backupstoragelocations", name):
        raise NotFound(
            f"Storage location `{name}` doesn't exist.", nearest=facts.nearest("backupstoragelocations", name)
        )
    for snapshot in cmd.strings("volume-snapshot-locations"):
        if facts.is_absent("volumesnapshotlocations", snapshot):
            near = facts.nearest("volumesnapshotlocations", snapshot)
            raise NotFound(f"Snapshot location `{snapshot}` doesn't exist.", nearest=near)


def namespaces(cmd: Command) -> list[str]:
    return cmd.strings("include-namespaces") if cmd.has_flag("include-namespaces") else ["*"]


_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
MAX_NAMESPACE_LENGTH = 63


def check_namespaces(included: list[str], excluded: list[str], facts: Facts | None = None) -> None:
    if len(set(included)) > 1 and "*" in included:
        raise UsageError("'*' can't be combined with other namespaces.", why="It already includes all namespaces.")
    if "*" in excluded:
        raise UsageError(
            "--exclude-namespaces '*' would exclude all namespaces.", fix="List the namespaces to exclude."
        )
    both = sorted(set(included) & set(excluded))
    if both:
        raise UsageError(f"Namespace `{both[0]}` is both included and excluded.")
    for name in sorted({*included, *excluded}):
        fault = namespace_error(name)
        if fault:
            near = facts.nearest("namespaces", name.lower()) if facts is not None else ()
            raise UsageError(
                f"`{name}` isn't a valid namespace name.",
                why=fault,
                nearest=near,
                fix="Use names of namespaces, for example `shop`.",
            )


def namespace_error(name: str) -> str:
    """Why Velero would not take this as a namespace or a pattern of namespaces; empty when it would, and for ''."""
    if name == "":
        return ""
    wrong = next((sign for sign in name if sign in "|()!{},"), "")
    if wrong:
        return f"`{wrong}` isn't allowed in a pattern. Use *, ? and [abc]."
    if "**" in name:
        return "Use a single *: it already matches any number of characters."
    bracket = _bracket_fault(name)
    if bracket:
        return bracket
    plain = re.sub(r"[*?\[\]]", "x", name)
    if not _LABEL.fullmatch(plain) or len(plain) > MAX_NAMESPACE_LENGTH:
        return "Use lowercase letters, digits and '-' (at most 63 characters); start and end with a letter or digit."
    return ""


def _bracket_fault(name: str) -> str:
    at = 0
    while at < len(name):
        if name[at] == "]":
            return "']' has no matching '['."
        if name[at] == "[":
            end = name.find("]", at + 1)
            if end < 0:
                return "'[' isn't closed."
            if end == at + 1:
                return "'[]' is empty."
            at = end
        at += 1
    return ""


def backup_spec(cmd: Command) -> Json:
    """BackupSpec, as the CLI sends it: durations always present, lists and switches only when given."""
    made: Json = {
        "csiSnapshotTimeout": format_go(cmd.nanoseconds("csi-snapshot-timeout")),
        "hooks": {},
        "includedNamespaces": namespaces(cmd),
        "itemOperationTimeout": format_go(cmd.nanoseconds("item-operation-timeout")),
        "metadata": {},
        "ttl": format_go(cmd.nanoseconds("ttl")),
    }
    made |= {field: cmd.strings(flag) for flag, field in _LISTS.items() if cmd.strings(flag)}
    made |= {field: cmd.optional_bool(flag) for flag, field in _SWITCHES.items() if cmd.optional_bool(flag) is not None}
    if cmd.selector("selector") is not None:
        made["labelSelector"] = cmd.selector("selector")
    if "or-selector" in cmd.flags:
        made["orLabelSelectors"] = cmd.flags["or-selector"]
    if cmd.text("ordered-resources"):
        made["orderedResources"] = parse_ordered_resources(cmd.text("ordered-resources"))
    if cmd.text("storage-location"):
        made["storageLocation"] = cmd.text("storage-location")
    if cmd.text("data-mover"):
        made["datamover"] = cmd.text("data-mover")
    if cmd.text("resource-policies-configmap"):
        made["resourcePolicy"] = {
            "apiGroup": None,
            "kind": "configmap",
            "name": cmd.text("resource-policies-configmap"),
        }
    if cmd.number("parallel-files-upload") > 0:
        made["uploaderConfig"] = {"parallelFilesUpload": cmd.number("parallel-files-upload")}
    return made


def spec_as_flags(found: Json) -> Json | None:
    """The flags that make this BackupSpec; None where none do: hooks, labels of the template, fields of newer servers."""
    flags: Json = {}
    for flag, field in SPEC_FIELDS.items():
        value = found.get(field)
        if value in (None, [], {}, "", "0s"):
            continue
        if field in {"ttl", "csiSnapshotTimeout", "itemOperationTimeout"}:
            flags[flag] = parse_duration(value)
        elif field == "orderedResources":
            flags[flag] = ";".join(f"{kind}={names}" for kind, names in value.items())
        elif field == "uploaderConfig":
            flags[flag] = value.get("parallelFilesUpload")
        elif field == "resourcePolicy":
            flags[flag] = value.get("name")
        else:
            flags[flag] = value
    try:
        same = backup_spec(Command("backup", "create", flags=flags)) == _normal(found)
    except (UsageError, TypeError, ValueError):
        return None
    return flags if same else None


def parse_ordered_resources(text: str) -> dict[str, str]:
    orders: dict[str, str] = {}
    for entry in text.split(";"):
        parts = entry.split("=")
        if len(parts) != 2:
            raise UsageError(
                f"--ordered-resources: `{entry}` isn't in the form resource=names.",
                fix="pods=ns1/a,ns1/b;persistentvolumes=pv1",
            )
        orders[parts[0].strip()] = parts[1].strip()
    return orders


def backup_from_schedule(schedule: Json) -> tuple[Json, Json]:
    """(metadata without a name, spec) of a backup made from a schedule, by the same function as the server's.

    Source: velero 1.18 BackupBuilder.FromSchedule. The labels map is shared with the template's, so the schedule's name
    appears inside spec.metadata.labels too.
    """
    name = schedule["metadata"]["name"]
    template = _normal(schedule.get("spec", {}).get("template") or {})
    own = (template.get("metadata") or {}).get("labels")
    labels = {**(own if own is not None else schedule["metadata"].get("labels") or {}), "velero.io/schedule-name": name}
    if own is not None:
        template["metadata"] = {"labels": dict(labels)}
    metadata: Json = {"labels": labels}
    if schedule["metadata"].get("annotations"):
        metadata["annotations"] = dict(schedule["metadata"]["annotations"])
    if schedule["spec"].get("useOwnerReferencesInBackup"):
        metadata["ownerReferences"] = [
            {
                "apiVersion": "velero.io/v1",
                "kind": "Schedule",
                "name": name,
                "uid": schedule["metadata"].get("uid", ""),
                "controller": True,
            }
        ]
    if template.get("resourcePolicy"):
        template["resourcePolicy"] = {
            "apiGroup": None,
            "kind": "configmap",
            "name": template["resourcePolicy"].get("name", ""),
        }
    return metadata, template


_ZERO = {"csiSnapshotTimeout": "0s", "itemOperationTimeout": "0s", "ttl": "0s", "hooks": {}, "metadata": {}}


def _normal(template: Json) -> Json:
    """As a Go client writes it back: fields without omitempty are always there, null ones are not."""
    made = {**_ZERO, **{key: value for key, value in template.items() if value is not None and value not in ([], "")}}
    made["hooks"] = _hooks(made["hooks"])
    return made


def _hooks(hooks: Json) -> Json:
    resources = []
    for entry in hooks.get("resources") or []:
        made = {key: value for key, value in entry.items() if value not in (None, [], "") or key == "name"}
        for phase in ("pre", "post"):
            if entry.get(phase):
                made[phase] = [{"exec": {"timeout": "0s", **(hook.get("exec") or {})}} for hook in entry[phase]]
        resources.append(made)
    return {"resources": resources} if resources else {}
