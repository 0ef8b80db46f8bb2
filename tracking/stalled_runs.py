"""Runs that do not move: stuck in the queue, stuck in Finalizing, far beyond their usual time. Told once each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from commands.planning.object_fields import moment
from domain.event import Event, Severity
from store.tables.observed import Observed
from tracking.observation import Setting, of_known
from velero.phases import BACKUP_PHASES

QUEUED = BACKUP_PHASES.queued
FINALIZING = frozenset({"Finalizing", "FinalizingPartiallyFailed"})
FAR_BEYOND = 3.0
LEAST = 600.0
"""Seconds: shorter runs are not called slow."""


@dataclass(frozen=True, slots=True)
class Limits:
    queued: float = 300.0
    finalizing: float = 300.0


def stalled(
    setting: Setting, noun: str, runs: Iterable[Observed], limits: Limits, usual: float = 0.0
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
            found.append(of_known(setting, f"{noun}.{kind}", object_kind, run, f"{kind} {since}", Severity.WARNING))
    return tuple(found)


def _stall(run: Observed, now: datetime, limits: Limits, usual: float) -> str:
    since = moment(run.facts.get("since"))
    if since is None:
        return ""
    waited = (now - since).total_seconds()
    if run.phase in QUEUED and waited > limits.queued:
        return "stuck-in-queue"
    if run.phase in FINALIZING and waited > limits.finalizing:
        return "stuck-in-finalizing"
    started = moment(run.facts.get("started"))
    if started is not None and usual:
        lasted = (now - started).total_seconds()
        if lasted > max(usual * FAR_BEYOND, LEAST):
            return "slow"
    return ""
