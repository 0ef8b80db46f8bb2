"""Makes the data directory private to the bot, whatever the umask and the existing modes are."""

from __future__ import annotations

import os
import stat
from pathlib import Path

PUBLIC_FILES = frozenset({"audit.pub"})
"""Readable by others: they compare the public key with their copy."""


def make_private(data_dir: Path) -> None:
    """Create the directory, and remove the permissions of others on it and its contents."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    _restrict(data_dir, 0o700)
    for path in data_dir.rglob("*"):
        _restrict(path, 0o700 if path.is_dir() else 0o644 if path.name in PUBLIC_FILES else 0o600)


def _restrict(path: Path, mode: int) -> None:
    """Change only the bot's own files: the mount point of a volume may belong to root, with access by group."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(status.st_mode) or status.st_uid != os.geteuid():
        return
    if stat.S_IMODE(status.st_mode) & ~mode & 0o777:
        path.chmod(stat.S_IMODE(status.st_mode) & mode)


def write_new(path: Path, text: str, mode: int = 0o600) -> None:
    """Create a file with its mode from the start. Raises FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
