"""BackupStorageLocation and VolumeSnapshotLocation."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from domain.json_types import Json
from velero.fields import flag, section, string_map, text, timestamp
from velero.gateway import Gateway
from velero.kinds import SNAPSHOT_LOCATION, STORAGE_LOCATION
from velero.objects import Object, meta_of

if TYPE_CHECKING:
    from velero.api import Api


@dataclass(frozen=True, slots=True)
class StorageLocation(Object):
    """The server updates it at every validation; only `phase` and `message` matter. `message` may contain signed URLs."""

    phase: str
    message: str
    provider: str
    bucket: str
    prefix: str
    config: Mapping[str, str]
    access_mode: str
    default: bool
    credential: str
    ca: str
    sync_period: str
    validation_frequency: str
    last_synced: datetime | None
    last_validated: datetime | None

    @property
    def is_available(self) -> bool:
        return self.phase == "Available"

    @property
    def is_read_only(self) -> bool:
        return self.access_mode == "ReadOnly"

    @property
    def url(self) -> str:
        """The base of the signed URLs for downloads."""
        return self.config.get("publicUrl") or self.config.get("s3Url", "")

    @property
    def store_identity(self) -> tuple[str, str, str, str]:
        """Equal for locations that use the same store, in whichever cluster and under whichever name."""
        return (self.provider, self.bucket, self.prefix, self.url)


def storage_location_of(source: Json) -> StorageLocation:
    spec, status = section(source, "spec"), section(source, "status")
    store, credential = section(spec, "objectStorage"), section(spec, "credential")
    return StorageLocation(
        meta=meta_of(source),
        raw=source,
        phase=text(status, "phase"),
        message=text(status, "message"),
        provider=text(spec, "provider"),
        bucket=text(store, "bucket"),
        prefix=text(store, "prefix"),
        config=string_map(spec, "config"),
        access_mode=text(spec, "accessMode") or "ReadWrite",
        default=flag(spec, "default") is True,
        credential=text(credential, "name"),
        ca=_pem(text(store, "caCert")),
        sync_period=text(spec, "backupSyncPeriod"),
        validation_frequency=text(spec, "validationFrequency"),
        last_synced=timestamp(status, "lastSyncedTime"),
        last_validated=timestamp(status, "lastValidationTime"),
    )


def _pem(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


@dataclass(frozen=True, slots=True)
class SnapshotLocation(Object):
    provider: str
    config: Mapping[str, str]
    credential: str


def snapshot_location_of(source: Json) -> SnapshotLocation:
    spec = section(source, "spec")
    return SnapshotLocation(
        meta=meta_of(source),
        raw=source,
        provider=text(spec, "provider"),
        config=string_map(spec, "config"),
        credential=text(section(spec, "credential"), "name"),
    )


def default_location(locations: tuple[StorageLocation, ...]) -> StorageLocation | None:
    """Return the default location; of several, the newest, as the server chooses."""
    defaults = [location for location in locations if location.default]
    return max(defaults, key=lambda one: one.meta.created.timestamp() if one.meta.created else 0.0, default=None)


def storage_locations(api: Api, namespace: str) -> Gateway[StorageLocation]:
    return Gateway(api, STORAGE_LOCATION, storage_location_of, namespace)


def snapshot_locations(api: Api, namespace: str) -> Gateway[SnapshotLocation]:
    return Gateway(api, SNAPSHOT_LOCATION, snapshot_location_of, namespace)
