"""Restore: one run from one backup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from velero.fields import Json, flag, moment, number, section, string_map, strings, text
from velero.gateway import Gateway
from velero.kinds import RESTORE
from velero.objects import Object, meta_of
from velero.phases import RESTORE_PHASES

if TYPE_CHECKING:
    from velero.api import Api


@dataclass(frozen=True, slots=True)
class Restore(Object):
    """Restores run one at a time; one that waits has no phase. `items_total` is an estimate and may sink."""

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
    def ended(self) -> bool:
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
        started=moment(status, "startTimestamp"),
        completed=moment(status, "completionTimestamp"),
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


def restores(api: Api, namespace: str) -> Gateway[Restore]:
    return Gateway(api, RESTORE, restore_of, namespace)
