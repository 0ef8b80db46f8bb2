"""Checks of a restore into another cluster: storage location, Kubernetes version, Velero version, moved data. Pure.

Most are warnings only, because the preview lists each object that the other cluster doesn't serve.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from commands.grammar.command import Command
from commands.planning import object_fields
from commands.planning.context import ClusterView, PlanContext
from commands.planning.facts import Facts
from domain.json_types import Json
from domain.plan import Guard, Level
from velero.features import FIELD_VERSIONS, parse_version

Version = tuple[int, int]

MAJOR = "velero.io/source-cluster-k8s-major-version"
MINOR = "velero.io/source-cluster-k8s-minor-version"


def guards(cmd: Command, backup: Json | None, facts: Facts, context: PlanContext) -> Iterable[Guard]:
    if not cmd.text("to-cluster") or backup is None:
        return
    yield from _location(backup, facts, context.cluster)
    yield from _kubernetes(source_cluster(backup), context.cluster)
    source = context.clusters.get(cmd.cluster or context.channel_cluster)
    if source is not None and source.name != context.cluster.name:
        yield from _velero(source, context.cluster)
    yield from _moved_data(backup, context.cluster)


def source_cluster(backup: Json) -> Version | None:
    """The Kubernetes version that Velero noted in the backup. Some providers write the minor version as `28+`."""
    annotations = object_fields.annotations_of(backup)
    major, minor = (re.match(r"\d{1,4}", str(annotations.get(key, ""))) for key in (MAJOR, MINOR))
    return (int(major[0]), int(minor[0])) if major and minor else None


def _location(backup: Json, facts: Facts, target: ClusterView) -> Iterable[Guard]:
    location = facts.get("backupstoragelocations", str(object_fields.spec(backup).get("storageLocation", "")))
    if location is not None and object_fields.spec(location).get("accessMode") != "ReadOnly":
        name = object_fields.name(location)
        text = f"Storage location `{name}` is writable in this cluster: two clusters would write to and clean up the same bucket. Make it read-only: `backup-location set {name} --access-mode ReadOnly --cluster {target.name}`"
        yield Guard("shared-location", Level.WARN, text)


def _kubernetes(source: Version | None, target: ClusterView) -> Iterable[Guard]:
    here = parse_version(target.kubernetes)
    if source is None or source == here:
        return
    begins = f"The backup comes from Kubernetes {_text(source)}"
    if here is None:
        text = f"{begins}. API versions that {target.name} doesn't serve aren't restored."
    elif here < source:
        text = f"{begins}; {target.name} runs {_text(here)}, which is older. Objects with newer API versions aren't restored. `restore plan` lists them. Exclude them with --exclude-resources, or upgrade the cluster."
    else:
        text = f"{begins}; {target.name} runs {_text(here)}. Objects with API versions removed since then aren't restored. `restore plan` lists them. Velero with --features=EnableAPIGroupVersions backs up every version."
    yield Guard("kubernetes-version", Level.WARN, text)


def _velero(source: ClusterView, target: ClusterView) -> Iterable[Guard]:
    there, here = parse_version(source.server_version), parse_version(target.server_version)
    if there is None or here is None or there == here:
        return
    begins = f"Velero is {source.server_version} in {source.name} and {target.server_version} in {target.name}"
    if here < there:
        text = (
            f"{begins}. An older Velero may not read backups from a newer one. Upgrade Velero in {target.name} first."
        )
    else:
        text = f"{begins}. The backup can be restored, but upgrade Velero in {source.name} to the same version."
    yield Guard("velero-version", Level.WARN, text)


def _moved_data(backup: Json, target: ClusterView) -> Iterable[Guard]:
    """Refuses a target whose Velero is too old for the data mover: it would restore the volumes empty, without an error."""
    here, since = parse_version(target.server_version), FIELD_VERSIONS["spec.snapshotMoveData"]
    if object_fields.spec(backup).get("snapshotMoveData") is True and here is not None and here < since:
        text = f"The volume data of this backup was moved by Velero's data mover, which Velero {target.server_version} in {target.name} doesn't have. The volumes would be empty. Upgrade it to {_text(since)} or later."
        yield Guard("data-mover", Level.REFUSE, text)


def _text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
