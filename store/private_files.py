"""The data directory is the bot's alone, whatever the umask is and whatever was there before."""

from __future__ import annotations

import os
import stat
from pathlib import Path

PUBLIC = frozenset({"audit.pub"})
"""May be read by whoever may reach it: it is there to be compared."""


def make_private(data_dir: Path) -> None:
    """Creates the directory, and takes from others what they may do with it and with everything in it."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    _restrict(data_dir, 0o700)
    for path in data_dir.rglob("*"):
        _restrict(path, 0o700 if path.is_dir() else 0o644 if path.name in PUBLIC else 0o600)


def _restrict(path: Path, mode: int) -> None:
    """Only what is ours can be changed: the mount of a volume may belong to root, who keeps others out by its group."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid():
        return
    if stat.S_IMODE(found.st_mode) & ~mode & 0o777:
        path.chmod(stat.S_IMODE(found.st_mode) & mode)


def write_new(path: Path, text: str, mode: int = 0o600) -> None:
    """Whole and with its mode from the first moment. Raises FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
