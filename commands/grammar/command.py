"""A parsed command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Command:
    """`flags` holds only flags that were given. `help` is set by -h, --help, `help …` or a trailing `?`, and wins."""

    noun: str
    verb: str
    names: tuple[str, ...] = ()
    flags: Mapping[str, Any] = field(default_factory=dict)
    line: str = ""
    """The canonical line, without the cluster."""
    cli: str = ""
    """The same line for the velero CLI: without flags that only the bot has."""
    help: bool = False
    topic: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.noun}.{self.verb}" if self.verb else self.noun

    @property
    def name(self) -> str:
        return self.names[0] if self.names else ""

    @property
    def cluster(self) -> str:
        return self.text("cluster")

    @property
    def dry_run(self) -> bool:
        return self.is_true("dry-run") or bool(self.text("output") and self.verb == "create")

    @property
    def reason(self) -> str:
        """The reason for the audit log. Undoing a restore is a reason in itself."""
        undo = f"undo restore {self.text('undo')}" if self.text("undo") else ""
        return self.text("reason") or self.text("break-glass") or undo

    def has_flag(self, flag: str) -> bool:
        return flag in self.flags

    def text(self, flag: str) -> str:
        value = self.flags.get(flag)
        return "" if value is None else str(value)

    def is_true(self, flag: str) -> bool:
        return self.flags.get(flag) is True

    def optional_bool(self, flag: str) -> bool | None:
        """A tri-state flag: None when absent or given without a value."""
        value = self.flags.get(flag)
        return value if isinstance(value, bool) else None

    def number(self, flag: str, default: int = 0) -> int:
        value = self.flags.get(flag)
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    def nanoseconds(self, flag: str) -> int:
        return self.number(flag)

    def strings(self, flag: str) -> list[str]:
        value = self.flags.get(flag)
        return list(value) if isinstance(value, list) else []

    def pairs(self, flag: str) -> dict[str, str]:
        value = self.flags.get(flag)
        return dict(value) if isinstance(value, dict) else {}

    def selector(self, flag: str) -> dict[str, Any] | None:
        value = self.flags.get(flag)
        return value if isinstance(value, dict) else None
