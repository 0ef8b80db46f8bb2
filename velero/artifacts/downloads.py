"""Downloads files that Velero stores with a backup or restore.

Velero answers a DownloadRequest with a signed URL; the bot fetches it and deletes the request. The URL is a bearer
secret: it must never reach a log, a message or an error.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import IO, TYPE_CHECKING

from domain.errors import DownloadError
from domain.json_types import Json
from velero.artifacts.object_store import ObjectStore, UntrustedUrl
from velero.artifacts.unpacking import Unpacker, UnpackLimits
from velero.documents import ARTIFACT_BOUNDS
from velero.fields import section, text
from velero.gateway import Gateway
from velero.kinds import DOWNLOAD
from velero.names import generate_name_prefix
from velero.objects import Object, meta_of
from velero.phases import REQUEST_PHASES
from velero.resources.requests import answered_request

if TYPE_CHECKING:
    from velero.api import Api


class File(StrEnum):
    """The kinds of files, as a DownloadRequest names them."""

    BACKUP_LOG = "BackupLog"
    BACKUP_CONTENTS = "BackupContents"
    BACKUP_RESULTS = "BackupResults"
    BACKUP_RESOURCE_LIST = "BackupResourceList"
    BACKUP_ITEM_OPERATIONS = "BackupItemOperations"
    BACKUP_VOLUME_INFOS = "BackupVolumeInfos"
    BACKUP_VOLUME_SNAPSHOTS = "BackupVolumeSnapshots"
    RESTORE_LOG = "RestoreLog"
    RESTORE_RESULTS = "RestoreResults"
    RESTORE_RESOURCE_LIST = "RestoreResourceList"
    RESTORE_ITEM_OPERATIONS = "RestoreItemOperations"
    RESTORE_VOLUME_INFO = "RestoreVolumeInfo"

    @property
    def of_restore(self) -> bool:
        return self.value.startswith("Restore")


FILE_TITLES = {
    File.BACKUP_LOG: "The log",
    File.BACKUP_CONTENTS: "The archive",
    File.BACKUP_RESULTS: "The error list",
    File.BACKUP_RESOURCE_LIST: "The resource list",
    File.BACKUP_ITEM_OPERATIONS: "The list of plugin operations",
    File.BACKUP_VOLUME_INFOS: "The volume list",
    File.BACKUP_VOLUME_SNAPSHOTS: "The snapshot list",
    File.RESTORE_LOG: "The log",
    File.RESTORE_RESULTS: "The error list",
    File.RESTORE_RESOURCE_LIST: "The resource list",
    File.RESTORE_ITEM_OPERATIONS: "The list of plugin operations",
    File.RESTORE_VOLUME_INFO: "The volume list",
}


@dataclass(frozen=True, slots=True)
class DownloadRequest(Object):
    """`url` is a bearer secret: it isn't in the repr, and nothing may log it."""

    phase: str
    message: str

    @property
    def url(self) -> str:
        return text(self.status, "downloadURL")


def download_of(source: Json) -> DownloadRequest:
    status = section(source, "status")
    return DownloadRequest(meta_of(source), source, text(status, "phase"), text(status, "message"))


def download_requests(api: Api, namespace: str) -> Gateway[DownloadRequest]:
    return Gateway(api, DOWNLOAD, download_of, namespace)


# Thousands of similar objects compress as well as a zip bomb does; only the unpacked size tells them apart.
ARCHIVE_LIMITS = UnpackLimits(packed=256 << 20, unpacked=1 << 30, ratio=1100)

Authority = Callable[[File, str], Awaitable[str]]


async def _no_authority(_file: File, _name: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Downloads:
    """`authority` returns the certificates (PEM) of the file's storage location, or nothing.

    `answer_within` limits the time for Velero to sign a URL, `within` the whole transfer; both in seconds.
    """

    gateway: Gateway[DownloadRequest]
    store: ObjectStore
    authority: Authority = _no_authority
    caps: UnpackLimits = field(default_factory=UnpackLimits)
    archive_caps: UnpackLimits = ARCHIVE_LIMITS
    answer_within: float = 20.0
    within: float = 60.0

    async def read(self, file: File, name: str) -> bytes:
        """Return the whole file, unpacked. Raises NotUploaded if it doesn't exist (yet), else DownloadError."""
        caps = replace(self.caps, unpacked=min(self.caps.unpacked, ARTIFACT_BOUNDS.size))
        async with aclosing(replace(self, caps=caps).stream(file, name)) as pieces:
            return b"".join([piece async for piece in pieces])

    async def stream(self, file: File, name: str) -> AsyncGenerator[bytes, None]:
        """Yield the file in pieces of at most 256 KiB, unpacked in a thread. Raises what `read` raises."""
        unpacker = Unpacker(self.caps, _what(file, name))
        async with aclosing(self._packed(file, name)) as chunks:
            async for chunk in chunks:
                pieces = unpacker.feed(chunk)
                # A chunk can unpack to 200 times its size: each piece is a thread's work.
                while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                    yield piece
        unpacker.finish()

    async def spool(self, file: File, name: str) -> IO[bytes]:
        """Return the packed file, on disk above 8 MiB, for archives, which are read from a file. The caller closes it."""
        what, size = _what(file, name), 0
        spooled: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=8 << 20)  # noqa: SIM115 - the caller closes it
        try:
            async with aclosing(self._packed(file, name)) as chunks:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self.archive_caps.packed:
                        why = f"it is larger than {self.archive_caps.packed / (1 << 20):g} MiB"
                        raise DownloadError(f"{what} is too large.", why=why)
                    spooled.write(chunk)
        except BaseException:
            spooled.close()
            raise
        spooled.seek(0)
        return spooled

    async def _packed(self, file: File, name: str) -> AsyncGenerator[bytes, None]:
        what = _what(file, name)
        manifest: Json = {
            "metadata": {"generateName": generate_name_prefix(name)},
            "spec": {"target": {"kind": file.value, "name": name}},
        }
        async with answered_request(
            self.gateway, manifest, _is_answered, within=self.answer_within, stuck=_has_no_answer
        ) as request:
            if request is None or not request.url:
                raise DownloadError(
                    f"{what} couldn't be requested from Velero.", why=_missing_url_reason(request, name)
                )
            async with aclosing(self._transfer(request.url, file, name)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _transfer(self, url: str, file: File, name: str) -> AsyncGenerator[bytes, None]:
        """Try the system's authorities first, then the location's own: few stores need the location to be read."""
        ca = ""
        while True:
            try:
                async with aclosing(self.store.chunks(url, _what(file, name), within=self.within, ca=ca)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                return
            except UntrustedUrl:
                if ca or not (ca := await self.authority(file, name)):
                    raise


def _is_answered(request: DownloadRequest) -> bool:
    return request.phase in REQUEST_PHASES.terminal


def _has_no_answer(request: DownloadRequest) -> bool:
    """Up to 1.18, Velero sets only `expiration` if the backup, restore or storage location doesn't exist."""
    return request.phase in REQUEST_PHASES.queued and bool(text(request.status, "expiration"))


def _missing_url_reason(request: DownloadRequest | None, name: str) -> str:
    if request is None:
        return "Velero didn't respond"
    if request.phase in REQUEST_PHASES.queued:
        return f"Velero can't find {name} or its storage location"
    return request.message or "Velero returned no download URL"


def _what(file: File, name: str) -> str:
    return f"{FILE_TITLES[file]} of {name}"
