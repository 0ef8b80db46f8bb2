"""The flags and the BackupSpec that `backup create` and `schedule create` share.

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

_OLD_FILTERS = ("include-resources", "exclude-resources")
_SCOPED_FILTERS = (
    "include-cluster-scoped-resources",
    "exclude-cluster-scoped-resources",
    "include-namespace-scoped-resources",
    "exclude-namespace-scoped-resources",
)
_LIST_FIELDS = {
    "exclude-namespaces": "excludedNamespaces",
    "include-resources": "includedResources",
    "exclude-resources": "excludedResources",
    "include-cluster-scoped-resources": "includedClusterScopedResources",
    "exclude-cluster-scoped-resources": "excludedClusterScopedResources",
    "include-namespace-scoped-resources": "includedNamespaceScopedResources",
    "exclude-namespace-scoped-resources": "excludedNamespaceScopedResources",
    "volume-snapshot-locations": "volumeSnapshotLocations",
}
_BOOL_FIELDS = {
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
    """Return what the CLI looks up before it writes."""
    lookups: list[Need] = []
    if cmd.text("storage-location"):
        lookups.append(ObjectNeed("backupstoragelocations", cmd.text("storage-location")))
    return lookups + [ObjectNeed("volumesnapshotlocations", name) for name in cmd.strings("volume-snapshot-locations")]


def check_command(cmd: Command, facts: Facts) -> None:
    """Refuse what the CLI refuses. Raises UsageError or NotFound."""
    if cmd.selector("selector") is not None and "or-selector" in cmd.flags:
        raise UsageError("--selector and --or-selector can't be combined.", fix="Use one of them.")
    check_namespaces(namespaces(cmd), cmd.strings("exclude-namespaces"), facts)
    old = any(cmd.strings(flag) for flag in _OLD_FILTERS) or cmd.optional_bool("include-cluster-resources") is not None
    scoped = [flag for flag in _SCOPED_FILTERS if cmd.strings(flag)]
    if old and scoped:
        raise UsageError(
            f"--{scoped[0]} can't be combined with --include-resources, --exclude-resources or --include-cluster-resources.",
            why="Velero accepts either the old or the new resource filters, not both.",
        )
    check_locations(cmd, facts)
    if cmd.nanoseconds("ttl") < 0:
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
        if error := namespace_error(name):
            near = facts.nearest("namespaces", name.lower()) if facts is not None else ()
            raise UsageError(
                f"`{name}` isn't a valid namespace name.",
                why=error,
                nearest=near,
                fix="Use names of namespaces, for example `shop`.",
            )


def namespace_error(name: str) -> str:
    """Return why Velero rejects this namespace or pattern of namespaces; empty if it accepts it, as it does ''."""
    if name == "":
        return ""
    invalid = next((character for character in name if character in "|()!{},"), "")
    if invalid:
        return f"`{invalid}` isn't allowed in a pattern. Use *, ? and [abc]."
    if "**" in name:
        return "Use a single *: it already matches any number of characters."
    if error := _bracket_error(name):
        return error
    plain = re.sub(r"[*?\[\]]", "x", name)
    if not _LABEL.fullmatch(plain) or len(plain) > MAX_NAMESPACE_LENGTH:
        return "Use lowercase letters, digits and '-' (at most 63 characters); start and end with a letter or digit."
    return ""


def _bracket_error(name: str) -> str:
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
    """Return the BackupSpec as the CLI sends it: durations always, lists and booleans only when given."""
    spec: Json = {
        "csiSnapshotTimeout": format_go(cmd.nanoseconds("csi-snapshot-timeout")),
        "hooks": {},
        "includedNamespaces": namespaces(cmd),
        "itemOperationTimeout": format_go(cmd.nanoseconds("item-operation-timeout")),
        "metadata": {},
        "ttl": format_go(cmd.nanoseconds("ttl")),
    }
    spec |= {field: cmd.strings(flag) for flag, field in _LIST_FIELDS.items() if cmd.strings(flag)}
    spec |= {
        field: cmd.optional_bool(flag) for flag, field in _BOOL_FIELDS.items() if cmd.optional_bool(flag) is not None
    }
    if cmd.selector("selector") is not None:
        spec["labelSelector"] = cmd.selector("selector")
    if "or-selector" in cmd.flags:
        spec["orLabelSelectors"] = cmd.flags["or-selector"]
    if cmd.text("ordered-resources"):
        spec["orderedResources"] = parse_ordered_resources(cmd.text("ordered-resources"))
    if cmd.text("storage-location"):
        spec["storageLocation"] = cmd.text("storage-location")
    if cmd.text("data-mover"):
        spec["datamover"] = cmd.text("data-mover")
    if cmd.text("resource-policies-configmap"):
        spec["resourcePolicy"] = {
            "apiGroup": None,
            "kind": "configmap",
            "name": cmd.text("resource-policies-configmap"),
        }
    if cmd.number("parallel-files-upload") > 0:
        spec["uploaderConfig"] = {"parallelFilesUpload": cmd.number("parallel-files-upload")}
    return spec


def spec_as_flags(spec: Json) -> Json | None:
    """Return the flags that create this BackupSpec; None where flags can't: hooks, template labels, newer fields."""
    flags: Json = {}
    for flag, field in SPEC_FIELDS.items():
        value = spec.get(field)
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
        is_same = backup_spec(Command("backup", "create", flags=flags)) == _as_go_writes(spec)
    except (UsageError, TypeError, ValueError):
        return None
    return flags if is_same else None


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
    """Return (metadata without a name, spec) of a backup made from a schedule, by the same rules as the server.

    Source: velero 1.18 BackupBuilder.FromSchedule. The labels map is shared with the template's, so the schedule's name
    appears inside spec.metadata.labels too.
    """
    name = schedule["metadata"]["name"]
    template = _as_go_writes(schedule.get("spec", {}).get("template") or {})
    template_labels = (template.get("metadata") or {}).get("labels")
    labels = {
        **(template_labels if template_labels is not None else schedule["metadata"].get("labels") or {}),
        "velero.io/schedule-name": name,
    }
    if template_labels is not None:
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


_GO_ZERO_VALUES = {"csiSnapshotTimeout": "0s", "itemOperationTimeout": "0s", "ttl": "0s", "hooks": {}, "metadata": {}}


def _as_go_writes(template: Json) -> Json:
    """Return the spec as a Go client writes it: fields without omitempty are always present, null ones never."""
    spec = {
        **_GO_ZERO_VALUES,
        **{key: value for key, value in template.items() if value is not None and value not in ([], "")},
    }
    spec["hooks"] = _hooks_as_go_writes(spec["hooks"])
    return spec


def _hooks_as_go_writes(hooks: Json) -> Json:
    resources = []
    for entry in hooks.get("resources") or []:
        hook = {key: value for key, value in entry.items() if value not in (None, [], "") or key == "name"}
        for phase in ("pre", "post"):
            if entry.get(phase):
                hook[phase] = [{"exec": {"timeout": "0s", **(action.get("exec") or {})}} for action in entry[phase]]
        resources.append(hook)
    return {"resources": resources} if resources else {}
