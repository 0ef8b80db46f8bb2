"""Asynchronous operations of plugins on single items (BackupItemOperations, RestoreItemOperations)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.errors import DownloadError
from domain.json_types import Json
from velero.artifacts.results import parse_json
from velero.fields import number, section, text, timestamp


@dataclass(frozen=True, slots=True)
class ItemOperation:
    """Progress is `done` of `total`, in `units` (often bytes)."""

    action: str
    operation: str
    group: str
    resource: str
    namespace: str
    name: str
    phase: str
    error: str
    done: int
    total: int
    units: str
    description: str
    started: datetime | None
    updated: datetime | None


def item_operations_of(body: bytes) -> tuple[ItemOperation, ...]:
    parsed = parse_json(body, "The list of plugin operations")
    if parsed is None:
        return ()
    if not isinstance(parsed, list):
        raise DownloadError("The list of plugin operations can't be read.", why="it isn't a list")
    return tuple(_operation(item) for item in parsed if isinstance(item, dict))


def _operation(source: Json) -> ItemOperation:
    spec, status = section(source, "spec"), section(source, "status")
    item = section(spec, "resourceIdentifier")
    return ItemOperation(
        action=text(spec, "backupItemAction") or text(spec, "restoreItemAction"),
        operation=text(spec, "operationID"),
        group=text(item, "Group"),
        resource=text(item, "Resource"),
        namespace=text(item, "Namespace"),
        name=text(item, "Name"),
        phase=text(status, "phase"),
        error=text(status, "error"),
        done=number(status, "nCompleted"),
        total=number(status, "nTotal"),
        units=text(status, "operationUnits"),
        description=text(status, "description"),
        started=timestamp(status, "started"),
        updated=timestamp(status, "updated"),
    )
