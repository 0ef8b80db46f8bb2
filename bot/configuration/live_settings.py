"""The settings in force: read again when the file changes or on SIGHUP; a bad file leaves the old ones, and says so."""

from __future__ import annotations

import logging
from pathlib import Path

from bot.configuration.settings import Settings
from bot.configuration.settings_file import read
from domain.errors import ConfigError
from policy.rules import Rule

log = logging.getLogger(__name__)

FILE_CHECK_INTERVAL_S = 5.0


class LiveSettings:
    def __init__(self, settings: Settings, rules: tuple[Rule, ...], path: Path | None) -> None:
        self.settings = settings
        self.rules = rules
        self._path = path
        self._stamp = _stamp(path)

    async def round(self) -> float:
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            self.reload()
        return FILE_CHECK_INTERVAL_S

    def reload(self) -> None:
        if self._path is None:
            return
        try:
            self.settings, self.rules = read(self._path)
        except ConfigError as error:
            log.error("the settings were not read again: %s", "; ".join(error.faults))  # noqa: TRY400 - told, not traced
            return
        log.info("settings read again")


def _stamp(path: Path | None) -> int:
    try:
        return path.stat().st_mtime_ns if path else 0
    except OSError:
        return 0
