"""The dead-man's switch of schedules: which expected run did not come, and why. Pure.

Expected are the occurrences of the expression that nothing excuses: the horizon, a pause of ours, creation, an edit. A
run belongs to an occurrence if it began in the occurrence's window; Velero's own look comes within a minute, so the rest
of the grace is for its troubles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from itertools import pairwise
from typing import Any

from commands.conditions import ConditionKind, find_cause
from domain.counting import counted
from domain.event import Severity
from store.tables.conditions import Condition
from store.tables.schedules import WatchdogMemory
from velero.cron import expression
from velero.cron.schedule_clock import CHECK_INTERVAL, ScheduleTimes, last_due_before
from velero.phases import BACKUP_PHASES

START_TOLERANCE = CHECK_INTERVAL + timedelta(seconds=5)
CLOCK_SKEW = timedelta(seconds=60)
MAX_OCCURRENCES = 200
FREQUENT = timedelta(hours=1)
"""Below this, a streak of misses is told once."""
BLOCKING = frozenset({"", "New", "InProgress"})
WAITING = frozenset({"", "New", "Queued", "ReadyToStart"})
LONGEST_NAME = 63
EXPLAINED = timedelta(minutes=2)
"""How long after a run was due what began still explains its absence: Velero looks once a minute, the bot not much oftener."""


class Cause(StrEnum):
    INVALID = "schedule-invalid"
    NAME_TOO_LONG = "name-too-long"
    PAUSED_OUTSIDE = "paused-outside"
    SERVER_DOWN = "server-down"
    BLOCKED = "blocked-by-own-run"
    LOCATION = "location-unavailable"
    REFUSED = "failed-validation"
    CLOCK_SKEW = "clock-skew"
    UNREACHABLE = "cluster-unreachable"
    UNKNOWN = "unknown"


WORDS = {
    Cause.INVALID: "Velero rejects the schedule (FailedValidation)",
    Cause.NAME_TOO_LONG: "the schedule name is longer than 63 characters, so Velero can't create its backups",
    Cause.PAUSED_OUTSIDE: "the schedule was paused outside Slack",
    Cause.SERVER_DOWN: "Velero's server did not answer",
    Cause.BLOCKED: "the previous run, {run}, hasn't finished; Velero doesn't start a second one",
    Cause.LOCATION: "the storage location was Unavailable; Velero doesn't retry the run",
    Cause.REFUSED: "Velero rejected backup {run} and doesn't retry it",
    Cause.CLOCK_SKEW: "the Velero server's clock is wrong",
    Cause.UNREACHABLE: "the cluster's API did not answer the bot at that time either",
    Cause.UNKNOWN: "no cause found in the cluster",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds; `stale_after` and `near` are shares of the period."""

    grace: float = 300.0
    stale_after: float = 3.0
    near: float = 0.8


@dataclass(frozen=True, slots=True)
class Run:
    """A backup of the schedule. `created` is the API server's clock, `started` Velero's."""

    name: str
    phase: str
    created: datetime
    started: datetime | None = None
    completed: datetime | None = None
    location: str = ""
    refused: str = ""
    """Velero's own words of a FailedValidation."""
    manual: bool = False


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """One schedule as it is seen now. `runs` oldest first; `server` None where it was not asked.

    `history` are the conditions that stood lately: the cause of a miss may be over when the miss is found.
    """

    name: str
    key: str
    schedule: expression.CronSchedule | None
    marks: ScheduleTimes
    runs: Sequence[Run] = ()
    paused: bool = False
    paused_by_us: bool = False
    valid: bool = True
    server: bool | None = None
    down: frozenset[str] = frozenset()
    history: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class WatchdogFinding:
    kind: str
    transition: str
    severity: Severity
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MissedRun:
    at: datetime
    cause: Cause
    until_next: timedelta
    run: str = ""


def judge_schedule(
    sight: ScheduleView, memory: WatchdogMemory, now: datetime, limits: Limits
) -> tuple[WatchdogMemory, tuple[WatchdogFinding, ...]]:
    memory = _current(sight, memory, now)
    found: list[WatchdogFinding] = [*_skewed(sight, now)]
    if sight.schedule is None:
        return memory, tuple(found)  # that it is invalid, the observer tells
    memory, misses, late = _scan(sight, memory, now, limits)
    told, memory = _missed(misses, memory)
    found += told
    found += [_late(occurrence, run) for occurrence, run in late]
    recovered, memory = _recovered(sight, memory)
    found += recovered
    if not sight.paused:
        found += [*_piling(sight), *_stale(sight, memory, now, limits), *_near(sight, limits)]
    return memory, tuple(found)


def _current(sight: ScheduleView, memory: WatchdogMemory, now: datetime) -> WatchdogMemory:
    """A first look starts where the server counts from; an edited schedule owes nothing from before."""
    if memory.checked is None:
        return WatchdogMemory(sight.marks.base, sight.key, period=_period(sight, now))
    if memory.key != sight.key:
        return WatchdogMemory(now, sight.key, memory.missing, memory.latest, memory.cause, _period(sight, now))
    return memory


def _period(sight: ScheduleView, now: datetime) -> float:
    runs = sight.schedule.runs(now, 9) if sight.schedule is not None else []
    return max(((after - before).total_seconds() for before, after in pairwise(runs)), default=0.0)


def _scan(
    sight: ScheduleView, memory: WatchdogMemory, now: datetime, limits: Limits
) -> tuple[WatchdogMemory, list[MissedRun], list[tuple[datetime, Run]]]:
    grace = timedelta(seconds=limits.grace)
    misses: list[MissedRun] = []
    late: list[tuple[datetime, Run]] = []
    used: set[str] = set()
    for occurrence, following in _occurrences(sight, memory, now - grace):
        memory = replace(memory, checked=occurrence)
        if _excused(sight, occurrence):
            continue
        window = occurrence + min(grace, max(following - occurrence, START_TOLERANCE))
        if following - occurrence < grace and _good_in(sight, occurrence, occurrence + grace):
            continue
        run = _run_in(sight, occurrence, window, used)
        if run is not None:
            used.add(run.name)
            if run.phase == "FailedValidation":
                misses.append(_lost(sight, occurrence, following, run))
            continue
        if _last_backup_in(sight, occurrence, window):
            continue
        behind = _run_in(sight, window, following, used)
        if behind is not None and behind.phase != "FailedValidation":
            used.add(behind.name)
            late.append((occurrence, behind))
            continue
        misses.append(_why(sight, occurrence, following, now))
    return memory, misses, late


def _occurrences(sight: ScheduleView, memory: WatchdogMemory, until: datetime) -> Iterable[tuple[datetime, datetime]]:
    """With the one that follows each. Far behind, only the last ones: the rest is the same story."""
    schedule, start = sight.schedule, max(memory.checked or sight.marks.created, sight.marks.created)
    if schedule is None:
        return
    if schedule.every is not None:
        expected = schedule.next(sight.marks.base)
        if expected is not None and start < expected <= until:
            yield expected, expected + timedelta(seconds=schedule.every)
        return
    at = schedule.next(start)
    for _ in range(MAX_OCCURRENCES):
        if at is None or at > until or (following := schedule.next(at)) is None:
            return
        yield at, following
        at = following
    if at is not None and (latest := last_due_before(schedule, at - timedelta(seconds=1), until)) is not None:
        yield latest, schedule.next(latest) or latest


def _excused(sight: ScheduleView, occurrence: datetime) -> bool:
    skipped = sight.marks.last_skipped
    if skipped is not None and occurrence <= skipped:
        return True
    return sight.paused and sight.paused_by_us


def _run_in(sight: ScheduleView, since: datetime, until: datetime, used: set[str]) -> Run | None:
    mine = (run for run in sight.runs if since <= run.created < until and run.name not in used and not run.manual)
    return next(mine, None)


def _good_in(sight: ScheduleView, since: datetime, until: datetime) -> bool:
    """Of a schedule that runs every few minutes nothing is missing while any run comes within the grace."""
    return any(since <= run.created < until for run in sight.runs if run.phase != "FailedValidation" and not run.manual)


def _last_backup_in(sight: ScheduleView, since: datetime, until: datetime) -> bool:
    """The Backup itself may be gone again; the schedule remembers its last."""
    last = sight.marks.last_backup
    return last is not None and since <= last < until


def _lost(sight: ScheduleView, occurrence: datetime, following: datetime, run: Run) -> MissedRun:
    away = run.location in sight.down or "unavailable" in run.refused.lower()
    cause = Cause.LOCATION if away else Cause.REFUSED
    return MissedRun(occurrence, cause, following - occurrence, run.name)


def _why(sight: ScheduleView, occurrence: datetime, following: datetime, now: datetime) -> MissedRun:
    blocking = next((run for run in reversed(sight.runs) if _blocks(run, occurrence)), None)
    period = following - occurrence
    stood = partial(find_cause, sight.history, since=occurrence, until=occurrence + EXPLAINED)
    if not sight.valid or stood(ConditionKind.INVALID, subject=sight.name):
        return MissedRun(occurrence, Cause.INVALID, period)
    if len(sight.name) > LONGEST_NAME:
        return MissedRun(occurrence, Cause.NAME_TOO_LONG, period)
    if sight.paused or stood(ConditionKind.PAUSED, subject=sight.name):
        return MissedRun(occurrence, Cause.PAUSED_OUTSIDE, period)
    if blocking is not None:
        return MissedRun(occurrence, Cause.BLOCKED, period, blocking.name)
    if any(_skewed(sight, now)):
        return MissedRun(occurrence, Cause.CLOCK_SKEW, period)
    if sight.server is False or stood(ConditionKind.SILENT):
        return MissedRun(occurrence, Cause.SERVER_DOWN, period)
    return MissedRun(occurrence, Cause.UNREACHABLE if stood(ConditionKind.UNREACHABLE) else Cause.UNKNOWN, period)


def _blocks(run: Run, occurrence: datetime) -> bool:
    """As the controller sees it: queued runs and those that wait for plugins block nothing."""
    if run.created >= occurrence:
        return False
    return run.phase in BLOCKING or (run.completed is not None and run.completed > occurrence)


def _missed(misses: list[MissedRun], memory: WatchdogMemory) -> tuple[list[WatchdogFinding], WatchdogMemory]:
    told: list[WatchdogFinding] = []
    for miss in misses:
        same = memory.missing is not None and memory.cause == miss.cause.value
        if not same or (miss.until_next >= FREQUENT and miss.cause is not Cause.PAUSED_OUTSIDE):
            told.append(_finding(miss))
        memory = replace(memory, missing=memory.missing or miss.at, latest=miss.at, cause=miss.cause.value)
    if len(told) > 10:
        last = told[-1]
        told = [*told[:9], replace(last, facts={**last.facts, "also": len(told) - 10})]
    return told, memory


def _finding(miss: MissedRun) -> WatchdogFinding:
    at = miss.at.isoformat()
    words = WORDS[miss.cause].format(run=miss.run)
    facts = {"expected": at, "cause": miss.cause.value, "backup": miss.run, "message": words}
    severity = Severity.WARNING if miss.cause is Cause.BLOCKED else Severity.FAILURE
    return WatchdogFinding("schedule.missed", at, severity, {key: value for key, value in facts.items() if value})


def _late(occurrence: datetime, run: Run) -> WatchdogFinding:
    minutes = int((run.created - occurrence).total_seconds() // 60)
    facts = {
        "expected": occurrence.isoformat(),
        "backup": run.name,
        "message": f"{run.name} started {counted(minutes, 'minute')} late",
    }
    return WatchdogFinding("schedule.ran-late", occurrence.isoformat(), Severity.WARNING, facts)


def _recovered(sight: ScheduleView, memory: WatchdogMemory) -> tuple[list[WatchdogFinding], WatchdogMemory]:
    if memory.missing is None or memory.latest is None:
        return [], memory
    latest = memory.latest
    after = [run for run in sight.runs if run.created > latest and run.phase != "FailedValidation" and not run.manual]
    held = sight.paused and sight.paused_by_us
    if not after and not held:
        return [], memory
    if not held and _may_go_on(memory):
        return [], memory
    clear = replace(memory, missing=None, latest=None, cause="")
    if held or (after[0].phase in WAITING and memory.cause in {Cause.LOCATION, Cause.REFUSED}):
        return [], clear if held else memory
    facts = {"expected": memory.missing.isoformat(), "backup": after[0].name, "cause": memory.cause}
    return [WatchdogFinding("schedule.recovered", memory.missing.isoformat(), Severity.RECOVERY, facts)], clear


def _may_go_on(memory: WatchdogMemory) -> bool:
    """What runs often has recovered after two runs in a row: one that comes between two misses is no recovery."""
    if memory.checked is None or memory.latest is None or not 0 < memory.period < FREQUENT.total_seconds():
        return False
    return memory.checked - memory.latest < timedelta(seconds=2 * memory.period)


def _skewed(sight: ScheduleView, now: datetime) -> tuple[WatchdogFinding, ...]:
    """Velero's clock against the API server's and ours."""
    last = sight.marks.last_backup
    ahead = last is not None and last > now + CLOCK_SKEW
    newest = sight.runs[-1] if sight.runs else None
    apart = newest is not None and newest.started is not None and newest.started < newest.created - CLOCK_SKEW
    if not ahead and not apart:
        return ()
    day = now.date().isoformat()
    return (WatchdogFinding("schedule.clock-skew", day, Severity.WARNING, {"message": WORDS[Cause.CLOCK_SKEW]}),)


def _piling(sight: ScheduleView) -> Iterable[WatchdogFinding]:
    waiting = [run for run in sight.runs if run.phase in WAITING]
    if len(waiting) >= 2:
        facts = {"waiting": [run.name for run in waiting], "message": f"{len(waiting)} of its runs wait in the queue"}
        yield WatchdogFinding("schedule.piling-up", waiting[0].name, Severity.WARNING, facts)


def _stale(sight: ScheduleView, memory: WatchdogMemory, now: datetime, limits: Limits) -> Iterable[WatchdogFinding]:
    """Of what nothing held back: a horizon in between explains the age."""
    if not memory.period or (sight.marks.last_skipped is not None and sight.marks.last_skipped > now):
        return
    good = next((run for run in reversed(sight.runs) if BACKUP_PHASES.is_good(run.phase)), None)
    since = good.created if good is not None else sight.marks.created
    since = max(since, sight.marks.last_skipped or since)
    if (now - since).total_seconds() > limits.stale_after * memory.period + limits.grace:
        name = good.name if good is not None else ""
        words = f"last Completed backup: {name}" if name else "it has no Completed backup"
        facts = {"last_good": {"name": name, "at": since.isoformat()} if name else None, "message": words}
        yield WatchdogFinding("schedule.no-good-backup", name or "none", Severity.FAILURE, facts)


def _near(sight: ScheduleView, limits: Limits) -> Iterable[WatchdogFinding]:
    run = next((run for run in reversed(sight.runs) if run.completed is not None and run.started is not None), None)
    if run is None or run.completed is None or run.started is None or sight.schedule is None:
        return
    following = sight.schedule.next(run.created)
    lasted = (run.completed - run.started).total_seconds()
    if (
        following is not None
        and lasted > limits.near * (following - run.created).total_seconds() > START_TOLERANCE.total_seconds()
    ):
        facts = {"backup": run.name, "seconds": lasted, "message": f"{run.name} took almost the whole interval"}
        yield WatchdogFinding("schedule.near-period", run.name, Severity.WARNING, facts)
