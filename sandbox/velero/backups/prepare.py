"""Prepares a backup before it runs: defaults, labels, expiry and validation errors."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.json_types import Json
from sandbox.velero import durations
from sandbox.velero.backups.volume_policies import ConfigMaps, policy_faults
from sandbox.velero.log import stamp
from sandbox.velero.names import valid_label
from sandbox.velero.selection import NEW_FILTERS, OLD_FILTERS
from sandbox.velero.settings import VeleroSettings

SNAPSHOTS = "volumesnapshots.snapshot.storage.k8s.io"
SNAPSHOT_CONTENTS = "volumesnapshotcontents.snapshot.storage.k8s.io"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_RFC1123 = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with"
    " an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """Objects that validation reads."""

    locations: Mapping[str, Json]
    snapshot_locations: Mapping[str, Json]
    secrets: frozenset[str]
    configmaps: ConfigMaps
    settings: VeleroSettings


@dataclass(frozen=True, slots=True)
class Prepared:
    spec: Json
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    expiration: str = ""

    def patch(self, now: datetime) -> Json:
        """Return one merge patch with phase, expiry and defaults."""
        status: Json = {"expiration": self.expiration, "formatVersion": "1.1.0", "version": 1}
        if self.errors:
            status |= {"phase": "FailedValidation", "validationErrors": list(self.errors)}
        else:
            status |= {"phase": "InProgress", "startTimestamp": stamp(now)}
        metadata = {"labels": self.labels, "annotations": self.annotations}
        return {"metadata": metadata, "spec": self.spec, "status": status}


def prepare(backup: Json, facts: Facts, now: datetime) -> Prepared:
    given = backup.get("spec") or {}
    spec = _defaults(given, facts.settings)
    spec["storageLocation"] = given.get("storageLocation") or default_location(facts)
    chosen, snapshot_errors = _snapshot_locations(given, facts)
    if chosen:
        spec["volumeSnapshotLocations"] = chosen
    whole = {**given, **spec}
    errors = (*_location(whole["storageLocation"], given, facts), *snapshot_errors, *_filters(whole))
    errors = (*errors, *policy_faults(given, str(backup["metadata"]["namespace"]), facts.configmaps))
    ttl = durations.parse(str(whole["ttl"])) or timedelta()
    labels = {}
    if whole["storageLocation"] in facts.locations:
        labels["velero.io/storage-location"] = valid_label(whole["storageLocation"])
    return Prepared(spec, labels, _annotations(facts.settings), errors, stamp(now + ttl))


def default_location(facts: Facts) -> str:
    marked = [name for name, bsl in facts.locations.items() if bsl["spec"].get("default")]
    return marked[0] if marked else facts.settings.default_location


def _unset(value: object) -> bool:
    return value is None or durations.parse(str(value)) == timedelta()


def _defaults(given: Json, settings: VeleroSettings) -> Json:
    spec: Json = {"volumeGroupSnapshotLabelKey": given.get("volumeGroupSnapshotLabelKey") or "velero.io/volume-group"}
    times = {"ttl": settings.default_ttl, "csiSnapshotTimeout": "10m0s", "itemOperationTimeout": "4h0m0s"}
    spec |= {name: value for name, value in times.items() if _unset(given.get(name))}
    spec |= {"ttl": _canonical(given["ttl"])} if not _unset(given.get("ttl")) else {}
    for name, value in (
        ("snapshotMoveData", settings.default_snapshot_move_data),
        ("defaultVolumesToFsBackup", settings.default_volumes_to_fs_backup),
    ):
        if given.get(name) is None:
            spec[name] = value
    spec["includedNamespaces"] = given.get("includedNamespaces") or ["*"]
    return spec | _excluded(given)


def _canonical(value: str) -> str:
    return durations.text(durations.parse(value) or timedelta())


def _excluded(given: Json) -> Json:
    """Exclude snapshot objects: the snapshot actions add them."""
    if _old_style(given):
        return {"excludedResources": _with(given.get("excludedResources"), SNAPSHOTS, SNAPSHOT_CONTENTS)}
    return {
        "excludedNamespaceScopedResources": _with(given.get("excludedNamespaceScopedResources"), SNAPSHOTS),
        "excludedClusterScopedResources": _with(given.get("excludedClusterScopedResources"), SNAPSHOT_CONTENTS),
    }


def _old_style(spec: Json) -> bool:
    return any(spec.get(name) not in (None, []) for name in OLD_FILTERS)


def _with(words: list[str] | None, *more: str) -> list[str]:
    return list(dict.fromkeys((*(words or ()), *more)))


def _annotations(settings: VeleroSettings) -> dict[str, str]:
    major, minor = settings.kubernetes_version.removeprefix("v").split(".")[:2]
    return {
        "velero.io/resource-timeout": settings.resource_timeout,
        "velero.io/source-cluster-k8s-gitversion": settings.kubernetes_version,
        "velero.io/source-cluster-k8s-major-version": major,
        "velero.io/source-cluster-k8s-minor-version": minor,
    }


def _location(name: str, given: Json, facts: Facts) -> Iterator[str]:
    location = facts.locations.get(name)
    if location is None:
        what = (
            f"default {name} was not found"
            if given.get("storageLocation")
            else (f"the server default {name} does not exist")
        )
        yield (
            f"an existing backup storage location was not specified at backup creation time and {what}. Please address"
            " this issue (see `velero backup-location -h` for options) and create a new backup. Error:"
            f' BackupStorageLocation.velero.io "{name}" not found'
        )
        return
    if location["spec"].get("accessMode") == "ReadOnly":
        yield f"backup can't be created because backup storage location {name} is currently in read-only mode"
    if (location.get("status") or {}).get("phase") == "Unavailable":
        yield f"backup can't be created because BackupStorageLocation {name} is in Unavailable status."


def _snapshot_locations(given: Json, facts: Facts) -> tuple[list[str], list[str]]:
    """Choose a location for each provider: the named one, else the only one."""
    chosen: dict[str, str] = {}
    errors = []
    for name in given.get("volumeSnapshotLocations") or ():
        if (location := facts.snapshot_locations.get(name)) is None:
            errors.append(
                f"a VolumeSnapshotLocation CRD for the location {name} with the name specified in the backup spec needs"
                " to be created before this snapshot can be executed. Error:"
                f' VolumeSnapshotLocation.velero.io "{name}" not found'
            )
            continue
        provider = location["spec"]["provider"]
        if chosen.setdefault(provider, name) != name:
            first = chosen[provider]
            errors.append(
                f"more than one VolumeSnapshotLocation name specified for provider {provider}: {name};"
                f" unexpected name was {first}"
            )
    if not errors:
        errors += _only_ones(chosen, facts)
    errors += [fault for name in chosen.values() if (fault := _credential_fault(facts.snapshot_locations[name], facts))]
    return list(chosen.values()), errors


def _only_ones(chosen: dict[str, str], facts: Facts) -> Iterator[str]:
    providers: dict[str, list[str]] = {}
    for name, location in facts.snapshot_locations.items():
        providers.setdefault(location["spec"]["provider"], []).append(name)
    for provider, names in providers.items():
        if provider in chosen:
            continue
        if len(names) > 1:
            yield (
                f"provider {provider} has more than one possible volume snapshot location, and none were specified"
                " explicitly or as a default"
            )
        else:
            chosen[provider] = names[0]


def _credential_fault(location: Json, facts: Facts) -> str | None:
    credential = location["spec"].get("credential")
    if not credential or credential["name"] in facts.secrets:
        return None
    name = location["metadata"]["name"]
    return (
        f"error adding credentials to volume snapshot location named {name}: unable to get credentials: unable to get"
        f' key for secret: Secret "{credential["name"]}" not found'
    )


def _filters(spec: Json) -> Iterator[str]:
    if _old_style(spec):
        yield from _old_filters(spec)
    else:
        yield from _scoped("cluster-scoped", spec, "ClusterScoped")
        yield from _scoped("namespace-scoped", spec, "NamespaceScoped")
    for fault in list_faults(spec.get("includedNamespaces"), spec.get("excludedNamespaces")):
        yield f"Invalid included/excluded namespace lists: {fault}"
    for word in (*(spec.get("includedNamespaces") or ()), *(spec.get("excludedNamespaces") or ())):
        if problem := _namespace_fault(word):
            yield f"Invalid included/excluded namespace lists: {problem}"
    if spec.get("labelSelector") is not None and spec.get("orLabelSelectors") is not None:
        yield "encountered labelSelector as well as orLabelSelectors in backup spec, only one can be specified"


def _old_filters(spec: Json) -> Iterator[str]:
    if any(spec.get(name) for name in NEW_FILTERS):
        yield (
            "include-resources, exclude-resources and include-cluster-resources are old filter parameters.\n"
            "include-cluster-scoped-resources, exclude-cluster-scoped-resources, include-namespace-scoped-resources and"
            " exclude-namespace-scoped-resources are new filter parameters.\nThey cannot be used together"
        )
    for fault in list_faults(spec.get("includedResources"), spec.get("excludedResources")):
        yield f"Invalid included/excluded resource lists: {fault}"


def _scoped(words: str, spec: Json, scope: str) -> Iterator[str]:
    for fault in list_faults(spec.get(f"included{scope}Resources"), spec.get(f"excluded{scope}Resources"), star=True):
        yield f"Invalid {words} included/excluded resource lists: {fault}"


def list_faults(included: list[str] | None, excluded: list[str] | None, *, star: bool = False) -> Iterator[str]:
    """Velero's errors for a pair of include and exclude lists; scoped excludes may be a single `*`."""
    takes, leaves = list(included or ()), list(excluded or ())
    if len(takes) > 1 and "*" in takes:
        yield "includes list must either contain '*' only, or a non-empty list of items"
    if "*" in leaves and star:
        if len(leaves) > 1:
            yield "excludes list must either contain '*' only, or a non-empty list of items"
        if takes:
            yield "when exclude is '*', include cannot have value"
    elif "*" in leaves:
        yield "excludes list cannot contain '*'"
    for word in sorted(set(leaves)):
        if word in takes:
            yield f"excludes list cannot contain an item in the includes list: {word}"


def _namespace_fault(word: str) -> str | None:
    if word == "*" or _LABEL.fullmatch(word):
        return None
    if set(word) & set("|()!{},"):
        return "wildcard pattern contains unsupported characters: |, (, ), !, {, }, ,"
    if "**" in word:
        return "wildcard pattern contains consecutive asterisks (only single * allowed)"
    if "[]" in word:
        return "wildcard pattern contains empty bracket pattern '[]'"
    if word.count("[") > word.count("]"):
        return "wildcard pattern contains unclosed bracket '['"
    if word.count("]") > word.count("["):
        return "wildcard pattern contains unmatched closing bracket ']'"
    return None if set(word) & set("*?[") else f'invalid namespace "{word}": {_RFC1123}'
