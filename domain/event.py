"""Events: what happened in a cluster or in the bot. The packages pass them to each other through the outbox."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    FAILURE = "failure"
    SECURITY = "security"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is `<noun>.<past participle>` (`backup.completed`, `schedule.missed`, `approval.requested`).

    `transition` distinguishes events of one object (a phase, a missed run's time). Together with cluster uid, object kind
    and object uid it identifies the event, so a change that is observed twice is one event.
    `facts` is JSON: everything a notification needs, so that no receiver has to query again.
    """

    kind: str
    cluster: str
    cluster_uid: str
    object_kind: str
    object_uid: str
    object_name: str
    transition: str
    at: datetime
    severity: Severity = Severity.INFO
    operation: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return _hash(self.cluster_uid or self.cluster, self.object_kind, self.object_uid, self.kind, self.transition)

    def notice_id(self, destination: str) -> str:
        """Deterministic, so that a restored or empty database still recognizes what a receiver already shows."""
        return _hash(self.id, destination)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
