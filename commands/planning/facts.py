"""The facts about a cluster that a plan or an answer is made from, and the needs that say what to read.

Reading comes first and is declared; planning is pure and sees only facts. Objects stay Kubernetes JSON, since a plan
must be able to copy a template exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from domain.errors import ClusterError
from domain.json_types import Json
from velero.artifacts.log_summary import LogSummary


@dataclass(frozen=True, slots=True)
class ObjectNeed:
    """Objects to read. `resource` is the plural; without a name, all objects; `label` is a Kubernetes selector."""

    resource: str
    name: str = ""
    label: str = ""
    fresh: bool = False
    """Read from the cluster and not from the cache: for names and uids that a plan is pinned to."""
    optional: bool = False
    """The answer is still useful if this can't be read."""
    summary: bool = False
    """Read only the runs that a summary needs: unfinished, of the last day, and the last Completed of each kind."""


@dataclass(frozen=True, slots=True)
class FileNeed:
    """A file in the object store, read through a DownloadRequest. `kind` is Velero's name for it (`BackupLog`)."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class ServerStatusNeed:
    """The Velero server's answer to a ServerStatusRequest, if it comes within this number of seconds."""

    within: float = 5.0


class RecordTable(StrEnum):
    """Names of the records that a verb may ask for. Each has its own row type, given where it is read."""

    AUDIT = "audit"
    CHANNEL_SCOPE = "channel-scope"
    CONFIG_CHECKS = "config-checks"
    FAILED_NOTICES = "failed-notices"
    OPEN_APPROVALS = "open-approvals"
    OPEN_RESTORES = "open-restores"
    OPERATION_HISTORY = "operation-history"
    PEOPLE = "people"
    PROBLEMS = "problems"
    RIGHTS = "rights"
    SAFETY_BACKUPS = "safety-backups"
    SCHEDULE_STATES = "schedule-states"
    SUBSCRIPTIONS = "subscriptions"


@dataclass(frozen=True, slots=True)
class RecordsNeed:
    """Records of the bot itself: operations, intents, subscriptions, audit rows. `query` narrows them."""

    table: RecordTable
    query: tuple[tuple[str, str], ...] = ()


Need = ObjectNeed | FileNeed | ServerStatusNeed | RecordsNeed


@dataclass(frozen=True, slots=True)
class Needs:
    """`partial`: the answer shows the bot's records even if the cluster can't be read; `Facts.fault` has the error then."""

    wants: tuple[Need, ...] = ()
    partial: bool = False

    @staticmethod
    def of(*wants: Need | None, partial: bool = False) -> Needs:
        return Needs(tuple(want for want in wants if want is not None), partial)


@dataclass(frozen=True, slots=True)
class MissingFile:
    """A file that couldn't be read; `why` is a sentence for people."""

    why: str


@dataclass(slots=True)
class Facts:
    """Facts about one cluster. A resource that was never read is unknown, which isn't the same as empty."""

    cluster: str = ""
    objects: dict[str, dict[str, Json]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    """Resources that were listed as a whole."""
    missing: set[tuple[str, str]] = field(default_factory=set)
    files: dict[FileNeed, bytes | LogSummary | MissingFile] = field(default_factory=dict)
    records: dict[RecordsNeed, list[Any]] = field(default_factory=dict)
    status: Mapping[str, Any] | None = None
    status_asked: bool = False
    errors: dict[Need, ClusterError] = field(default_factory=dict)
    fault: ClusterError | None = None
    """Set if the cluster as a whole couldn't be read."""
    listed: set[ObjectNeed] = field(default_factory=set)
    sources: dict[str, Json | None] = field(default_factory=dict)
    """Unredacted backups that restores read, by name; None if missing. For deciding about a restore, never for showing."""
    redacted: set[tuple[str, str]] = field(default_factory=set)
    """Objects that are shown in part: without files, errors and other namespaces."""

    def get(self, resource: str, name: str) -> Json | None:
        return self.objects.get(resource, {}).get(name)

    def all(self, resource: str) -> list[Json]:
        return list(self.objects.get(resource, {}).values())

    def was_read(self, resource: str, name: str = "") -> bool:
        """Whether this object, or the whole resource without a name, was read, so that absence is known."""
        return (
            resource in self.whole
            or (bool(name) and (resource, name) in self.missing)
            or (bool(name) and self.get(resource, name) is not None)
        )

    def is_absent(self, resource: str, name: str) -> bool:
        return self.was_read(resource, name) and self.get(resource, name) is None

    def names(self, resource: str) -> tuple[str, ...]:
        return tuple(sorted(self.objects.get(resource, {})))

    def nearest(self, resource: str, name: str) -> tuple[str, ...]:
        """Suggest names. The facts were filtered for the reader, so no hidden name is suggested."""
        names = self.names(resource)
        return tuple(get_close_matches(name, names, n=5, cutoff=0.4)) or names[:5]

    def add(self, resource: str, found: Iterable[Json], *, whole: bool = False) -> None:
        by_name = self.objects.setdefault(resource, {})
        for item in found:
            by_name[item["metadata"]["name"]] = item
        if whole:
            self.whole.add(resource)

    def knows(self, need: Need) -> bool:
        if need in self.errors:
            return True
        match need:
            case ObjectNeed(resource=resource, name=name):
                return (
                    need in self.listed
                    or (bool(name) and self.was_read(resource, name))
                    or (not name and resource in self.whole)
                )
            case FileNeed():
                return need in self.files
            case ServerStatusNeed():
                return self.status_asked
            case RecordsNeed():
                return need in self.records


FactsByCluster = Mapping[str, Facts | ClusterError]
"""Cluster name → its facts, or the error if it couldn't be read."""
