"""Decisions over large files leave the event loop free."""

import asyncio
import threading

import pytest

from commands.planning.facts import Facts, FileNeed
from domain.errors import Unreachable
from operations import offload


def thread() -> str:
    return threading.current_thread().name


def facts(size: int) -> Facts:
    return Facts(files={FileNeed("BackupLog", "a"): b"x" * size, FileNeed("BackupResults", "a"): b""})


@pytest.mark.parametrize(
    ("size", "here"), [(0, True), (offload.INLINE_FILE_BYTES, True), (offload.INLINE_FILE_BYTES + 1, False)]
)
async def test_only_large_files_are_read_in_a_thread(size, here):
    ran = await offload.run_offloaded([facts(size), Unreachable("prod", "Cluster prod doesn't respond.")], thread)
    assert (ran == thread()) is here


@pytest.mark.parametrize(
    ("count", "here"), [(0, True), (offload.INLINE_OBJECTS, True), (offload.INLINE_OBJECTS + 1, False)]
)
async def test_only_many_objects_are_read_in_a_thread(count, here):
    many = Facts()
    many.add("backups", [{"metadata": {"name": f"b{number}"}} for number in range(count)])
    assert (await offload.run_offloaded([many], thread) == thread()) is here


async def test_the_loop_stays_responsive_while_a_large_file_is_read():
    let_go = threading.Event()
    reading = asyncio.create_task(offload.run_offloaded([facts(offload.INLINE_FILE_BYTES + 1)], let_go.wait, 30))
    asyncio.get_running_loop().call_soon(let_go.set)  # nobody but the loop can end the reading
    assert await reading
