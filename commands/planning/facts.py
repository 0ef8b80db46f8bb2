"""What is known of a cluster when a plan or an answer is made: read first, judged afterwards.

Objects are Kubernetes' own JSON, since a plan must be able to copy a template to the letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from domain.errors import ClusterError
from domain.json_types import Json


@dataclass(frozen=True, slots=True)
class ObjectNeed:
    """One thing to read. `resource` is the plural; without a name all of them; `label` is a Kubernetes selector."""

    resource: str
    name: str = ""
    label: str = ""
    fresh: bool = False
    """Read from the cluster, not from the cache: for names and uids that a plan is pinned to."""
    optional: bool = False
    """Where it cannot be read, the rest still can be told."""


@dataclass(frozen=True, slots=True)
class FileNeed:
    """A file in the object store, by DownloadRequest; `kind` as velero names it (`BackupLog`)."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class ServerStatusNeed:
    """Velero's own answer to a ServerStatusRequest."""


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
    """`partial`: what the store knows is told even where the cluster says nothing; its fault is in the facts then."""

    wants: tuple[Need, ...] = ()
    partial: bool = False

    @staticmethod
    def of(*wants: Need | None, partial: bool = False) -> Needs:
        return Needs(tuple(want for want in wants if want is not None), partial)


@dataclass(frozen=True, slots=True)
class MissingFile:
    """A file that is not there; `why` in words for a person."""

    why: str


@dataclass(slots=True)
class Facts:
    """Of one cluster. A resource that was never looked up is unknown, which is not the same as empty."""

    cluster: str = ""
    objects: dict[str, dict[str, Json]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    """Resources that were listed as a whole."""
    missing: set[tuple[str, str]] = field(default_factory=set)
    files: dict[FileNeed, bytes | MissingFile] = field(default_factory=dict)
    records: dict[RecordsNeed, list[Any]] = field(default_factory=dict)
    status: Mapping[str, Any] | None = None
    status_asked: bool = False
    errors: dict[Need, ClusterError] = field(default_factory=dict)
    fault: ClusterError | None = None
    """The cluster as a whole could not be read."""
    listed: set[ObjectNeed] = field(default_factory=set)
    sources: dict[str, Json | None] = field(default_factory=dict)
    """Backups that restores read, by name and whole, None where there is none: to judge a restore by, never to be told."""
    redacted: set[tuple[str, str]] = field(default_factory=set)
    """Shown in part: no files, no errors, no other namespaces."""

    def get(self, resource: str, name: str) -> Json | None:
        return self.objects.get(resource, {}).get(name)

    def all(self, resource: str) -> list[Json]:
        return list(self.objects.get(resource, {}).values())

    def was_read(self, resource: str, name: str = "") -> bool:
        """Whether the absence of this object, or of others of its kind, means something."""
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
        """Names for a suggestion: only of what is in here, which was filtered for the reader before."""
        names = self.names(resource)
        return tuple(get_close_matches(name, names, n=5, cutoff=0.4)) or names[:5]

    def add(self, resource: str, found: Iterable[Json], *, whole: bool = False) -> None:
        shelf = self.objects.setdefault(resource, {})
        for item in found:
            shelf[item["metadata"]["name"]] = item
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
"""Facts per cluster name; a cluster that could not be asked is its error."""
