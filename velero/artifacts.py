"""What Velero keeps beside a run, read: errors, volumes, resources, operations, log, contents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, closing
from dataclasses import dataclass

from velero.contents import Stored, stored_objects
from velero.downloads import Downloads, File
from velero.item_operations import ItemOperation, item_operations_of
from velero.logs import LogLine, Splitter, log_line
from velero.resource_list import Listed, resources_of
from velero.results import Results, results_of
from velero.volumes import Volume, volumes_of


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Of one cluster. Every reading may raise NotUploaded (not there, or not yet) or DownloadError."""

    downloads: Downloads

    async def results(self, name: str, *, restore: bool = False) -> Results:
        file = File.RESTORE_RESULTS if restore else File.BACKUP_RESULTS
        return results_of(await self.downloads.read(file, name))

    async def volumes(self, name: str, *, restore: bool = False) -> tuple[Volume, ...]:
        file = File.RESTORE_VOLUME_INFO if restore else File.BACKUP_VOLUME_INFOS
        return volumes_of(await self.downloads.read(file, name))

    async def resources(self, name: str, *, restore: bool = False) -> tuple[Listed, ...]:
        file = File.RESTORE_RESOURCE_LIST if restore else File.BACKUP_RESOURCE_LIST
        return resources_of(await self.downloads.read(file, name))

    async def operations(self, name: str, *, restore: bool = False) -> tuple[ItemOperation, ...]:
        file = File.RESTORE_ITEM_OPERATIONS if restore else File.BACKUP_ITEM_OPERATIONS
        return item_operations_of(await self.downloads.read(file, name))

    async def log_text(self, name: str, *, restore: bool = False) -> AsyncGenerator[str, None]:
        """Line by line, as Velero wrote it. Close it with `aclosing` if you stop early."""
        splitter = Splitter()
        file = File.RESTORE_LOG if restore else File.BACKUP_LOG
        async with aclosing(self.downloads.stream(file, name)) as pieces:
            async for piece in pieces:
                for line in splitter.feed(piece):
                    yield line
        for line in splitter.finish():
            yield line

    async def log(self, name: str, *, restore: bool = False) -> tuple[LogLine, ...]:
        async with aclosing(self.log_text(name, restore=restore)) as lines:
            read = [log_line(line) async for line in lines]
        return tuple(line for line in read if line is not None)

    async def contents(self, name: str, visit: Callable[[Stored], None]) -> None:
        """Calls `visit` with each object, in a thread: keep from it only what is needed."""
        caps = self.downloads.archive_caps
        packed = await self.downloads.spool(File.BACKUP_CONTENTS, name)

        def walk() -> None:
            with closing(packed):
                for stored in stored_objects(packed, caps):
                    visit(stored)

        await asyncio.to_thread(walk)
