"""Backups that Replicated KOTS makes: recognised, and the pair of one logical backup shown as one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from commands.planning import object_fields
from domain.json_types import Json
from velero.phases import BACKUP_PHASES

NAME_LABEL = "replicated.com/backup-name"
KIND_ANNOTATION = "replicated.com/backup-type"
COUNT_ANNOTATION = "replicated.com/backup-count"
DR = "replicated.com/disaster-recovery-version"
INSTANCE, APP, TRIGGER = "kots.io/instance", "kots.io/app-id", "kots.io/snapshot-trigger"
_ORDER = ("FailedValidation", "Failed", "Deleting", "PartiallyFailed")


@dataclass(frozen=True, slots=True)
class LogicalBackup:
    """One backup as people know it: of one object, or of several that belong together."""

    name: str
    members: tuple[Json, ...]

    @property
    def first(self) -> Json:
        return self.members[0]

    @property
    def phase(self) -> str:
        """The worst that is; of several of which one is missing, Failed."""
        phases = [object_fields.phase(item) for item in self.members]
        if self.missing:
            return "Failed"
        for bad in _ORDER:
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
    """In the order in which they came; a pair stands where its first member does."""
    groups: dict[str, list[Json]] = {}
    for item in items:
        mark = str(object_fields.labels(item).get(NAME_LABEL) or "")
        groups.setdefault(f"pair {mark}" if mark else f"one {object_fields.name(item)}", []).append(item)
    return [
        LogicalBackup(
            key.partition(" ")[2],
            tuple(sorted(group, key=lambda item: str(object_fields.annotations_of(item).get(KIND_ANNOTATION, "")))),
        )
        for key, group in groups.items()
    ]


def kots_kind(item: Json) -> str:
    """What KOTS calls it; empty for what it did not make."""
    marks = object_fields.annotations_of(item)
    if marks.get(DR) or marks.get(INSTANCE) == "true":
        return "full (KOTS)"
    return "partial (KOTS)" if marks.get(APP) else ""


def kots_trigger(item: Json) -> str:
    how = object_fields.annotations_of(item).get(TRIGGER)
    return f"KOTS {how}" if how else "KOTS" if kots_kind(item) else ""


def expand_pairs(names: Iterable[str], items: Iterable[Json]) -> list[str]:
    """A logical name stands for all of its members; a member's name for the whole pair."""
    found = list(items)
    wanted: list[str] = []
    for name in names:
        marks = {object_fields.labels(item).get(NAME_LABEL) for item in found if object_fields.name(item) == name} - {
            None
        }
        of_pair = [
            object_fields.name(item) for item in found if object_fields.labels(item).get(NAME_LABEL) in {name, *marks}
        ]
        wanted += sorted(of_pair) or [name]
    return list(dict.fromkeys(wanted))
