"""Hints for known problems: patterns of Velero's errors, and the advice of its troubleshooting pages."""

from __future__ import annotations

import re
from collections.abc import Iterable

HINTS: tuple[tuple[str, str], ...] = (
    (r"NoSuchBucket", "The bucket doesn't exist, or the storage location has the wrong region or endpoint."),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|invalid credentials|ExpiredToken",
        "The object store rejects the storage location's credentials: check the Secret.",
    ),
    (
        r"contains invalid top-level directories",
        "The bucket contains other data: a storage location needs its own bucket or prefix.",
    ),
    (
        r"connection refused|no such host|i/o timeout|dial tcp",
        "The cluster can't reach the object store or another service.",
    ),
    (
        r"daemonset not found|node-agent.*not running|node agent status",
        "The node agent isn't installed or running; file-system backup needs it.",
    ),
    (
        r"timed out after|timeout waiting for|context deadline exceeded",
        "An operation timed out: raise --item-operation-timeout, or --fs-backup-timeout on the server (default 4h).",
    ),
    (r"signal: killed|OOMKilled", "Out of memory: raise the memory limit of the node agent or Velero (2Gi or more)."),
    (
        r"at least one source file could not be read",
        "Files changed while they were read: freeze the application with a hook, or use a volume snapshot.",
    ),
    (r"repository.*not ready|BackupRepository", "The backup repository isn't ready: `repo get` shows why."),
    (
        r"read-only file system",
        "The root file system is read-only: mount an emptyDir at /home/cnb/udmrepo and /home/cnb/.cache.",
    ),
    (
        r"provided port is already allocated",
        "A node port is already in use: exclude services, or change the port with --modifier.",
    ),
    (r"fail to get the namespace", "A listed namespace doesn't exist."),
    (
        r"Error executing hook|error running (pre|post) hooks|running exec hook",
        "A hook failed: its output is in the errors and in the logs.",
    ),
    (
        r"VolumeSnapshotClass|volumesnapshotclass",
        "No VolumeSnapshotClass matches the driver: label one with velero.io/csi-volumesnapshot-class=true.",
    ),
    (
        r"marking? it as \"?Failed|found a (backup|restore) with status",
        "Velero restarted during the run: start it again.",
    ),
    (r"Unavailable", "The storage location is Unavailable: backups and restores fail until it is Available again."),
    (r"read-only mode", "The storage location is read-only."),
)


def find_hint(texts: Iterable[str]) -> str:
    """Return the first matching hint; empty for an unknown problem."""
    text = "\n".join(texts)
    return next((advice for pattern, advice in HINTS if re.search(pattern, text, re.IGNORECASE)), "")
