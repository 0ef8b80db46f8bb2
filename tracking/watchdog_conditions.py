"""What the watchdog finds at every look as long as it lasts: told when it begins, and when it is seen to be over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from commands.conditions import ConditionKind
from domain.event import Severity
from store.tables.conditions import Condition
from tracking.watchdog import CLOCK_SKEW, WAITING, Run, ScheduleView, WatchdogFinding
from velero.phases import BACKUP_PHASES


@dataclass(frozen=True, slots=True)
class LastingFinding:
    """`over` asks for evidence: that nothing was found this time may only mean that nothing ran."""

    kind: ConditionKind
    ended: str
    over: Callable[[ScheduleView, datetime], Run | bool | None]


def _in_step(sight: ScheduleView, since: datetime) -> Run | None:
    newest = sight.runs[-1] if sight.runs else None
    if newest is None or newest.started is None or newest.created <= since:
        return None
    return newest if abs(newest.started - newest.created) <= CLOCK_SKEW else None


def _drained(sight: ScheduleView, _since: datetime) -> bool:
    return not any(run.phase in WAITING for run in sight.runs)


def _good(sight: ScheduleView, since: datetime) -> Run | None:
    ended = (run for run in sight.runs if BACKUP_PHASES.is_good(run.phase) and (run.completed or run.created) > since)
    return next(ended, None)


LASTING_FINDINGS: Mapping[str, LastingFinding] = {
    "schedule.clock-skew": LastingFinding(ConditionKind.SKEWED, "schedule.clock-right", _in_step),
    "schedule.piling-up": LastingFinding(ConditionKind.PILING, "schedule.drained", _drained),
    "schedule.no-good-backup": LastingFinding(ConditionKind.STALE, "schedule.good-again", _good),
}


def without_repeats(sight: ScheduleView, findings: Iterable[WatchdogFinding]) -> tuple[WatchdogFinding, ...]:
    """Without those that were told before and still stand; with the ends of those that are over."""
    mine = [each for each in sight.history if each.until is None and each.subject == sight.name]
    standing: dict[str, Condition] = {each.kind: each for each in mine}
    kept = [
        each for each in findings if (it := LASTING_FINDINGS.get(each.kind)) is None or it.kind.value not in standing
    ]
    ends = (_ended(sight, it, standing.get(it.kind.value)) for it in LASTING_FINDINGS.values())
    return (*kept, *(each for each in ends if each is not None))


def _ended(sight: ScheduleView, lasting: LastingFinding, stood: Condition | None) -> WatchdogFinding | None:
    evidence = lasting.over(sight, stood.since) if stood is not None else None
    if stood is None or not evidence:
        return None
    run = evidence.name if isinstance(evidence, Run) else ""
    return WatchdogFinding(lasting.ended, stood.since.isoformat(), Severity.RECOVERY, {"backup": run} if run else {})
