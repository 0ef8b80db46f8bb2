"""The meaning of Velero's phases. An unknown phase is shown as it is and counts as not ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phases:
    """`terminal` holds every final phase; `failed` and `partial` are those that aren't a success."""

    terminal: frozenset[str]
    running: frozenset[str]
    queued: frozenset[str]
    failed: frozenset[str]
    partial: frozenset[str] = frozenset()

    def is_good(self, phase: str) -> bool:
        return phase in self.terminal and phase not in self.failed and phase not in self.partial


_RUNNING = frozenset(
    {
        "InProgress",
        "WaitingForPluginOperations",
        "WaitingForPluginOperationsPartiallyFailed",
        "Finalizing",
        "FinalizingPartiallyFailed",
    }
)
_ENDED = frozenset({"Completed", "PartiallyFailed", "Failed", "FailedValidation"})

BACKUP_PHASES = Phases(
    terminal=_ENDED,
    running=_RUNNING,
    queued=frozenset({"", "New", "Queued", "ReadyToStart"}),
    failed=frozenset({"Failed", "FailedValidation"}),
    partial=frozenset({"PartiallyFailed"}),
)
RESTORE_PHASES = Phases(
    terminal=_ENDED,
    running=_RUNNING,
    queued=frozenset({"", "New"}),
    failed=frozenset({"Failed", "FailedValidation"}),
    partial=frozenset({"PartiallyFailed"}),
)
REQUEST_PHASES = Phases(
    terminal=frozenset({"Processed", "Failed"}),
    running=frozenset({"InProgress"}),
    queued=frozenset({"", "New"}),
    failed=frozenset({"Failed"}),
)
VOLUME_PHASES = Phases(
    terminal=frozenset({"Completed", "Failed", "Canceled"}),
    running=frozenset({"Prepared", "InProgress", "Canceling"}),
    queued=frozenset({"", "New", "Accepted"}),
    failed=frozenset({"Failed", "Canceled"}),
)
