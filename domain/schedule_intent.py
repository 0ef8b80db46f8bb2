"""The intent of a plan for a schedule: recorded when its operation succeeds, enforced by the schedule reconciler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.json_types import Json


class IntentKind(StrEnum):
    SKIP = "skip"
    PAUSE = "pause"
    RUN = "run"
    """Runs by its expression: no run is skipped."""
    GONE = "gone"
    """Deleted: nothing is promised any more."""


@dataclass(frozen=True, slots=True)
class ScheduleIntent:
    """`before` is lastSkipped as it was before ours, for cancelling ours; `skips` are the runs that are promised to be skipped."""

    name: str
    uid: str
    kind: IntentKind
    horizon: datetime | None = None
    paused: bool = False
    before: datetime | None = None
    skips: tuple[datetime, ...] = ()
    spec_hash: str = ""

    def as_json(self) -> Json:
        """Part of a plan's fingerprint, so the keys stay as they are."""
        return {
            "name": self.name,
            "uid": self.uid,
            "kind": self.kind.value,
            "horizon": _format(self.horizon),
            "paused": self.paused,
            "before": _format(self.before),
            "skips": [run.isoformat() for run in self.skips],
            "seal": self.spec_hash,
        }


def intent_from_json(stored: Mapping[str, Any]) -> ScheduleIntent:
    return ScheduleIntent(
        name=stored["name"],
        uid=stored["uid"],
        kind=IntentKind(stored["kind"]),
        horizon=_parse(stored["horizon"]),
        paused=stored["paused"],
        before=_parse(stored["before"]),
        skips=tuple(datetime.fromisoformat(run) for run in stored["skips"]),
        spec_hash=stored.get("seal", ""),
    )


def _format(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def _parse(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
