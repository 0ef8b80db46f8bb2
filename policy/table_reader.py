"""Reads one table of the settings value by value, and collects all errors with their keys."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

_DURATION = re.compile(r"(?:\d+[wdhms])+")
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}


@dataclass(frozen=True, slots=True)
class TableError:
    """`index` counts tables from 0, `key` is the dotted path of the wrong setting, `allowed` are valid values."""

    index: int
    key: str
    text: str
    nearest: str = ""
    allowed: tuple[str, ...] = ()
    name: str = ""

    def __str__(self) -> str:
        named = f" ({self.name})" if self.name else ""
        key = f".{self.key}" if self.key else ""
        return f"[{self.index}]{named}{key}: {self.words}"

    @property
    def words(self) -> str:
        """The error and the allowed values, without the place."""
        meant = f" Did you mean {str(self.nearest)!r}?" if self.nearest else ""
        allowed = f" Allowed: {', '.join(self.allowed)}." if self.allowed else ""
        return f"{self.text}{meant}{allowed}"


@dataclass(slots=True)
class TableReader:
    """Methods return an empty value after an error; the caller then discards the whole result."""

    index: int
    data: Mapping[str, Any]
    path: str = ""
    faults: list[TableError] = field(default_factory=list)

    def add_error(self, key: str, text: str, *, got: str = "", allowed: Collection[str] = ()) -> None:
        close = get_close_matches(got, list(allowed), n=1, cutoff=0.5)
        where = f"{self.path}.{key}" if self.path and key else self.path or key
        name = self.data.get("name", "") if not self.path else ""
        known = tuple(allowed) if len(allowed) <= 24 or not close else ()
        self.faults.append(TableError(self.index, where, text, close[0] if close else "", known, str(name)))

    def allow_only(self, allowed: Collection[str]) -> None:
        for key in self.data:
            if key not in allowed:
                self.add_error(key, f"Unknown setting {key!r}.", got=key, allowed=allowed)

    def text(self, key: str, *, required: bool = False) -> str:
        value = self.data.get(key)
        if value is None and not required:
            return ""
        if isinstance(value, str) and value.strip():
            return value.strip()
        self.add_error(key, "Required setting is missing." if value is None else "Must be a non-empty string.")
        return ""

    def choice(self, key: str, allowed: Collection[str], *, required: bool = False) -> str:
        value = self.text(key, required=required)
        if value and value not in allowed:
            self.add_error(key, f"{value!r} isn't valid.", got=value, allowed=allowed)
            return ""
        return value

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...] | None:
        """Return a list of texts; `None` if the key is absent. A single text counts as a list."""
        value = self.data.get(key)
        if value is None:
            if required:
                self.add_error(key, "Required setting is missing.")
            return None
        items = [value] if isinstance(value, str) else value
        if isinstance(items, (list, tuple)) and items and all(isinstance(each, str) and each.strip() for each in items):
            return tuple(each.strip() for each in items)
        self.add_error(key, "Must be a list of non-empty strings.")
        return ()

    def flag(self, key: str) -> bool | None:
        value = self.data.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.add_error(key, "Must be true or false.", allowed=("true", "false"))
        return None

    def integer(self, key: str, default: int, *, least: int) -> int:
        value = self.data.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self.add_error(key, f"Must be a whole number, at least {least}.")
            return default
        return value

    def seconds(self, key: str, default: int) -> int:
        """Return seconds from `90m`, `1h30m`, `2d`, or a whole number of seconds."""
        value = self.data.get(key, default)
        if isinstance(value, str) and _DURATION.fullmatch(value):
            value = sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([wdhms])", value))
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            self.add_error(key, f"{value!r} isn't a duration such as 30m, 1h30m or 2d.")
            return default
        return value

    def nested(self, key: str, value: Any) -> TableReader:
        """Return a reader of a nested table, which adds to the same errors."""
        path = f"{self.path}.{key}" if self.path else key
        if isinstance(value, Mapping):
            return TableReader(self.index, value, path, self.faults)
        self.add_error(key, "Must be a table.")
        return TableReader(self.index, {}, path, [])
