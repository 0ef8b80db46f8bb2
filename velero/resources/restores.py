"""Restore objects: `Restore` has all fields, `RestoreRow` the few that lists and tracking use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import field

from domain.json_types import Json
from velero.fields import flag, number, section, string_map, strings, text, timestamp
from velero.gateway import Gateway
from velero.kinds import RESTORE
from velero.objects import Object, meta_of
from velero.phases import RESTORE_PHASES
from velero.resources.rows import Part, Row, Rows, RunStatus

if TYPE_CHECKING:
    from velero.api import Api


@dataclass(frozen=True, slots=True)
class Restore(Object):
    """Velero runs one restore at a time; a waiting one has no phase. `items_total` is an estimate and can decrease."""

    phase: str
    backup: str
    schedule: str
    included_namespaces: tuple[str, ...]
    excluded_namespaces: tuple[str, ...]
    namespace_mapping: Mapping[str, str]
    existing_policy: str
    restore_volumes: bool | None
    started: datetime | None
    completed: datetime | None
    errors: int
    warnings: int
    items_done: int
    items_total: int
    failure_reason: str
    validation_errors: tuple[str, ...]
    hooks_attempted: int
    hooks_failed: int
    operations_attempted: int
    operations_completed: int
    operations_failed: int

    @property
    def has_ended(self) -> bool:
        return self.phase in RESTORE_PHASES.terminal


def restore_of(source: Json) -> Restore:
    spec, status = section(source, "spec"), section(source, "status")
    progress, hooks = section(status, "progress"), section(status, "hookStatus")
    return Restore(
        meta=meta_of(source),
        raw=source,
        phase=text(status, "phase"),
        backup=text(spec, "backupName"),
        schedule=text(spec, "scheduleName"),
        included_namespaces=strings(spec, "includedNamespaces"),
        excluded_namespaces=strings(spec, "excludedNamespaces"),
        namespace_mapping=string_map(spec, "namespaceMapping"),
        existing_policy=text(spec, "existingResourcePolicy"),
        restore_volumes=flag(spec, "restorePVs"),
        started=timestamp(status, "startTimestamp"),
        completed=timestamp(status, "completionTimestamp"),
        errors=number(status, "errors"),
        warnings=number(status, "warnings"),
        items_done=number(progress, "itemsRestored"),
        items_total=number(progress, "totalItems"),
        failure_reason=text(status, "failureReason"),
        validation_errors=strings(status, "validationErrors"),
        hooks_attempted=number(hooks, "hooksAttempted"),
        hooks_failed=number(hooks, "hooksFailed"),
        operations_attempted=number(status, "restoreItemOperationsAttempted"),
        operations_completed=number(status, "restoreItemOperationsCompleted"),
        operations_failed=number(status, "restoreItemOperationsFailed"),
    )


class RestoreProgress(Part, frozen=True):
    done: int = field(name="itemsRestored", default=0)
    total: int = field(name="totalItems", default=0)


class RestoreSpec(Part, frozen=True):
    backup: str = field(name="backupName", default="")
    namespaces: Sequence[str] = field(name="includedNamespaces", default=())
    mapping: Mapping[str, str] = field(name="namespaceMapping", default_factory=dict)


class RestoreStatus(RunStatus, frozen=True):
    progress: RestoreProgress = field(default_factory=RestoreProgress)


class RestoreRow(Row, frozen=True):
    spec: RestoreSpec = field(default_factory=RestoreSpec)
    status: RestoreStatus = field(default_factory=RestoreStatus)


def restores(api: Api, namespace: str) -> Gateway[Restore]:
    return Gateway(api, RESTORE, restore_of, namespace)


def restore_rows(api: Api, namespace: str) -> Rows[RestoreRow]:
    return Rows(api, RESTORE, RestoreRow, namespace)
