"""Recognizes the backups that Replicated KOTS creates, and groups the two objects of one logical backup."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from commands.planning import object_fields
from domain.json_types import Json
from velero.phases import BACKUP_PHASES

NAME_LABEL = "replicated.com/backup-name"
KIND_ANNOTATION = "replicated.com/backup-type"
COUNT_ANNOTATION = "replicated.com/backup-count"
DR_VERSION = "replicated.com/disaster-recovery-version"
INSTANCE, APP, TRIGGER = "kots.io/instance", "kots.io/app-id", "kots.io/snapshot-trigger"
_WORST_FIRST = ("FailedValidation", "Failed", "Deleting", "PartiallyFailed")


@dataclass(frozen=True, slots=True)
class LogicalBackup:
    """A backup as people see it: one Backup object, or several that belong together."""

    name: str
    members: tuple[Json, ...]

    @property
    def first(self) -> Json:
        return self.members[0]

    @property
    def phase(self) -> str:
        """The worst phase of the members; Failed where a member is missing."""
        phases = [object_fields.phase(item) for item in self.members]
        if self.missing:
            return "Failed"
        for bad in _WORST_FIRST:
            if bad in phases:
                return bad
        return next((each for each in phases if each not in BACKUP_PHASES.terminal), phases[0])

    @property
    def missing(self) -> bool:
        wanted = max((_count(item) for item in self.members), default=1)
        return wanted > len(self.members)


def _count(item: Json) -> int:
    text = str(object_fields.annotations_of(item).get(COUNT_ANNOTATION, "1"))
    return int(text) if text.isdecimal() else 1


def logical_backups(items: Iterable[Json]) -> list[LogicalBackup]:
    """Group the objects; the order stays, and a pair takes the position of its first member."""
    groups: dict[str, list[Json]] = {}
    for item in items:
        pair = str(object_fields.labels(item).get(NAME_LABEL) or "")
        groups.setdefault(f"pair {pair}" if pair else f"one {object_fields.name(item)}", []).append(item)
    return [LogicalBackup(key.partition(" ")[2], _in_order(group)) for key, group in groups.items()]


def _in_order(group: list[Json]) -> tuple[Json, ...]:
    if len(group) == 1:
        return (group[0],)
    return tuple(sorted(group, key=lambda item: str(object_fields.annotations_of(item).get(KIND_ANNOTATION, ""))))


def kots_kind(item: Json) -> str:
    """Return the type that KOTS gave the backup; empty for one that KOTS didn't create."""
    annotations = object_fields.annotations_of(item)
    if annotations.get(DR_VERSION) or annotations.get(INSTANCE) == "true":
        return "full (KOTS)"
    return "partial (KOTS)" if annotations.get(APP) else ""


def kots_trigger(item: Json) -> str:
    trigger = object_fields.annotations_of(item).get(TRIGGER)
    return f"KOTS {trigger}" if trigger else "KOTS" if kots_kind(item) else ""


def expand_pairs(names: Iterable[str], items: Iterable[Json]) -> list[str]:
    """Replace the name of a logical backup, or of one of its members, by the names of all members."""
    found = list(items)
    wanted: list[str] = []
    for name in names:
        pair_names = {
            object_fields.labels(item).get(NAME_LABEL) for item in found if object_fields.name(item) == name
        } - {None}
        of_pair = [
            object_fields.name(item)
            for item in found
            if object_fields.labels(item).get(NAME_LABEL) in {name, *pair_names}
        ]
        wanted += sorted(of_pair) or [name]
    return list(dict.fromkeys(wanted))
