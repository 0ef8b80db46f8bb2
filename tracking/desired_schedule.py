"""What a schedule should be, by what was promised: one pure function for start-up, foreign edits and the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from commands.schedule import horizon
from domain.json_types import Json
from store.tables.schedules import ScheduleState
from velero.resources.schedules import Schedule


@dataclass(frozen=True, slots=True)
class SchedulePatch:
    """A merge patch, and why it is needed in words."""

    body: Json
    why: str


def desired_patch(intent: ScheduleState | None, seen: Schedule, now: datetime) -> SchedulePatch | None:
    """A promised horizon that is still to come holds, whoever took it away; everything else is theirs to change.

    By name, not by uid: GitOps that makes a schedule anew must not run what was to be skipped.
    """
    if intent is None or intent.horizon_outside:
        return None
    until = intent.horizon
    if until is None or until <= now:
        return None
    there = seen.last_skipped
    if there is not None and there >= horizon.whole_seconds(until):
        return None
    shown = "nothing" if there is None else f"{there:%Y-%m-%d %H:%M:%S} UTC"
    return SchedulePatch(horizon.body(until=until), f"lastSkipped was {shown} instead of {until:%Y-%m-%d %H:%M:%S} UTC")
