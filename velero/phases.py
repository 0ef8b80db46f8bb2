"""What Velero's phases mean. A phase that is not named here is shown as it is and counts as not yet ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phases:
    """`failed` and `partial` are the bad ends; every end is in `terminal`."""

    terminal: frozenset[str]
    running: frozenset[str]
    queued: frozenset[str]
    failed: frozenset[str]
    partial: frozenset[str] = frozenset()

    def is_good(self, phase: str) -> bool:
        return phase in self.terminal and phase not in self.failed and phase not in self.partial


_WORKING = frozenset(
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
    running=_WORKING,
    queued=frozenset({"", "New", "Queued", "ReadyToStart"}),
    failed=frozenset({"Failed", "FailedValidation"}),
    partial=frozenset({"PartiallyFailed"}),
)
RESTORE_PHASES = Phases(
    terminal=_ENDED,
    running=_WORKING,
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
