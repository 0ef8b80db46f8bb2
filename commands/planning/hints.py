"""Known problems, by what their errors say: the hint that the troubleshooting pages would give."""

from __future__ import annotations

import re
from collections.abc import Iterable

HINTS: tuple[tuple[str, str], ...] = (
    (r"NoSuchBucket", "The bucket does not exist, or the location names another region or endpoint."),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|invalid credentials|ExpiredToken",
        "The credentials of the storage location are refused: look at its Secret.",
    ),
    (
        r"contains invalid top-level directories",
        "Something else lies in the bucket: a location needs a bucket or prefix of its own.",
    ),
    (
        r"connection refused|no such host|i/o timeout|dial tcp",
        "The object store or a service cannot be reached from the cluster.",
    ),
    (
        r"daemonset not found|node-agent.*not running|node agent status",
        "The node agent is not installed or not running: file-system backup needs it.",
    ),
    (
        r"timed out after|timeout waiting for|context deadline exceeded",
        "Something took too long: raise --item-operation-timeout or the server's --fs-backup-timeout (4h by default).",
    ),
    (r"signal: killed|OOMKilled", "It ran out of memory: give the node agent or Velero more (2Gi and up)."),
    (
        r"at least one source file could not be read",
        "Files changed while they were read: freeze them with a hook, or snapshot the volume.",
    ),
    (r"repository.*not ready|BackupRepository", "The backup repository is not ready: `repo get` tells why."),
    (
        r"read-only file system",
        "The root file system is read-only: mount an emptyDir at /home/cnb/udmrepo and /home/cnb/.cache.",
    ),
    (
        r"provided port is already allocated",
        "A node port is taken: leave services out, or change the port with --modifier.",
    ),
    (r"fail to get the namespace", "A namespace that was named does not exist."),
    (
        r"Error executing hook|error running (pre|post) hooks|running exec hook",
        "A hook failed: `describe` shows its output.",
    ),
    (
        r"VolumeSnapshotClass|volumesnapshotclass",
        "No volume snapshot class fits the driver: label one with velero.io/csi-volumesnapshot-class=true.",
    ),
    (
        r"marking? it as \"?Failed|found a (backup|restore) with status",
        "Velero was restarted while it ran: ask for it again.",
    ),
    (r"Unavailable", "The storage location is Unavailable: it has to come back before anything works."),
    (r"read-only mode", "The storage location is read-only."),
)


def find_hint(texts: Iterable[str]) -> str:
    """The first that fits; empty where the problem is none of the known ones."""
    said = "\n".join(texts)
    return next((advice for pattern, advice in HINTS if re.search(pattern, said, re.IGNORECASE)), "")
