"""Translates `restore create` into the Restore that the velero CLI would post. Source: velero CLI v1.18 `restore create` (Complete, Validate, Run)."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.flags import (
    BOOL,
    DURATION,
    INT,
    MAPPINGS,
    OPTIONAL_BOOL,
    OR_SELECTOR,
    PAIRS,
    SELECTOR,
    STRINGS,
    TEXT,
    Flag,
)
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.planning.output import OUTPUT_FLAGS
from domain.duration import format_go
from domain.errors import NotFound, UsageError
from domain.json_types import Json

FLAGS: tuple[Flag, ...] = (
    Flag("from-backup", TEXT, "Backup to restore from", group="Source", source="backups"),
    Flag(
        "from-schedule",
        TEXT,
        "Restore from the latest Completed backup of this schedule",
        group="Source",
        source="schedules",
    ),
    Flag(
        "allow-partially-failed",
        OPTIONAL_BOOL,
        "With --from-schedule: also use PartiallyFailed backups",
        group="Source",
    ),
    Flag("include-namespaces", STRINGS, "Namespaces to restore; '*' for all", group="Scope"),
    Flag("exclude-namespaces", STRINGS, "Namespaces to exclude", group="Scope"),
    Flag("namespace-mappings", MAPPINGS, "Restore into other namespaces: from:to,from:to", group="Scope"),
    Flag("include-resources", STRINGS, "Resources to restore, as resource.group", group="Scope"),
    Flag("exclude-resources", STRINGS, "Resources to exclude, as resource.group", group="Scope"),
    Flag("include-cluster-resources", OPTIONAL_BOOL, "Restore cluster-scoped resources", group="Scope"),
    Flag("selector", SELECTOR, "Restore only objects that match this label selector", short="l", group="Scope"),
    Flag(
        "or-selector",
        OR_SELECTOR,
        "Restore objects that match any of these selectors, separated by ' or '",
        group="Scope",
    ),
    Flag(
        "existing-resource-policy",
        TEXT,
        "Existing objects: none (leave unchanged) or update",
        group="Existing objects",
    ),
    Flag("status-include-resources", STRINGS, "Resources whose status is restored", group="Existing objects"),
    Flag("status-exclude-resources", STRINGS, "Resources whose status isn't restored", group="Existing objects"),
    Flag("resource-modifier-configmap", TEXT, "ConfigMap with resource modifiers", group="Existing objects"),
    Flag("restore-volumes", OPTIONAL_BOOL, "Restore volumes from snapshots", group="Volumes"),
    Flag("preserve-nodeports", OPTIONAL_BOOL, "Keep the node ports of services", group="Volumes"),
    Flag("write-sparse-files", OPTIONAL_BOOL, "Write sparse files (kopia)", group="Volumes"),
    Flag(
        "parallel-files-download",
        INT,
        "Number of files downloaded in parallel; 0 uses the node's CPU count",
        group="Volumes",
    ),
    Flag("item-operation-timeout", DURATION, "Maximum time for asynchronous plugin operations", group="Volumes"),
    Flag("labels", PAIRS, "Labels to set on the object", group="Metadata"),
    Flag("annotations", PAIRS, "Annotations to set on the object", group="Metadata"),
    Flag("wait", BOOL, "Accepted for CLI compatibility; the status message always follows the restore", short="w"),
    *OUTPUT_FLAGS,
)

_LISTS = {
    "exclude-namespaces": "excludedNamespaces",
    "include-resources": "includedResources",
    "exclude-resources": "excludedResources",
}
_SWITCHES = {
    "restore-volumes": "restorePVs",
    "preserve-nodeports": "preserveNodePorts",
    "include-cluster-resources": "includeClusterResources",
}


def source(cmd: Command) -> tuple[str, str]:
    """`(backup, schedule)`: exactly one is set. Raises UsageError."""
    backup, schedule = cmd.text("from-backup"), cmd.text("from-schedule")
    if bool(backup) == bool(schedule):
        raise UsageError(
            "--from-backup and --from-schedule can't be combined." if backup else "The backup to restore is missing.",
            fix="Use one of them." if backup else "Add --from-backup, --from-schedule or --latest.",
        )
    return backup, schedule


def translate(cmd: Command, facts: Facts, context: PlanContext) -> Json:
    backup, schedule = source(cmd)
    _check(cmd, facts, backup, schedule)
    name = cmd.name or f"{schedule or backup}-{context.stamp()}"
    if schedule and cmd.optional_bool("allow-partially-failed"):
        latest = newest(backups_of_schedule(facts, schedule), {"Completed", "PartiallyFailed"})
        if latest is not None:
            backup, schedule = latest["metadata"]["name"], ""
    metadata: Json = {"name": name, "namespace": context.namespace}
    metadata |= {field: cmd.pairs(field) for field in ("labels", "annotations") if cmd.pairs(field)}
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Restore",
        "metadata": metadata,
        "spec": _spec(cmd, backup, schedule),
    }


def _spec(cmd: Command, backup: str, schedule: str) -> Json:
    uploader: Json = {}
    if cmd.optional_bool("write-sparse-files") is not None:
        uploader["writeSparseFiles"] = cmd.optional_bool("write-sparse-files")
    if cmd.number("parallel-files-download"):
        uploader["parallelFilesDownload"] = cmd.number("parallel-files-download")
    spec: Json = {
        "hooks": {},
        "includedNamespaces": cmd.strings("include-namespaces") if cmd.has_flag("include-namespaces") else ["*"],
        "itemOperationTimeout": format_go(cmd.nanoseconds("item-operation-timeout")),
        "uploaderConfig": uploader,
    }
    spec |= {"backupName": backup} if backup else {"scheduleName": schedule}
    spec |= {field: cmd.strings(flag) for flag, field in _LISTS.items() if cmd.strings(flag)}
    spec |= {field: cmd.optional_bool(flag) for flag, field in _SWITCHES.items() if cmd.optional_bool(flag) is not None}
    if cmd.pairs("namespace-mappings"):
        spec["namespaceMapping"] = cmd.pairs("namespace-mappings")
    if cmd.text("existing-resource-policy"):
        spec["existingResourcePolicy"] = cmd.text("existing-resource-policy")
    if cmd.selector("selector") is not None:
        spec["labelSelector"] = cmd.selector("selector")
    if "or-selector" in cmd.flags:
        spec["orLabelSelectors"] = cmd.flags["or-selector"]
    if cmd.text("resource-modifier-configmap"):
        spec["resourceModifier"] = {
            "apiGroup": "",
            "kind": "configmap",
            "name": cmd.text("resource-modifier-configmap"),
        }
    if cmd.strings("status-include-resources"):
        spec["restoreStatus"] = {"includedResources": cmd.strings("status-include-resources")}
        if cmd.strings("status-exclude-resources"):
            spec["restoreStatus"]["excludedResources"] = cmd.strings("status-exclude-resources")
    return spec


def _check(cmd: Command, facts: Facts, backup: str, schedule: str) -> None:
    if cmd.selector("selector") is not None and "or-selector" in cmd.flags:
        raise UsageError("--selector and --or-selector can't be combined.", fix="Use one of them.")
    if cmd.text("existing-resource-policy") not in {"", "none", "update"}:
        raise UsageError(
            f"--existing-resource-policy can't be `{cmd.text('existing-resource-policy')}`. Allowed: none, update.",
            nearest=("none", "update"),
        )
    if cmd.number("parallel-files-download") < 0:
        raise UsageError("--parallel-files-download can't be negative.")
    if backup and facts.is_absent("backups", backup):
        raise NotFound(f"Backup `{backup}` doesn't exist in {facts.cluster}.", nearest=facts.nearest("backups", backup))
    if schedule and "backups" in facts.whole and not backups_of_schedule(facts, schedule):
        raise NotFound(f"Schedule `{schedule}` has no backups.", nearest=facts.nearest("schedules", schedule))


def backups_of_schedule(facts: Facts, schedule: str) -> list[Json]:
    return [
        item
        for item in facts.all("backups")
        if (item["metadata"].get("labels") or {}).get("velero.io/schedule-name") == schedule
    ]


def newest(backups: list[Json], phases: set[str]) -> Json | None:
    """The newest backup in one of the phases, by start time, as the CLI and the server choose."""
    matching = [item for item in backups if (item.get("status") or {}).get("phase") in phases]
    return max(matching, key=lambda item: str((item.get("status") or {}).get("startTimestamp") or ""), default=None)
