"""Paths and contents of a run's files in the bucket."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from typing import Any

from domain.json_types import Json
from sandbox.bucket import Bucket
from sandbox.velero.selection import Item

BACKUP_FILES = {
    "BackupLog": "{name}-logs.gz",
    "BackupContents": "{name}.tar.gz",
    "BackupResults": "{name}-results.gz",
    "BackupResourceList": "{name}-resource-list.json.gz",
    "BackupItemOperations": "{name}-itemoperations.json.gz",
    "BackupVolumeInfos": "{name}-volumeinfo.json.gz",
    "BackupVolumeSnapshots": "{name}-volumesnapshots.json.gz",
    "CSIBackupVolumeSnapshots": "{name}-csi-volumesnapshots.json.gz",
    "CSIBackupVolumeSnapshotContents": "{name}-csi-volumesnapshotcontents.json.gz",
}
RESTORE_FILES = {
    "RestoreLog": "restore-{name}-logs.gz",
    "RestoreResults": "restore-{name}-results.gz",
    "RestoreResourceList": "restore-{name}-resource-list.json.gz",
    "RestoreItemOperations": "restore-{name}-itemoperations.json.gz",
    "RestoreVolumeInfo": "{name}-volumeinfo.json.gz",
}


def prefix_of(location: Json) -> str:
    prefix = str(location["spec"]["objectStorage"].get("prefix") or "").strip("/")
    return f"{prefix}/" if prefix else ""


def key_of(location: Json, kind: str, name: str) -> str:
    if kind in BACKUP_FILES:
        return f"{prefix_of(location)}backups/{name}/{BACKUP_FILES[kind].format(name=name)}"
    return f"{prefix_of(location)}restores/{name}/{RESTORE_FILES[kind].format(name=name)}"


def metadata_key(location: Json, backup: str) -> str:
    return f"{prefix_of(location)}backups/{backup}/velero-backup.json"


def pod_volume_backups_key(location: Json, backup: str) -> str:
    return f"{prefix_of(location)}backups/{backup}/{backup}-podvolumebackups.json.gz"


def packed(value: Any) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return gzip.compress(text.encode(), mtime=0, compresslevel=3)


def unpacked(content: bytes) -> Any:
    return json.loads(gzip.decompress(content))


def write(bucket: Bucket, location: Json, name: str, files: Mapping[str, bytes]) -> None:
    for kind, content in files.items():
        bucket.put(key_of(location, kind, name), content)


def archive(items: Iterable[Item]) -> bytes:
    """Return the archive's paths of an object: under its resource, and again under the preferred version."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=3) as tar:
        for item in items:
            text = json.dumps(item.body).encode()
            root = f"resources/{item.kind.qualified}"
            _member(tar, f"{root}/{item.path}", text)
            _member(tar, f"{root}/{item.kind.version}-preferredversion/{item.path}", text)
        _member(tar, "metadata/version", b"1.1.0\n")
    return buffer.getvalue()


def _member(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    member = tarfile.TarInfo(path)
    member.size = len(content)
    member.mode = 0o755
    tar.addfile(member, io.BytesIO(content))


def contents(packed_archive: bytes) -> dict[str, list[Json]]:
    """Return the objects of an archive by plural.group, from the paths without a version."""
    found: dict[str, list[Json]] = {}
    with tarfile.open(fileobj=io.BytesIO(packed_archive), mode="r:gz") as tar:
        for member in tar:
            parts = member.name.split("/")
            if parts[0] != "resources" or parts[2] not in ("namespaces", "cluster"):
                continue
            stream = tar.extractfile(member)
            if stream is not None:
                found.setdefault(parts[1], []).append(json.load(stream))
    return found


def resource_list(entries: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    listed: dict[str, list[str]] = {}
    for kind, name in sorted(entries):
        listed.setdefault(kind, []).append(name)
    return listed
