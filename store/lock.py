"""One process per data directory: a lock that says who holds it and dies with its holder."""

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
    """Held from construction to `release`. The kernel drops it with the process, so a crash leaves nothing behind."""

    def __init__(self, data_dir: Path, now: datetime) -> None:
        self._descriptor = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise _held_by_another(data_dir) from None
        self._sign(now)

    def _sign(self, now: datetime) -> None:
        since = now.isoformat(timespec="seconds")
        line = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, line.encode(), 0)

    def release(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def holder(data_dir: Path) -> Holder | None:
    """Who signed the lock file last. Only a hint for people: whether it is held, flock alone knows."""
    try:
        signed = json.loads((data_dir / LOCK_FILE).read_text())
        return Holder(int(signed["pid"]), str(signed["host"]), str(signed["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _held_by_another(data_dir: Path) -> StoreLocked:
    who = holder(data_dir)
    told = f"process {who.pid} on {who.host} since {who.since}" if who else "another process"
    return StoreLocked(
        f"The data directory {data_dir} is in use by {told}.",
        why="Only one instance can write to it.",
        fix="Stop the other instance, or use a different data directory.",
    )
