"""Runs that make no progress: stuck in the queue, stuck in Finalizing, or much slower than usual. Each is reported once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
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
"""Shorter runs are never slow."""


@dataclass(frozen=True, slots=True)
class StallLimits:
    queued: float = 300.0
    finalizing: float = 300.0


def stall_events(
    context: TrackingContext, noun: str, runs: Iterable[Observed], limits: StallLimits, usual: float = 0.0
) -> tuple[Event, ...]:
    """One event per run and kind of stall: the transition contains the kind and since when."""
    found: list[Event] = []
    for run in runs:
        if run.phase in BACKUP_PHASES.terminal or run.phase == "Deleting":
            continue
        kind = _find_stall(run, context.now, limits, float(run.facts.get("usual", 0) or usual))
        if kind:
            transition = f"{kind} {run.facts.get('since', '')}"
            event = event_of_known(context, f"{noun}.{kind}", noun.capitalize(), run, transition, Severity.WARNING)
            found.append(replace(event, facts={**event.facts, "usual": usual} if usual else event.facts))
    return tuple(found)


def _find_stall(run: Observed, now: datetime, limits: StallLimits, usual: float) -> str:
    """The kind of stall, or nothing."""
    since = parse_time(run.facts.get("since"))
    if since is None:
        return ""
    waited = now - since
    if run.phase in QUEUED and waited.total_seconds() > limits.queued:
        return "stuck-in-queue"
    if run.phase in FINALIZING and waited.total_seconds() > limits.finalizing:
        return "stuck-in-finalizing"
    started = parse_time(run.facts.get("started"))
    if started is not None and usual:
        lasted = now - started
        if lasted.total_seconds() > max(usual * SLOW_FACTOR, MIN_SLOW_SECONDS):
            return "slow"
    return ""
