"""A lock on the data directory: one process at a time. It names its holder and ends with it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from domain.errors import StoreLocked

LOCK_FILE = "lock"


@dataclass(frozen=True, slots=True)
class Holder:
    pid: int
    host: str
    since: str


class DirectoryLock:
    """Held from construction to `release`. The kernel releases it when the process ends, also after a crash.

    The file names its holder until a clean stop empties it. So a file that is missing or not empty means that the last
    process crashed, or that the data directory was copied from somewhere else.
    """

    def __init__(self, data_dir: Path, now: datetime) -> None:
        was_there = (data_dir / LOCK_FILE).exists()
        self._descriptor = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise _locked_error(data_dir) from None
        self.stopped_cleanly = was_there and os.fstat(self._descriptor).st_size == 0
        self._write_holder(now)

    def _write_holder(self, now: datetime) -> None:
        since = now.isoformat(timespec="seconds")
        line = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, line.encode(), 0)
        # After a power cut an empty file would look like a clean stop.
        os.fsync(self._descriptor)

    def release(self, *, clean: bool = True) -> None:
        """Let the next process in. Not `clean`: it has to check the database for damage first."""
        if clean:
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def holder(data_dir: Path) -> Holder | None:
    """Return last wrote the lock file last. It is a hint for error messages: only flock knows whether the lock is held."""
    try:
        written = json.loads((data_dir / LOCK_FILE).read_text())
        return Holder(int(written["pid"]), str(written["host"]), str(written["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _locked_error(data_dir: Path) -> StoreLocked:
    last = holder(data_dir)
    owner = f"process {last.pid} on {last.host} since {last.since}" if last else "another process"
    return StoreLocked(
        f"The data directory {data_dir} is in use by {owner}.",
        why="Only one instance can write to it.",
        fix="Stop the other instance, or use a different data directory.",
    )
