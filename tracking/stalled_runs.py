"""Runs that do not move: stuck in the queue, stuck in Finalizing, far beyond their usual time. Told once each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from commands.planning.object_fields import parse_time
from domain.event import Event, Severity
from store.tables.observed import Observed
from tracking.observation import TrackingContext, event_of_known
from velero.phases import BACKUP_PHASES

QUEUED = BACKUP_PHASES.queued
FINALIZING = frozenset({"Finalizing", "FinalizingPartiallyFailed"})
SLOW_FACTOR = 3.0
MIN_SLOW_SECONDS = 600.0
"""Seconds: shorter runs are not called slow."""


@dataclass(frozen=True, slots=True)
class StallLimits:
    queued: float = 300.0
    finalizing: float = 300.0


def stall_events(
    setting: TrackingContext, noun: str, runs: Iterable[Observed], limits: StallLimits, usual: float = 0.0
) -> tuple[Event, ...]:
    """One event a run and a kind of stall: the transition names the phase and since when."""
    found: list[Event] = []
    for run in runs:
        if run.phase in BACKUP_PHASES.terminal or run.phase == "Deleting":
            continue
        kind = _stall(run, setting.now, limits, float(run.facts.get("usual", 0) or usual))
        if kind:
            object_kind = noun.capitalize()
            since = str(run.facts.get("since", ""))
            found.append(
                event_of_known(setting, f"{noun}.{kind}", object_kind, run, f"{kind} {since}", Severity.WARNING)
            )
    return tuple(found)


def _stall(run: Observed, now: datetime, limits: StallLimits, usual: float) -> str:
    since = parse_time(run.facts.get("since"))
    if since is None:
        return ""
    waited = (now - since).total_seconds()
    if run.phase in QUEUED and waited > limits.queued:
        return "stuck-in-queue"
    if run.phase in FINALIZING and waited > limits.finalizing:
        return "stuck-in-finalizing"
    started = parse_time(run.facts.get("started"))
    if started is not None and usual:
        lasted = (now - started).total_seconds()
        if lasted > max(usual * SLOW_FACTOR, MIN_SLOW_SECONDS):
            return "slow"
    return ""
