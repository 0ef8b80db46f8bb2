"""The dead man's switch of schedules: which expected run is missing, and why. Pure.

A run is expected at each occurrence of the cron expression unless something excuses it: the horizon, a pause requested in chat,
or an occurrence before the schedule was created or edited. A run belongs to an occurrence if it began in the occurrence's window.
Velero checks its schedules once a minute; the rest of the grace is for its problems. An unknown cause is reported as unknown.
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
from commands.planning.object_fields import format_span
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
FREQUENT_PERIOD = timedelta(hours=1)
"""Below this, a series of missed runs is reported once."""
BLOCKING_PHASES = frozenset({"", "New", "InProgress"})
WAITING_PHASES = frozenset({"", "New", "Queued", "ReadyToStart"})
MAX_SCHEDULE_NAME = 63
EXPLANATION_WINDOW = timedelta(minutes=2)
"""A condition that begins this long after a run was due can still explain it: Velero and the bot don't look more often."""


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


CAUSE_TEXTS = {
    Cause.INVALID: "Velero rejects the schedule (FailedValidation).",
    Cause.NAME_TOO_LONG: "The schedule name is longer than 63 characters, so Velero can't create its backups.",
    Cause.PAUSED_OUTSIDE: "The schedule was paused outside Slack.",
    Cause.SERVER_DOWN: "The Velero server didn't respond.",
    Cause.BLOCKED: "The previous run, {run}, hadn't finished; Velero doesn't start a second one.",
    Cause.LOCATION: "The storage location was Unavailable; Velero doesn't retry the run.",
    Cause.REFUSED: "Velero rejected backup {run} and doesn't retry it.",
    Cause.CLOCK_SKEW: "The Velero server's clock is wrong.",
    Cause.UNREACHABLE: "The cluster's API didn't respond to the bot at that time either.",
    Cause.UNKNOWN: "No cause was found in the cluster. Check the logs of deployment/velero around that time.",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """`grace` is in seconds; `stale_after` and `near` are multiples of the period."""

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
    """Velero's message of a FailedValidation."""
    manual: bool = False


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """One schedule as it is now. `runs`: oldest first. `server`: whether the Velero server responds; None where not known.

    `history`: the recent conditions, since the cause of a missed run may be over when the miss is found.
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
    view: ScheduleView, memory: WatchdogMemory, now: datetime, limits: Limits
) -> tuple[WatchdogMemory, tuple[WatchdogFinding, ...]]:
    memory = _current(view, memory, now)
    found: list[WatchdogFinding] = [*_skewed(view, now)]
    if view.schedule is None:
        return memory, tuple(found)  # the observer reports that it is invalid
    memory, misses, late = _scan(view, memory, now, limits)
    findings, memory = _missed(misses, memory)
    found += findings
    found += [_late(occurrence, run) for occurrence, run in late]
    recovered, memory = _recovered(view, memory)
    found += recovered
    if not view.paused:
        found += [*_piling(view), *_stale(view, memory, now, limits), *_near(view, limits)]
    return memory, tuple(found)


def _current(view: ScheduleView, memory: WatchdogMemory, now: datetime) -> WatchdogMemory:
    """The first time, judging starts where the server counts from; an edited schedule has no missed runs from before."""
    if memory.checked is None:
        return WatchdogMemory(view.marks.base, view.key, period=_period(view, now))
    if memory.key != view.key:
        return WatchdogMemory(now, view.key, memory.missing, memory.latest, memory.cause, _period(view, now))
    return memory


def _period(view: ScheduleView, now: datetime) -> float:
    runs = view.schedule.runs(now, 9) if view.schedule is not None else []
    return max(((after - before).total_seconds() for before, after in pairwise(runs)), default=0.0)


def _scan(
    view: ScheduleView, memory: WatchdogMemory, now: datetime, limits: Limits
) -> tuple[WatchdogMemory, list[MissedRun], list[tuple[datetime, Run]]]:
    grace = timedelta(seconds=limits.grace)
    misses: list[MissedRun] = []
    late: list[tuple[datetime, Run]] = []
    used: set[str] = set()
    for occurrence, following in _occurrences(view, memory, now - grace):
        memory = replace(memory, checked=occurrence)
        if _excused(view, occurrence):
            continue
        window = occurrence + min(grace, max(following - occurrence, START_TOLERANCE))
        if following - occurrence < grace and _good_in(view, occurrence, occurrence + grace):
            continue
        run = _run_in(view, occurrence, window, used)
        if run is not None:
            used.add(run.name)
            if run.phase == "FailedValidation":
                misses.append(_lost(view, occurrence, following, run))
            continue
        if _last_backup_in(view, occurrence, window):
            continue
        behind = _run_in(view, window, following, used)
        if behind is not None and behind.phase != "FailedValidation":
            used.add(behind.name)
            late.append((occurrence, behind))
            continue
        misses.append(_why(view, occurrence, following, now))
    return memory, misses, late


def _occurrences(view: ScheduleView, memory: WatchdogMemory, until: datetime) -> Iterable[tuple[datetime, datetime]]:
    """Each occurrence with the one that follows it. After a long gap, at most MAX_OCCURRENCES and the last one."""
    schedule, start = view.schedule, max(memory.checked or view.marks.created, view.marks.created)
    if schedule is None:
        return
    if schedule.every is not None:
        expected = schedule.next(view.marks.base)
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


def _excused(view: ScheduleView, occurrence: datetime) -> bool:
    skipped = view.marks.last_skipped
    if skipped is not None and occurrence <= skipped:
        return True
    return view.paused and view.paused_by_us


def _run_in(view: ScheduleView, since: datetime, until: datetime, used: set[str]) -> Run | None:
    mine = (run for run in view.runs if since <= run.created < until and run.name not in used and not run.manual)
    return next(mine, None)


def _good_in(view: ScheduleView, since: datetime, until: datetime) -> bool:
    """A schedule that runs every few minutes misses nothing as long as any run begins within the grace."""
    return any(since <= run.created < until for run in view.runs if run.phase != "FailedValidation" and not run.manual)


def _last_backup_in(view: ScheduleView, since: datetime, until: datetime) -> bool:
    """The Backup itself may already be deleted; the schedule still has lastBackup."""
    last = view.marks.last_backup
    return last is not None and since <= last < until


def _lost(view: ScheduleView, occurrence: datetime, following: datetime, run: Run) -> MissedRun:
    away = run.location in view.down or "unavailable" in run.refused.lower()
    cause = Cause.LOCATION if away else Cause.REFUSED
    return MissedRun(occurrence, cause, following - occurrence, run.name)


def _why(view: ScheduleView, occurrence: datetime, following: datetime, now: datetime) -> MissedRun:
    blocking = next((run for run in reversed(view.runs) if _blocks(run, occurrence)), None)
    period = following - occurrence
    stood = partial(find_cause, view.history, since=occurrence, until=occurrence + EXPLANATION_WINDOW)
    if not view.valid or stood(ConditionKind.INVALID, subject=view.name):
        return MissedRun(occurrence, Cause.INVALID, period)
    if len(view.name) > MAX_SCHEDULE_NAME:
        return MissedRun(occurrence, Cause.NAME_TOO_LONG, period)
    if view.paused or stood(ConditionKind.PAUSED, subject=view.name):
        return MissedRun(occurrence, Cause.PAUSED_OUTSIDE, period)
    if blocking is not None:
        return MissedRun(occurrence, Cause.BLOCKED, period, blocking.name)
    if any(_skewed(view, now)):
        return MissedRun(occurrence, Cause.CLOCK_SKEW, period)
    if view.server is False or stood(ConditionKind.SILENT):
        return MissedRun(occurrence, Cause.SERVER_DOWN, period)
    return MissedRun(occurrence, Cause.UNREACHABLE if stood(ConditionKind.UNREACHABLE) else Cause.UNKNOWN, period)


def _blocks(run: Run, occurrence: datetime) -> bool:
    """As Velero's controller decides: queued runs and runs that wait for plugins block nothing."""
    if run.created >= occurrence:
        return False
    return run.phase in BLOCKING_PHASES or (run.completed is not None and run.completed > occurrence)


def _missed(misses: list[MissedRun], memory: WatchdogMemory) -> tuple[list[WatchdogFinding], WatchdogMemory]:
    findings: list[WatchdogFinding] = []
    for miss in misses:
        same = memory.missing is not None and memory.cause == miss.cause.value
        if not same or (miss.until_next >= FREQUENT_PERIOD and miss.cause is not Cause.PAUSED_OUTSIDE):
            findings.append(_finding(miss))
        memory = replace(memory, missing=memory.missing or miss.at, latest=miss.at, cause=miss.cause.value)
    if len(findings) > 10:
        last = findings[-1]
        findings = [*findings[:9], replace(last, facts={**last.facts, "also": len(findings) - 10})]
    return findings, memory


def _finding(miss: MissedRun) -> WatchdogFinding:
    at = miss.at.isoformat()
    text = CAUSE_TEXTS[miss.cause].format(run=miss.run)
    facts = {"expected": at, "cause": miss.cause.value, "backup": miss.run, "message": text}
    severity = Severity.WARNING if miss.cause is Cause.BLOCKED else Severity.FAILURE
    return WatchdogFinding("schedule.missed", at, severity, {key: value for key, value in facts.items() if value})


def _late(occurrence: datetime, run: Run) -> WatchdogFinding:
    minutes = int((run.created - occurrence).total_seconds() // 60)
    facts = {
        "expected": occurrence.isoformat(),
        "backup": run.name,
        "message": f"{run.name} started {counted(minutes, 'minute')} late.",
    }
    return WatchdogFinding("schedule.ran-late", occurrence.isoformat(), Severity.WARNING, facts)


def _recovered(view: ScheduleView, memory: WatchdogMemory) -> tuple[list[WatchdogFinding], WatchdogMemory]:
    if memory.missing is None or memory.latest is None:
        return [], memory
    latest = memory.latest
    after = [run for run in view.runs if run.created > latest and run.phase != "FailedValidation" and not run.manual]
    held = view.paused and view.paused_by_us
    if not after and not held:
        return [], memory
    if not held and _may_still_miss(memory):
        return [], memory
    clear = replace(memory, missing=None, latest=None, cause="")
    if held or (after[0].phase in WAITING_PHASES and memory.cause in {Cause.LOCATION, Cause.REFUSED}):
        return [], clear if held else memory
    facts = {"expected": memory.missing.isoformat(), "backup": after[0].name, "cause": memory.cause}
    return [WatchdogFinding("schedule.recovered", memory.missing.isoformat(), Severity.RECOVERY, facts)], clear


def _may_still_miss(memory: WatchdogMemory) -> bool:
    """A schedule that runs often has recovered after two runs in a row: a single run may come between two missed ones."""
    if memory.checked is None or memory.latest is None or not 0 < memory.period < FREQUENT_PERIOD.total_seconds():
        return False
    return memory.checked - memory.latest < timedelta(seconds=2 * memory.period)


def _skewed(view: ScheduleView, now: datetime) -> tuple[WatchdogFinding, ...]:
    """Compares Velero's clock with the API server's and the bot's."""
    last = view.marks.last_backup
    ahead = last is not None and last > now + CLOCK_SKEW
    newest = view.runs[-1] if view.runs else None
    apart = newest is not None and newest.started is not None and newest.started < newest.created - CLOCK_SKEW
    if not ahead and not apart:
        return ()
    day = now.date().isoformat()
    return (WatchdogFinding("schedule.clock-skew", day, Severity.WARNING, {"message": CAUSE_TEXTS[Cause.CLOCK_SKEW]}),)


def _piling(view: ScheduleView) -> Iterable[WatchdogFinding]:
    waiting = [run for run in view.runs if run.phase in WAITING_PHASES]
    if len(waiting) >= 2:
        names = ", ".join(run.name for run in waiting[:5]) + (", …" if len(waiting) > 5 else "")
        text = f"{counted(len(waiting), 'run')} waiting in the queue: {names}."
        facts = {"waiting": [run.name for run in waiting], "message": text}
        yield WatchdogFinding("schedule.piling-up", waiting[0].name, Severity.WARNING, facts)


def _stale(view: ScheduleView, memory: WatchdogMemory, now: datetime, limits: Limits) -> Iterable[WatchdogFinding]:
    """No finding while runs are skipped: the horizon explains the age."""
    if not memory.period or (view.marks.last_skipped is not None and view.marks.last_skipped > now):
        return
    good = next((run for run in reversed(view.runs) if BACKUP_PHASES.is_good(run.phase)), None)
    since = good.created if good is not None else view.marks.created
    since = max(since, view.marks.last_skipped or since)
    if (now - since).total_seconds() > limits.stale_after * memory.period + limits.grace:
        name = good.name if good is not None else ""
        facts: dict[str, Any] = {"message": "It has no Completed backup."}
        if good is not None:
            facts = {"last_good": {"name": name, "at": good.created.isoformat()}}
        yield WatchdogFinding("schedule.no-good-backup", name or "none", Severity.FAILURE, facts)


def _near(view: ScheduleView, limits: Limits) -> Iterable[WatchdogFinding]:
    run = next((run for run in reversed(view.runs) if run.completed is not None and run.started is not None), None)
    if run is None or run.completed is None or run.started is None or view.schedule is None:
        return
    following = view.schedule.next(run.created)
    lasted = (run.completed - run.started).total_seconds()
    interval = (following - run.created).total_seconds() if following is not None else 0.0
    if lasted > limits.near * interval > START_TOLERANCE.total_seconds():
        text = f"{run.name} took {_span(lasted)}; the next run was due after {_span(interval)}."
        facts = {"backup": run.name, "seconds": lasted, "message": text}
        yield WatchdogFinding("schedule.near-period", run.name, Severity.WARNING, facts)


def next_run(view: ScheduleView, now: datetime) -> datetime | None:
    """None for a paused schedule, and where Velero rejects the expression."""
    if view.schedule is None or view.paused:
        return None
    return view.schedule.next(max(now, view.marks.last_skipped or now))


def _span(seconds: float) -> str:
    return format_span(timedelta(seconds=seconds))
