"""Reads the files of a backup or restore: errors, volumes, resources, operations, log and contents."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import IO, Protocol, TypeVar

from velero.artifacts.contents import StoredObject, stored_objects
from velero.artifacts.downloads import Downloads, File
from velero.artifacts.item_operations import ItemOperation, item_operations_of
from velero.artifacts.log_summary import LogReader, LogSummary
from velero.artifacts.logs import LineSplitter, LogLine, parse_log_line
from velero.artifacts.resource_list import ResourceList, resources_of
from velero.artifacts.results import Results, results_of
from velero.artifacts.unpacking import Unpacker, UnpackLimits
from velero.artifacts.volumes import Volume, volumes_of
from velero.worker import run_in_worker

INLINE_JSON_BYTES = 1 << 20
INLINE_ARCHIVE_BYTES = 4 << 20
"""Unpacked size. A thread reads an archive up to this size in well under a second, so it needs no process."""
_CHUNK = 1 << 16


class Visitor(Protocol):
    """Visits the objects of an archive. It must be picklable, since a large archive is read in another process."""

    def visit(self, stored: StoredObject) -> None: ...


T = TypeVar("T")
V = TypeVar("V", bound=Visitor)


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The files of one cluster. Every method may raise NotUploaded (doesn't exist, or not yet) or DownloadError."""

    downloads: Downloads
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    """Allows one large file at a time: each may use as much memory as the worker's limit."""

    async def results(self, name: str, *, restore: bool = False) -> Results:
        return await self._read(File.RESTORE_RESULTS if restore else File.BACKUP_RESULTS, name, results_of)

    async def volumes(self, name: str, *, restore: bool = False) -> tuple[Volume, ...]:
        return await self._read(File.RESTORE_VOLUME_INFO if restore else File.BACKUP_VOLUME_INFOS, name, volumes_of)

    async def resources(self, name: str, *, restore: bool = False) -> ResourceList:
        """Return the list, which may be long: iterate it in a thread."""
        file = File.RESTORE_RESOURCE_LIST if restore else File.BACKUP_RESOURCE_LIST
        return await asyncio.to_thread(resources_of, await self.downloads.read(file, name))

    async def operations(self, name: str, *, restore: bool = False) -> tuple[ItemOperation, ...]:
        file = File.RESTORE_ITEM_OPERATIONS if restore else File.BACKUP_ITEM_OPERATIONS
        return await self._read(file, name, item_operations_of)

    async def _read(self, file: File, name: str, parse: Callable[[bytes], T]) -> T:
        body = await self.downloads.read(file, name)
        if len(body) <= INLINE_JSON_BYTES:
            return parse(body)
        async with self.gate:
            return await asyncio.to_thread(run_in_worker, f"Reading {file.value} of {name}", parse, body)

    async def log_text(self, name: str, *, restore: bool = False) -> AsyncGenerator[str, None]:
        """Yield the log line by line. Close the generator with `aclosing` to stop early."""
        splitter = LineSplitter()
        file = File.RESTORE_LOG if restore else File.BACKUP_LOG
        async with aclosing(self.downloads.stream(file, name)) as pieces:
            async for piece in pieces:
                for line in splitter.feed(piece):
                    yield line
        for line in splitter.finish():
            yield line

    async def log_summary(self, file: File, name: str) -> LogSummary:
        """Read the log piece by piece, in a thread: it may have any size."""
        reader = LogReader()
        async with aclosing(self.downloads.stream(file, name)) as pieces:
            async for piece in pieces:
                await asyncio.to_thread(reader.feed, piece)
        return await asyncio.to_thread(reader.finish)

    async def log(self, name: str, *, restore: bool = False) -> tuple[LogLine, ...]:
        async with aclosing(self.log_text(name, restore=restore)) as lines:
            read = [parse_log_line(line) async for line in lines]
        return tuple(line for line in read if line is not None)

    async def contents(self, name: str, visitor: V) -> V:
        """Pass each object to the visitor, and return the visitor, which keeps only what is needed.

        A large archive is read in a process of its own, by a copy of the visitor.
        """
        packed = await self.downloads.spool(File.BACKUP_CONTENTS, name)
        with closing(packed):
            async with self.gate:
                return await asyncio.to_thread(_visit, name, packed, visitor, self.downloads.archive_caps)


def _visit(name: str, packed: IO[bytes], visitor: V, caps: UnpackLimits) -> V:
    if _is_small(packed, caps):
        return _visit_objects(packed, visitor, caps)
    packed.flush()
    visited: V = run_in_worker(f"Reading the archive of {name}", _visit_stdin, visitor, caps, file=packed.fileno())
    return visited


def _is_small(packed: IO[bytes], caps: UnpackLimits) -> bool:
    """Tell whether the unpacked archive is small; its packed size says little."""
    size, unpacker = 0, Unpacker(caps, "The archive")
    try:
        while size <= INLINE_ARCHIVE_BYTES and (chunk := packed.read(_CHUNK)):
            for piece in unpacker.feed(chunk):
                size += len(piece)
    finally:
        packed.seek(0)
    return size <= INLINE_ARCHIVE_BYTES


def _visit_stdin(visitor: V, caps: UnpackLimits) -> V:
    return _visit_objects(sys.stdin.buffer, visitor, caps)


def _visit_objects(packed: IO[bytes], visitor: V, caps: UnpackLimits) -> V:
    for stored in stored_objects(packed, caps):
        visitor.visit(stored)
    return visitor
