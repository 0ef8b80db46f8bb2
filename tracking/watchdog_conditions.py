"""What the watchdog finds at every look as long as it lasts: told when it begins, and when it is seen to be over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from commands.conditions import Kind
from domain.event import Severity
from store.tables.conditions import Condition
from tracking.watchdog import SKEW, WAITING, Finding, Run, Sight
from velero.phases import BACKUP_PHASES


@dataclass(frozen=True, slots=True)
class Lasting:
    """`over` asks for evidence: that nothing was found this time may only mean that nothing ran."""

    kind: Kind
    ended: str
    over: Callable[[Sight, datetime], Run | bool | None]


def _in_step(sight: Sight, since: datetime) -> Run | None:
    newest = sight.runs[-1] if sight.runs else None
    if newest is None or newest.started is None or newest.created <= since:
        return None
    return newest if abs(newest.started - newest.created) <= SKEW else None


def _drained(sight: Sight, _since: datetime) -> bool:
    return not any(run.phase in WAITING for run in sight.runs)


def _good(sight: Sight, since: datetime) -> Run | None:
    ended = (run for run in sight.runs if BACKUP_PHASES.good(run.phase) and (run.completed or run.created) > since)
    return next(ended, None)


LASTING: Mapping[str, Lasting] = {
    "schedule.clock-skew": Lasting(Kind.SKEWED, "schedule.clock-right", _in_step),
    "schedule.piling-up": Lasting(Kind.PILING, "schedule.drained", _drained),
    "schedule.no-good-backup": Lasting(Kind.STALE, "schedule.good-again", _good),
}


def told_once(sight: Sight, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Without those that were told before and still stand; with the ends of those that are over."""
    mine = [each for each in sight.history if each.until is None and each.subject == sight.name]
    standing: dict[str, Condition] = {each.kind: each for each in mine}
    kept = [each for each in findings if (it := LASTING.get(each.kind)) is None or it.kind.value not in standing]
    ends = (_ended(sight, it, standing.get(it.kind.value)) for it in LASTING.values())
    return (*kept, *(each for each in ends if each is not None))


def _ended(sight: Sight, lasting: Lasting, stood: Condition | None) -> Finding | None:
    evidence = lasting.over(sight, stood.since) if stood is not None else None
    if stood is None or not evidence:
        return None
    run = evidence.name if isinstance(evidence, Run) else ""
    return Finding(lasting.ended, stood.since.isoformat(), Severity.RECOVERY, {"backup": run} if run else {})
