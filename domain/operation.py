"""A tracked operation, and the table of its state transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from domain.errors import ConcurrentChange


class State(StrEnum):
    PLANNED = "planned"
    REFUSED = "refused"
    AWAITING = "awaiting"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    STALE = "stale"
    APPROVED = "approved"
    SUBMITTING = "submitting"
    UNCONFIRMED = "unconfirmed"
    """A write was sent without an answer: the object may exist or not, and the bot checks."""
    SUBMITTED = "submitted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    LOST = "lost"


_ENDS = frozenset({State.SUCCEEDED, State.PARTIAL, State.FAILED, State.LOST})

MOVES: Mapping[State, frozenset[State]] = {
    State.PLANNED: frozenset({State.REFUSED, State.AWAITING, State.APPROVED}),
    State.AWAITING: frozenset({State.REJECTED, State.EXPIRED, State.WITHDRAWN, State.STALE, State.APPROVED}),
    State.APPROVED: frozenset({State.SUBMITTING, State.FAILED}),
    State.SUBMITTING: frozenset({State.SUBMITTED, State.UNCONFIRMED, State.FAILED}),
    State.UNCONFIRMED: frozenset({State.SUBMITTED, State.FAILED, State.LOST}),
    State.SUBMITTED: frozenset({State.RUNNING, State.UNCONFIRMED, State.WITHDRAWN}) | _ENDS,
    State.RUNNING: _ENDS,
    State.LOST: frozenset({State.SUCCEEDED, State.PARTIAL, State.FAILED}),
}
"""State → next states. `approved` fails unsent if it was granted too long ago. `submitted` becomes unconfirmed again if the
answer to a later step is lost. `lost` ends when the object is found after all: an unreachable cluster comes back."""

TERMINAL = frozenset(State) - frozenset(MOVES)
OPEN = frozenset(State) - TERMINAL - {State.LOST}
"""States that can still change."""

GRANTED = frozenset({State.APPROVED, State.SUBMITTING, State.UNCONFIRMED, State.SUBMITTED, State.RUNNING})
"""States in which the operation may write to a cluster."""


class IllegalMove(ConcurrentChange):
    """A transition that MOVES doesn't have."""


@dataclass(frozen=True, slots=True)
class Operation:
    """`revision` increases by one with every stored change; compare-and-set uses it."""

    id: str
    cluster: str
    noun: str
    verb: str
    subject: str
    actor: str
    state: State
    line: str
    fingerprint: str
    created_at: datetime
    changed_at: datetime
    phase: str = ""
    """Velero's phase."""
    object_uid: str = ""
    object_name: str = ""
    reason: str = ""
    revision: int = 0

    def advance(self, to: State, now: datetime, **changes: str) -> Operation:
        if to is not self.state and to not in MOVES.get(self.state, frozenset()):
            raise IllegalMove(f"operation {self.id} can't change from {self.state} to {to}")
        return replace(self, state=to, changed_at=now, revision=self.revision + 1, **changes)  # type: ignore[arg-type]

    @property
    def is_over(self) -> bool:
        return self.state in TERMINAL or self.state is State.LOST
