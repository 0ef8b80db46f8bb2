"""One tracked run, and the table of its legal moves."""

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
    """A write was sent and its answer never came: it may be in the cluster or not, and is looked for."""
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
"""`approved` fails without being sent when it was granted too long ago to start. `submitted` is unconfirmed again when
the answer to a later step is lost. `lost` is left again when the object turns up after all: an unreachable cluster
comes back."""

TERMINAL = frozenset(State) - frozenset(MOVES)
OPEN = frozenset(State) - TERMINAL - {State.LOST}
"""These still change by themselves or by somebody's click."""

GRANTED = frozenset({State.APPROVED, State.SUBMITTING, State.UNCONFIRMED, State.SUBMITTED, State.RUNNING})
"""Only these may write to a cluster."""


class IllegalMove(ConcurrentChange):
    """Names both ends."""


@dataclass(frozen=True, slots=True)
class Operation:
    """`revision` grows by one with every stored change; compare-and-set uses it."""

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
    """Velero's own word."""
    object_uid: str = ""
    object_name: str = ""
    reason: str = ""
    revision: int = 0

    def advance(self, to: State, now: datetime, **changes: str) -> Operation:
        if to is not self.state and to not in MOVES.get(self.state, frozenset()):
            raise IllegalMove(f"operation {self.id} cannot move from {self.state} to {to}")
        return replace(self, state=to, changed_at=now, revision=self.revision + 1, **changes)  # type: ignore[arg-type]

    @property
    def is_over(self) -> bool:
        return self.state in TERMINAL or self.state is State.LOST
