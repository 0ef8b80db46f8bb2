"""DeleteBackupRequest: the only way to delete a backup and its data. Velero syncs a Backup back if only it is deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.json_types import Json
from velero.fields import section, strings, text
from velero.gateway import Gateway
from velero.kinds import DELETION
from velero.names import BACKUP_NAME, BACKUP_UID, generate_name_prefix, label_value
from velero.objects import Object, meta_of

if TYPE_CHECKING:
    from velero.api import Api


@dataclass(frozen=True, slots=True)
class DeletionRequest(Object):
    """Processed with `errors` means failed, without a retry. A request that vanishes without a phase was superseded."""

    phase: str
    backup: str
    backup_uid: str
    errors: tuple[str, ...]


def deletion_of(source: Json) -> DeletionRequest:
    meta, status = meta_of(source), section(source, "status")
    return DeletionRequest(
        meta=meta,
        raw=source,
        phase=text(status, "phase"),
        backup=text(section(source, "spec"), "backupName"),
        backup_uid=meta.labels.get(BACKUP_UID, ""),
        errors=strings(status, "errors"),
    )


def deletion_manifest(backup: str, uid: str, *, name: str = "", labels: Mapping[str, str] | None = None) -> Json:
    """Return the manifest as the velero CLI writes it. A fixed `name` makes a repetition recognizable.

    The uid label isn't a precondition: Velero deletes the backup with that name, so check the uid right before.
    """
    name_fields = {"name": name} if name else {"generateName": generate_name_prefix(backup)}
    all_labels = {**(labels or {}), BACKUP_NAME: label_value(backup), BACKUP_UID: uid}
    return {"metadata": {**name_fields, "labels": all_labels}, "spec": {"backupName": backup}}


def deletions(api: Api, namespace: str) -> Gateway[DeletionRequest]:
    return Gateway(api, DELETION, deletion_of, namespace)


async def delete_backup(
    gateway: Gateway[DeletionRequest],
    backup: str,
    uid: str,
    *,
    name: str = "",
    labels: Mapping[str, str] | None = None,
) -> DeletionRequest:
    return await gateway.create(deletion_manifest(backup, uid, name=name, labels=labels))
