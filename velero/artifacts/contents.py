"""Reads the objects in a backup's archive (BackupContents) one by one, never all into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from domain.json_types import Json
from velero.artifacts.archive import ArchiveLimits, members, refuse_member
from velero.artifacts.unpacking import Unpacker, UnpackLimits
from velero.documents import MANIFEST_BOUNDS, BadDocument, read_json
from velero.fields import text

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class StoredObject:
    """`resource` is the name of Velero's directory (`deployments.apps`); `namespace` is empty for cluster-scoped objects."""

    resource: str
    namespace: str
    name: str
    object: Json

    @property
    def kind(self) -> str:
        return text(self.object, "kind")

    @property
    def api_version(self) -> str:
        return text(self.object, "apiVersion")


def stored_objects(
    packed: IO[bytes], caps: UnpackLimits, limits: ArchiveLimits | None = None
) -> Iterator[StoredObject]:
    """Yield each object once, in its preferred version. Blocking: run it in a thread. Raises DownloadError."""
    reader = _Reader(packed, Unpacker(caps, "The archive"))
    for name, body in members(reader.read, lambda name: _object_path(name) is not None, limits or ArchiveLimits()):
        path = _object_path(name)
        assert path is not None
        yield StoredObject(*path, _object(body))
    reader.finish()


def _object_path(name: str) -> tuple[str, str, str] | None:
    """Return resource, namespace and name. An object is stored under its resource and again per version: read the first."""
    match name.removesuffix(".json").split("/"):
        case ["resources", resource, "namespaces", namespace, one] if name.endswith(".json"):
            return resource, namespace, one
        case ["resources", resource, "cluster", one] if name.endswith(".json"):
            return resource, "", one
        case _:
            return None


def _object(body: bytes) -> Json:
    try:
        parsed = read_json(body, MANIFEST_BOUNDS)
    except BadDocument as error:
        raise refuse_member(f"an object in it can't be read: {error}") from error
    if not isinstance(parsed, dict):
        raise refuse_member("an entry in it isn't a Kubernetes object")
    return parsed


class _Reader:
    """Unpacks the file on demand: `read(n)` returns n unpacked bytes, fewer at the end."""

    def __init__(self, packed: IO[bytes], unpacker: Unpacker) -> None:
        self._packed = packed
        self._unpacker = unpacker
        self._buffer = bytearray()
        self._at = 0
        self._pieces = self._unpacked()

    def read(self, size: int) -> bytes:
        while len(self._buffer) - self._at < size and (piece := next(self._pieces, None)) is not None:
            if self._at:
                del self._buffer[: self._at]
                self._at = 0
            self._buffer += piece
        content = bytes(self._buffer[self._at : self._at + size])
        self._at += len(content)
        return content

    def finish(self) -> None:
        """Read to the end of the file: the end of the gzip data may come in a later piece. Raises DownloadError."""
        for _ in self._pieces:
            pass
        self._unpacker.finish()

    def _unpacked(self) -> Iterator[bytes]:
        while chunk := self._packed.read(_CHUNK):
            yield from self._unpacker.feed(chunk)
