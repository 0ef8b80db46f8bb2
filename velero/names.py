"""Velero's labels and annotations, and the rules for names."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

SCHEDULE_NAME = "velero.io/schedule-name"
STORAGE_LOCATION_LABEL = "velero.io/storage-location"
BACKUP_NAME = "velero.io/backup-name"
BACKUP_UID = "velero.io/backup-uid"
RESTORE_NAME = "velero.io/restore-name"
RESTORE_UID = "velero.io/restore-uid"
GC_FAILURE = "velero.io/gc-failure"
EXCLUDE_FROM_BACKUP = "velero.io/exclude-from-backup"
OPERATION = "velero-chatops.io/operation"
REQUESTED_BY = "velero-chatops.io/requested-by"
COPY_OF = "velero-chatops.io/copy-of"
KOTS_TRIGGER = "kots.io/snapshot-trigger"
KOTS_APP = "kots.io/app-id"
RESTORE_FINALIZER = "restores.velero.io/external-resources-finalizer"

_LABEL_LIMIT = 63
_NAME_LIMIT = 253
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def label_value(name: str) -> str:
    """Return the name as a label value: a name that is too long is cut and ends with a hash. Source: velero label.GetValidName."""
    if len(name) <= _LABEL_LIMIT:
        return name
    return name[: _LABEL_LIMIT - 6] + hashlib.sha256(name.encode()).hexdigest()[:6]


def timestamped(base: str, at: datetime) -> str:
    """Return `<base>-YYYYMMDDhhmmss` in UTC, as `velero backup create --from-schedule` does."""
    return f"{base}-{at.astimezone(UTC):%Y%m%d%H%M%S}"


def name_error(name: str, *, limit: int = _NAME_LIMIT) -> str:
    """Return why the API server rejects this name; empty if it accepts it."""
    if not name:
        return "a name is required"
    if len(name) > limit:
        return f"it has {len(name)} characters; the limit is {limit}"
    if not _SUBDOMAIN.fullmatch(name):
        return "use lowercase letters, digits, '-' and '.'; start and end with a letter or digit"
    return ""


def schedule_name_error(name: str) -> str:
    """Return why a schedule's name is invalid: Velero puts it into a label uncut, so longer ones fail on every run."""
    return name_error(name, limit=_LABEL_LIMIT)


def generate_name_prefix(name: str, *, limit: int = 57) -> str:
    """Return a prefix for generateName; the API server appends five characters."""
    return name[:limit].rstrip("-.") + "-"
