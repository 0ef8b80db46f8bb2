"""Settings currently in force. They are reloaded when the file changes and on SIGHUP; an invalid file changes nothing."""

from __future__ import annotations

import logging
from pathlib import Path

from bot.configuration.settings import Settings
from bot.configuration.settings_file import read, read_warnings
from domain.errors import ConfigError
from policy.rules import Rule

log = logging.getLogger(__name__)

FILE_CHECK_INTERVAL_S = 5.0


class LiveSettings:
    def __init__(self, settings: Settings, rules: tuple[Rule, ...], path: Path | None) -> None:
        self.settings = settings
        self.rules = rules
        self._path = path
        self._modified_at = _modified_at(path)

    async def round(self) -> float:
        modified_at = _modified_at(self._path)
        if modified_at != self._modified_at:
            self._modified_at = modified_at
            self.reload()
        return FILE_CHECK_INTERVAL_S

    def reload(self) -> None:
        if self._path is None:
            return
        try:
            self.settings, self.rules = read(self._path)
        except ConfigError as error:
            log.error("the settings were not reloaded: %s", "; ".join(error.faults))  # noqa: TRY400 - no traceback needed
            return
        log_warnings(self._path)
        log.info("settings reloaded")


def log_warnings(path: Path) -> None:
    """Log the former names of settings that the file uses."""
    for line in read_warnings(path):
        log.warning("%s", line)


def _modified_at(path: Path | None) -> int:
    try:
        return path.stat().st_mtime_ns if path else 0
    except OSError:
        return 0
