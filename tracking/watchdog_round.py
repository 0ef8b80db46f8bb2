"""The watchdog at work: every cluster's schedules against what ran, and what was said against what was promised."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from commands.conditions import HISTORY_LENGTH, find_cause, record_event
from commands.conditions import ConditionKind as Doubt
from commands.planning.context import ClusterView
from commands.planning.object_fields import parse_time
from commands.schedule.forecast import dialect, parse_expression
from domain.errors import ClusterError, ConcurrentChange, Forbidden, Unauthenticated
from domain.event import Event, Severity
from domain.schedule_intent import IntentKind
from store.tables.observed import Observed
from store.tables.schedules import ScheduleState, WatchdogMemory
from store.transaction import Transaction
from store.writer import Store
from tracking.follower import ClusterMemory
from tracking.observation import format_time
from tracking.watchdog import (
    MAX_OCCURRENCES,
    Limits,
    Run,
    ScheduleView,
    WatchdogFinding,
    judge_schedule,
)
from tracking.watchdog_conditions import without_repeats
from tracking.watchdog_kots import judge_series, series_of_runs
from velero.cluster import Cluster
from velero.cron import expression
from velero.cron.schedule_clock import ScheduleTimes
from velero.health import Condition
from velero.phases import BACKUP_PHASES
from velero.resources.schedules import Schedule

log = logging.getLogger(__name__)

WATCHDOG_INTERVAL_S = 30.0
SETTLING_TIME = timedelta(seconds=90)
"""Velero's look comes within a minute; then a skipped run is surely skipped."""
EventListener = Callable[[tuple[Event, ...]], None]


def ignore_events(_events: tuple[Event, ...]) -> None:
    """Where nobody wants to hear of it at once: the outbox has it."""


class Watchdog:
    """`known` is what the followers remember (its Backups are the runs); `view` says zone and version of a cluster."""

    def __init__(
        self,
        store: Store,
        clusters: Mapping[str, Cluster],
        known: Mapping[str, ClusterMemory],
        view: Callable[[str], ClusterView],
        now: Callable[[], datetime],
        limits: Callable[[], Limits] = Limits,
        told: EventListener = ignore_events,
        every: float = WATCHDOG_INTERVAL_S,
    ) -> None:
        self._store = store
        self._clusters = clusters
        self._known = known
        self._view = view
        self._now = now
        self._limits = limits
        self._told = told
        self._every = every

    async def round(self) -> float:
        for cluster in self._clusters.values():
            if not cluster.uid:
                continue  # not reached yet: what is told now would be told again under its proper name
            rows = await self._rows(cluster.name)
            try:
                seen = await cluster.schedules.list()
            except ClusterError as error:
                log.info("schedules of %s could not be watched: %s", cluster.name, error.text)
                await self._unseen(cluster, rows, error)
                continue
            if "Backup" in self._known[cluster.name].in_step:
                await self._watch(cluster, {row.name: row for row in rows}, seen)
        return self._every

    async def _rows(self, cluster: str) -> tuple[ScheduleState, ...]:
        return await self._store.read(lambda tx: tx.schedules.all(cluster))

    async def _watch(self, cluster: Cluster, rows: Mapping[str, ScheduleState], seen: Iterable[Schedule]) -> None:
        now, limits = self._now(), self._limits()
        history = await self._store.read(lambda tx: tx.conditions.since(cluster.name, now - HISTORY_LENGTH))
        known = self._known[cluster.name]
        runs = runs_by_schedule(known.of("Backup").values())
        down = frozenset(one.name for one in known.of("BackupStorageLocation").values() if one.phase == "Unavailable")
        for schedule in seen:
            row = rows.get(schedule.name)
            if row is None or row.uid != schedule.uid:
                continue  # the keeper takes it up first
            sight = view_schedule(
                schedule, row, runs.get(schedule.name, ()), self._view(cluster.name), _answers(cluster), down
            )
            sight = replace(sight, history=history)
            memory, findings = judge_schedule(sight, row.watch, now, limits)
            findings = (*without_repeats(sight, findings), *seen_after_all(sight, row.watch, findings))
            open_skips, skips = judge_skips(row, sight, now)
            after = replace(row, watch=memory, skips=open_skips)
            events = tuple(_event(cluster, schedule, each, now) for each in (*findings, *skips))
            await self._keep(row, after, events)
        await self._kots(cluster, known, now, limits)

    async def _keep(self, row: ScheduleState, after: ScheduleState, events: tuple[Event, ...]) -> None:
        if after == row and not events:
            return

        def commit(tx: Transaction) -> tuple[Event, ...]:
            if after != row:
                tx.schedules.put(after, row.revision)
            return tuple(event for event in events if tx.outbox.add(record_event(tx, event)))

        try:
            fresh = await self._store.write(commit)
        except ConcurrentChange:
            return  # somebody changed the intent meanwhile; the next round judges anew
        if fresh:
            self._told(fresh)

    async def _kots(self, cluster: Cluster, known: ClusterMemory, now: datetime, limits: Limits) -> None:
        mine = ((str(one.facts["kots"]), run_of(one)) for one in known.of("Backup").values() if one.facts.get("kots"))
        runs = series_of_runs((key, run) for key, run in mine if run is not None)
        events = tuple(
            _named(cluster, key, key, finding, now)
            for key, each in runs.items()
            for finding in judge_series(key, each, now, limits)
        )
        if not events:
            return
        fresh = await self._store.write(lambda tx: tuple(event for event in events if tx.outbox.add(event)))
        if fresh:
            self._told(fresh)

    async def _unseen(self, cluster: Cluster, rows: Iterable[ScheduleState], error: ClusterError) -> None:
        """Whether it ran is not known; once per schedule and outage, since nothing is judged meanwhile."""
        now, limits = self._now(), self._limits()
        runs = runs_by_schedule(self._known[cluster.name].of("Backup").values())
        events = []
        for row in rows:
            found, _ = parse_expression(str(row.spec.get("schedule", "")), self._view(cluster.name))
            finding = unknown(row, found, runs.get(row.name, ()), error, now - timedelta(seconds=limits.grace))
            if finding is not None:
                events.append(_named(cluster, row.uid, row.name, finding, now))
        if not events:
            return

        def commit(tx: Transaction) -> tuple[Event, ...]:
            return tuple(event for event in events if tx.outbox.add(record_event(tx, event)))

        if fresh := await self._store.write(commit):
            self._told(fresh)


def unknown(
    row: ScheduleState,
    schedule: expression.CronSchedule | None,
    runs: Iterable[Run],
    error: ClusterError,
    until: datetime,
) -> WatchdogFinding | None:
    """The first run that was due by then and that nobody saw: what was seen before the cluster went silent is known."""
    memory, ran = row.watch, [run.created for run in runs if not run.manual]
    if schedule is None or row.paused or memory.checked is None:
        return None
    at = schedule.next(max(memory.checked, row.horizon or memory.checked))
    for _ in range(MAX_OCCURRENCES):
        if at is None or at > until or (following := schedule.next(at)) is None:
            return None
        if not any(at <= each < following for each in ran):
            break
        at = following
    else:
        return None
    refused = isinstance(error, Unauthenticated | Forbidden)
    said = "the cluster refuses the bot's credentials" if refused else "the cluster does not answer"
    facts = {
        "schedule": row.name,
        "expected": at.isoformat(),
        "cause": "access-lost" if refused else "cluster-unreachable",
        "message": f"{said}: whether it ran is not known",
    }
    return WatchdogFinding("schedule.unseen", at.isoformat(), Severity.WARNING, facts)


def seen_after_all(
    sight: ScheduleView, before: WatchdogMemory, findings: Iterable[WatchdogFinding]
) -> tuple[WatchdogFinding, ...]:
    """The end of what was told as not known; a run that turns out to be missed or late is told as that."""
    doubt = find_cause(sight.history, Doubt.UNSEEN, sight.marks.created, datetime.max.replace(tzinfo=UTC), sight.name)
    if doubt is None or doubt.until is not None or before.checked is None or sight.schedule is None:
        return ()
    if any(each.kind in {"schedule.missed", "schedule.ran-late"} for each in findings):
        return ()
    run = next((run for run in sight.runs if run.created > before.checked and not run.manual), None)
    facts = {"headline": f"No run of schedule {sight.name} was missed meanwhile"}
    if run is not None:
        due = sight.schedule.next(before.checked)
        facts = {"expected": format_time(due), "backup": run.name, "message": f"its run is {run.name}"}
    return (WatchdogFinding("schedule.seen", format_time(doubt.since), Severity.RECOVERY, facts),)


def runs_by_schedule(backups: Iterable[Observed]) -> Mapping[str, list[Run]]:
    """Oldest first."""
    found: dict[str, list[Run]] = {}
    for one in backups:
        name, run = str(one.facts.get("schedule", "")), run_of(one)
        if name and run is not None:
            found.setdefault(name, []).append(run)
    for runs in found.values():
        runs.sort(key=lambda run: (run.created, run.name))
    return found


def run_of(one: Observed) -> Run | None:
    created, started = parse_time(one.facts.get("created")), parse_time(one.facts.get("started"))
    if created is None:
        return None
    if started is not None and one.phase in BACKUP_PHASES.terminal and int(one.facts.get("generation") or 0) == 1:
        created = (
            started  # synced from a bucket, or restored: the object is younger than the run, and no clock is wrong
        )
    return Run(
        one.name,
        one.phase,
        created,
        started,
        parse_time(one.facts.get("completed")),
        str(one.facts.get("location", "")),
        str(one.facts.get("refused", "")),
        manual=bool(one.facts.get("operation")),
    )


def view_schedule(
    schedule: Schedule,
    row: ScheduleState,
    runs: Iterable[Run],
    view: ClusterView,
    server: bool | None,
    down: frozenset[str],
) -> ScheduleView:
    found, _ = parse_expression(schedule.cron, view)
    created = schedule.meta.created or row.changed_at
    return ScheduleView(
        name=schedule.name,
        key=f"{schedule.cron}|{view.velero_timezone}|{dialect(view).value}",
        schedule=found,
        marks=ScheduleTimes(created, schedule.last_backup, schedule.last_skipped),
        runs=tuple(runs),
        paused=schedule.paused,
        paused_by_us=row.paused and not row.paused_outside,
        valid=schedule.phase != "FailedValidation",
        server=server,
        down=down,
    )


def judge_skips(
    row: ScheduleState, sight: ScheduleView, now: datetime
) -> tuple[tuple[datetime, ...], tuple[WatchdogFinding, ...]]:
    """Of the promised skips: those still to come, and what became of those that have passed."""
    still: list[datetime] = []
    told: list[WatchdogFinding] = []
    for at in row.skips:
        if at + SETTLING_TIME > now:
            still.append(at)
            continue
        ran = _ran(sight, at)
        if ran:
            told.append(_not_skipped(row, at, ran))
        elif row.requested is IntentKind.SKIP:
            facts = {"expected": format_time(at), "by": row.who, "message": row.reason}
            told.append(WatchdogFinding("schedule.skipped-as-asked", format_time(at), Severity.INFO, facts))
    return tuple(still), tuple(told)


def _ran(sight: ScheduleView, at: datetime) -> str:
    window = at + timedelta(seconds=65)
    mine = (run.name for run in sight.runs if at <= run.created < window and not run.manual)
    last = sight.marks.last_backup
    return next(mine, "the run" if last is not None and at <= last < window else "")


def _not_skipped(row: ScheduleState, at: datetime, run: str) -> WatchdogFinding:
    near = row.since is not None and at - row.since < SETTLING_TIME
    why = "it was requested too close to the run" if near else "the skip was removed outside Slack"
    facts = {"expected": format_time(at), "by": row.who, "backup": run, "message": f"Backup {run} was created: {why}"}
    return WatchdogFinding("schedule.not-skipped", format_time(at), Severity.FAILURE, facts)


def _answers(cluster: Cluster) -> bool | None:
    health = cluster.board.get("server")
    return None if health.condition is Condition.STARTING else health.ok


def _event(cluster: Cluster, schedule: Schedule, finding: WatchdogFinding, now: datetime) -> Event:
    facts = {"namespaces": [str(each) for each in schedule.template.get("includedNamespaces") or []], **finding.facts}
    return _named(cluster, schedule.uid, schedule.name, replace(finding, facts=facts), now)


def _named(cluster: Cluster, uid: str, name: str, finding: WatchdogFinding, now: datetime) -> Event:
    return Event(
        kind=finding.kind,
        cluster=cluster.name,
        cluster_uid=cluster.uid,
        object_kind="Schedule",
        object_uid=uid,
        object_name=name,
        transition=finding.transition,
        at=now,
        severity=finding.severity,
        facts={"schedule": name, **{key: value for key, value in finding.facts.items() if value}},
    )
