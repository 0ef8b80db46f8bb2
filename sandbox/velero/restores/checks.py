"""Validation of a restore before it starts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from domain.json_types import Json
from sandbox.velero.backups.prepare import list_faults

NEVER_RESTORED = (
    "nodes",
    "events",
    "events.events.k8s.io",
    "backups.velero.io",
    "restores.velero.io",
    "resticrepositories.velero.io",
    "csinodes.storage.k8s.io",
    "volumeattachments.storage.k8s.io",
    "backuprepositories.velero.io",
)
SCHEDULE_LABEL = "velero.io/schedule-name"
NEITHER = "Either a backup or schedule must be specified as a source for the restore, but not both"


@dataclass(frozen=True, slots=True)
class Known:
    """Objects that the checks read."""

    namespace: str
    backups: Mapping[str, Json]
    locations: Mapping[str, Json]
    configmaps: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Checked:
    """The spec with the server's defaults, and the validation errors."""

    spec: Json
    errors: tuple[str, ...]


def check(restore: Json, known: Known) -> Checked:
    given = restore.get("spec") or {}
    spec: Json = {"excludedResources": list(dict.fromkeys((*(given.get("excludedResources") or ()), *NEVER_RESTORED)))}
    if given.get("itemOperationTimeout") in (None, "", "0s", "0"):
        spec["itemOperationTimeout"] = "4h0m0s"
    errors = [*_lists({**given, **spec})]
    backup, schedule = given.get("backupName"), given.get("scheduleName")
    if bool(backup) == bool(schedule):
        return Checked(spec, (*errors, NEITHER))
    errors += [*_policy(given)]
    if schedule:
        backup, faults = _latest(schedule, known)
        errors += faults
    found = known.backups.get(backup or "")
    if backup:
        spec["backupName"] = backup
        errors += [*_source(backup, found, known)]
    if found and (label := (found["metadata"].get("labels") or {}).get(SCHEDULE_LABEL)):
        spec["scheduleName"] = label
    return Checked(spec, (*errors, *_modifier(given, known)))


def _lists(given: Json) -> Iterator[str]:
    for word in given.get("includedResources") or ():
        if word in NEVER_RESTORED:
            yield f"{word} are non-restorable resources"
    for fault in list_faults(given.get("includedResources"), given.get("excludedResources")):
        yield f"Invalid included/excluded resource lists: {fault}"
    for fault in list_faults(given.get("includedNamespaces"), given.get("excludedNamespaces")):
        yield f"Invalid included/excluded namespace lists: {fault}"
    if given.get("labelSelector") is not None and given.get("orLabelSelectors") is not None:
        yield "encountered labelSelector as well as orLabelSelectors in restore spec, only one can be specified"


def _policy(given: Json) -> Iterator[str]:
    if (policy := given.get("existingResourcePolicy")) and policy not in ("none", "update"):
        yield f"Invalid ExistingResourcePolicy: {policy}"


def _latest(schedule: str, known: Known) -> tuple[str | None, tuple[str, ...]]:
    """Return the schedule's Completed backup with the latest start."""
    mine = [b for b in known.backups.values() if (b["metadata"].get("labels") or {}).get(SCHEDULE_LABEL) == schedule]
    none = () if mine else ("No backups found for schedule",)
    done = [b for b in mine if (b.get("status") or {}).get("phase") == "Completed"]
    if not done:
        return None, (*none, "No completed backups found for schedule")
    return str(max(done, key=lambda b: b["status"].get("startTimestamp") or "")["metadata"]["name"]), ()


def _source(name: str, backup: Json | None, known: Known) -> Iterator[str]:
    if backup is None:
        where = f"{known.namespace}/{name}"
        yield f'Error retrieving backup: can\'t find backup {where}: Backup.velero.io "{name}" not found'
        return
    location = backup["spec"].get("storageLocation") or ""
    found = known.locations.get(location)
    if found is None:
        yield f'Error retrieving backup: BackupStorageLocation.velero.io "{location}" not found'
    elif (found.get("status") or {}).get("phase") == "Unavailable":
        yield f"The BSL {location} is unavailable, cannot retrieve the backup"


def _modifier(given: Json, known: Known) -> Iterator[str]:
    reference = given.get("resourceModifier")
    if not reference or str(reference.get("kind", "")).lower() != "configmap":
        return
    where = f"{known.namespace}/{reference['name']}"
    configmap = known.configmaps.get(reference["name"])
    if configmap is None:
        yield f"failed to get resource modifiers configmap {where}"
        return
    if len(configmap.get("data") or {}) != 1:
        problem = f"illegal resource modifiers {where} configmap"
        yield f"Error in parsing resource modifiers provided in configmap {where}: {problem}"
        return
    try:
        document = yaml.safe_load(next(iter(configmap["data"].values())))
    except yaml.YAMLError as wrong:
        problem = f"failed to decode yaml data into resource modifiers, err: {wrong}"
        yield f"Error in parsing resource modifiers provided in configmap {where}: {problem}"
        return
    if fault := _modifier_fault(document):
        yield f"Validation error in resource modifiers provided in configmap {where}: {fault}"


def _modifier_fault(document: Any) -> str | None:
    version = document.get("version") if isinstance(document, dict) else None
    if version != "v1":
        return f"unsupported resource modifier version {version or ''}"
    rules = document.get("resourceModifierRules")
    if not rules:
        return "resource modifier rules cannot be empty"
    return next((fault for rule in rules if (fault := _rule_fault(rule))), None)


def _rule_fault(rule: Json) -> str | None:
    if sum(1 for kind in ("patches", "mergePatches", "strategicPatches") if rule.get(kind)) > 1:
        return "only one of patches, mergePatches, strategicPatches can be specified"
    if not (rule.get("conditions") or {}).get("groupResource"):
        return "groupkResource cannot be empty"
    for patch in rule.get("patches") or ():
        if not (operation := patch.get("operation")):
            return "operation cannot be empty"
        if operation not in ("add", "remove", "replace", "test", "copy", "move"):
            return f"unsupported operation {operation}"
        if not patch.get("path"):
            return "path cannot be empty"
    return None
