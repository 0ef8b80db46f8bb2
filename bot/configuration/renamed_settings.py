"""Former names of settings. They stay accepted; the log and `config check` say what to write instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RENAMED_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "approvals": {"window": "valid_for"},
    "delivery": {
        "enrich": "wait_for_results",
        "hurry": "resend_urgent_after",
        "read_gap": "history_read_interval",
        "sweep": "duplicate_sweep_after",
    },
    "limits": {"waiting": "waiting_total"},
    "store": {"ballast": "reserve_bytes"},
    "watching": {
        "answer_within": "server_timeout",
        "look_every": "check_interval",
        "refused_every": "denied_retry_interval",
        "stalls_every": "stalled_check_interval",
    },
}
"""Table → former name → name."""


@dataclass(frozen=True, slots=True)
class RenamedSetting:
    table: str
    former: str
    name: str

    @property
    def text(self) -> str:
        return f"the setting is now called {self.name!r}; {self.former!r} still works"


def find_renamed(data: Mapping[str, Any]) -> tuple[RenamedSetting, ...]:
    """Return the former names that a settings file uses."""
    return tuple(
        RenamedSetting(table, former, name)
        for table, names in RENAMED_SETTINGS.items()
        if isinstance(values := data.get(table), dict)
        for former, name in names.items()
        if former in values
    )


def with_current_names(data: Mapping[str, Any], renamed: tuple[RenamedSetting, ...]) -> dict[str, Any]:
    """Return the file's contents under the current names. A setting given under both names keeps both: an error."""
    current = dict(data)
    for each in renamed:
        values = dict(current[each.table])
        if each.name not in values:
            values[each.name] = values.pop(each.former)
        current[each.table] = values
    return current
