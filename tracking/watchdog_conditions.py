"""Findings that last: the watchdog finds them in every round, but reports only their beginning and their end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from commands.conditions import ConditionKind
from domain.event import Severity
from store.tables.conditions import Condition
from tracking.watchdog import CLOCK_SKEW, WAITING_PHASES, Run, ScheduleView, WatchdogFinding
from velero.phases import BACKUP_PHASES


@dataclass(frozen=True, slots=True)
class LastingFinding:
    """`over` returns evidence of the end: finding nothing this time may only mean that nothing ran."""

    kind: ConditionKind
    ended: str
    over: Callable[[ScheduleView, datetime], Run | bool | None]


def _in_step(view: ScheduleView, since: datetime) -> Run | None:
    newest = view.runs[-1] if view.runs else None
    if newest is None or newest.started is None or newest.created <= since:
        return None
    return newest if abs(newest.started - newest.created) <= CLOCK_SKEW else None


def _drained(view: ScheduleView, _since: datetime) -> bool:
    return not any(run.phase in WAITING_PHASES for run in view.runs)


def _good(view: ScheduleView, since: datetime) -> Run | None:
    ended = (run for run in view.runs if BACKUP_PHASES.is_good(run.phase) and (run.completed or run.created) > since)
    return next(ended, None)


LASTING_FINDINGS: Mapping[str, LastingFinding] = {
    "schedule.clock-skew": LastingFinding(ConditionKind.SKEWED, "schedule.clock-right", _in_step),
    "schedule.piling-up": LastingFinding(ConditionKind.PILING, "schedule.drained", _drained),
    "schedule.no-good-backup": LastingFinding(ConditionKind.STALE, "schedule.good-again", _good),
}


def without_repeats(view: ScheduleView, findings: Iterable[WatchdogFinding]) -> tuple[WatchdogFinding, ...]:
    """Removes findings that were reported before and still last; adds the ends of those that are over."""
    mine = [each for each in view.history if each.until is None and each.subject == view.name]
    standing: dict[str, Condition] = {each.kind: each for each in mine}
    kept = [
        each
        for each in findings
        if (lasting := LASTING_FINDINGS.get(each.kind)) is None or lasting.kind.value not in standing
    ]
    ends = (_ended(view, lasting, standing.get(lasting.kind.value)) for lasting in LASTING_FINDINGS.values())
    return (*kept, *(each for each in ends if each is not None))


def _ended(view: ScheduleView, lasting: LastingFinding, stood: Condition | None) -> WatchdogFinding | None:
    evidence = lasting.over(view, stood.since) if stood is not None else None
    if stood is None or not evidence:
        return None
    run = evidence.name if isinstance(evidence, Run) else ""
    return WatchdogFinding(lasting.ended, stood.since.isoformat(), Severity.RECOVERY, {"backup": run} if run else {})
