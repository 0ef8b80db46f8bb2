"""Work in a child process: result, refusal, and the end of work that exceeds its limits."""

import asyncio
import io
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import velero.artifacts.reader
from domain.errors import DownloadError, WorkLimitExceeded
from operations.restore_preview.live_index import LiveIndex
from operations.restore_preview.scope import Scope
from operations.restore_preview.walk import Walk
from tests.operations.restore_preview.archives import SERVED, archive, thing
from velero.artifacts.contents import StoredObject
from velero.artifacts.reader import _visit
from velero.artifacts.unpacking import UnpackLimits
from velero.worker import WorkLimits, run_in_worker

OBJECTS = [thing("ConfigMap", f"map-{n}", data={"n": str(n)}) for n in range(20)]


@dataclass
class Seen:
    names: list[str] = field(default_factory=list)

    def visit(self, stored: StoredObject) -> None:
        self.names.append(f"{stored.name} {os.getpid()}")


def spin() -> None:
    while True:
        pass


def hoard() -> int:
    return len([bytearray(1 << 20) for _ in range(4_000)])


def refuse() -> None:
    raise DownloadError("The archive is refused.", why="it is damaged")


def crash() -> None:
    os.abort()


def environment() -> list[str]:
    return sorted(os.environ)


def spooled(body: io.BytesIO, tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(body.getvalue())
    return path.open("rb")


@pytest.fixture
def large(monkeypatch):
    monkeypatch.setattr(velero.artifacts.reader, "INLINE_ARCHIVE_BYTES", 100)


def test_the_result_is_returned():
    assert run_in_worker("Reading it", json.loads, '{"a": [1]}') == {"a": [1]}


def test_a_refusal_is_the_same_refusal():
    with pytest.raises(DownloadError, match="The archive is refused") as refused:
        run_in_worker("Reading it", refuse)
    assert refused.value.why == "it is damaged"


def test_endless_work_is_stopped_and_reported():
    before = time.process_time()
    with pytest.raises(WorkLimitExceeded, match=r"^Reading it took longer than 0.3 s and was stopped\.$"):
        run_in_worker("Reading it", spin, limits=WorkLimits(seconds=0.3))
    assert time.process_time() - before < 0.3  # the work is not done here


def test_work_that_needs_too_much_memory_is_stopped_and_reported():
    with pytest.raises(WorkLimitExceeded, match=r"^Reading it needed more than 384 MiB of memory and was stopped\.$"):
        run_in_worker("Reading it", hoard)


def test_a_crash_of_the_child_is_an_error():
    with pytest.raises(WorkLimitExceeded, match="Reading it failed"):
        run_in_worker("Reading it", crash)


def test_it_does_not_get_the_bots_secrets(monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    assert not set(run_in_worker("Reading it", environment)) - {
        "PATH",
        "PYTHONPATH",
        "LANG",
        "LC_ALL",
        "TZ",
        "LC_CTYPE",
    }


def test_only_a_large_archive_is_read_by_a_child(tmp_path, monkeypatch):
    with spooled(archive(OBJECTS), tmp_path) as packed:
        here = _visit("nightly", packed, Seen(), UnpackLimits())
    monkeypatch.setattr(velero.artifacts.reader, "INLINE_ARCHIVE_BYTES", 100)
    with spooled(archive(OBJECTS), tmp_path) as packed:
        there = _visit("nightly", packed, Seen(), UnpackLimits())
    assert [line.split()[0] for line in here.names] == [line.split()[0] for line in there.names]
    assert len(here.names) == len(OBJECTS)
    assert {line.split()[1] for line in here.names} == {str(os.getpid())}
    assert str(os.getpid()) not in {line.split()[1] for line in there.names}


def test_a_child_reads_the_same_objects(tmp_path, large):
    def walk() -> Walk:
        return Walk(Scope({"includedNamespaces": ["shop"]}), SERVED, LiveIndex(set()), frozenset())

    with spooled(archive(OBJECTS), tmp_path) as packed:
        there = _visit("nightly", packed, walk(), UnpackLimits())
    here = velero.artifacts.reader._visit_objects(archive(OBJECTS), walk(), UnpackLimits())
    assert there.preview() == here.preview()
    assert len(there.taken) == len(OBJECTS)


def test_a_child_refuses_the_same_archives(tmp_path, large):
    broken = archive(OBJECTS).getvalue()[:-30]
    with spooled(io.BytesIO(broken), tmp_path) as packed, pytest.raises(DownloadError):
        _visit("nightly", packed, Seen(), UnpackLimits())


@dataclass
class Waiting:
    """Continues only after something was written to the pipe."""

    pipe: str
    heard: str = ""

    def visit(self, stored: StoredObject) -> None:
        if not self.heard:
            self.heard = Path(self.pipe).read_text("utf-8")


async def test_the_event_loop_runs_while_a_large_archive_is_read(tmp_path, large):
    os.mkfifo(tmp_path / "pipe")
    with spooled(archive(OBJECTS), tmp_path) as packed:
        reading = asyncio.create_task(
            asyncio.to_thread(_visit, "nightly", packed, Waiting(str(tmp_path / "pipe")), UnpackLimits())
        )
        await asyncio.to_thread(
            (tmp_path / "pipe").write_text, "the loop goes on"
        )  # only a running event loop starts this
        assert (await reading).heard == "the loop goes on"
