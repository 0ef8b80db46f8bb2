"""Health of each watch of a cluster: readiness and answers say from it what is wrong and since when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from domain.errors import ClusterError, Forbidden, Throttled, Unauthenticated, VeleroMissing


class Condition(StrEnum):
    STARTING = "starting"
    OK = "ok"
    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    MISSING = "missing"


_CONDITION_BY_ERROR: tuple[tuple[type[ClusterError], Condition], ...] = (
    (VeleroMissing, Condition.MISSING),
    (Forbidden, Condition.FORBIDDEN),
    (Unauthenticated, Condition.UNAUTHENTICATED),
    (Throttled, Condition.THROTTLED),
)
LASTING_CONDITIONS = frozenset({Condition.MISSING, Condition.FORBIDDEN, Condition.UNAUTHENTICATED})


def condition_of(error: ClusterError) -> Condition:
    return next(
        (condition for kind, condition in _CONDITION_BY_ERROR if isinstance(error, kind)), Condition.UNREACHABLE
    )


@dataclass(frozen=True, slots=True)
class Health:
    """`since` is when the condition began, `last_ok` when the cluster last sent anything about this kind."""

    cluster: str
    kind: str
    condition: Condition = Condition.STARTING
    since: datetime | None = None
    last_ok: datetime | None = None
    reason: str = ""

    @property
    def ok(self) -> bool:
        return self.condition is Condition.OK


class HealthBoard:
    """The health of all kinds of one cluster."""

    def __init__(self, cluster: str, now: Callable[[], datetime]) -> None:
        self.cluster = cluster
        self._now = now
        self._healths: dict[str, Health] = {}

    def get(self, kind: str) -> Health:
        return self._healths.get(kind, Health(self.cluster, kind))

    def all(self) -> tuple[Health, ...]:
        return tuple(self._healths.values())

    def degraded(self) -> tuple[Health, ...]:
        return tuple(health for health in self._healths.values() if not health.ok)

    def record_ok(self, kind: str) -> None:
        now, before = self._now(), self.get(kind)
        since = before.since if before.ok else now
        self._healths[kind] = replace(before, condition=Condition.OK, since=since, last_ok=now, reason="")

    def record_failure(self, kind: str, error: ClusterError) -> None:
        before, condition = self.get(kind), condition_of(error)
        since = before.since if before.condition is condition else self._now()
        reason = f"{error.text} {error.why}".strip()
        self._healths[kind] = replace(before, condition=condition, since=since, reason=reason)
