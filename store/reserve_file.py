"""A file that reserves disk space. It is deleted when the disk is full, so that running operations can be recorded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


class ReserveFile:
    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    @property
    def is_released(self) -> bool:
        return not self._path.exists()

    def fill(self) -> bool:
        """Create the file if as much space again stays free. Return whether it exists."""
        if not self.is_released:
            return True
        if shutil.disk_usage(self._path.parent).free < 2 * self._size:
            return False
        try:
            self._allocate()
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        return True

    def release(self) -> None:
        self._path.unlink(missing_ok=True)

    def _allocate(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            if self._size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, self._size)
            else:
                os.write(descriptor, bytes(self._size))
        finally:
            os.close(descriptor)
