"""Computes the patch that brings a schedule back to what was requested. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from commands.schedule import horizon
from domain.json_types import Json
from store.tables.schedules import ScheduleState
from velero.resources.schedules import Schedule


@dataclass(frozen=True, slots=True)
class SchedulePatch:
    """A merge patch, and a sentence on why it is needed."""

    body: Json
    why: str


def desired_patch(intent: ScheduleState | None, seen: Schedule, now: datetime) -> SchedulePatch | None:
    """Restore a requested horizon in the future if it was removed; everything else may be changed outside Slack.

    The intent is found by name, not by uid: a schedule that GitOps recreates must still skip its runs.
    """
    if intent is None or intent.horizon_outside:
        return None
    until = intent.horizon
    if until is None or until <= now:
        return None
    current = seen.last_skipped
    if current is not None and current >= horizon.whole_seconds(until):
        return None
    shown = "empty" if current is None else f"{current:%Y-%m-%d %H:%M:%S} UTC"
    why = f"lastSkipped was {shown} and is set to {until:%Y-%m-%d %H:%M:%S} UTC again."
    return SchedulePatch(horizon.body(until=until), why)
