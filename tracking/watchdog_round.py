"""Runs the watchdog: compares every cluster's schedules with what ran, and promised skips with what was skipped.

What a run is comes from the followers' memory of backups. While a cluster can't be read, nothing is judged: a run that was due is
reported as unknown, once per outage, and judged when the cluster responds again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from commands.conditions import HISTORY_LENGTH, ConditionKind, find_cause, record_event
from commands.planning.context import ClusterView
from commands.planning.object_fields import parse_time
from commands.schedule.forecast import dialect, parse_expression
from domain.errors import ClusterError, ConcurrentChange, Forbidden, Unauthenticated
from domain.event import Event, Severity
from domain.schedule_intent import IntentKind
from store.isolation import Isolation
from store.tables.failed_items import ItemKind
from store.tables.observed import Observed
from store.tables.schedules import ScheduleState, WatchdogMemory
from store.transaction import Transaction
from store.writer import Store
from tracking.cluster_rounds import run_clusters
from tracking.follower import ClusterMemory
from tracking.observation import EventListener, format_time, ignore_events
from tracking.watchdog import (
    MAX_OCCURRENCES,
    Limits,
    Run,
    ScheduleView,
    WatchdogFinding,
    judge_schedule,
    next_run,
)
from tracking.watchdog_conditions import without_repeats
from tracking.watchdog_kots import judge_series, series_of_runs
from tracking.watched_schedules import ScheduleReading
from velero.cluster import Cluster
from velero.cron import expression
from velero.cron.schedule_clock import ScheduleTimes
from velero.health import Condition
from velero.phases import BACKUP_PHASES
from velero.resources.schedules import Schedule

log = logging.getLogger(__name__)

WATCHDOG_INTERVAL_S = 30.0
MAX_INLINE_RUNS = 1_000
"""More runs than this are read and sorted in a thread."""
SETTLING_TIME = timedelta(seconds=90)
"""Velero checks its schedules once a minute: after this time a skipped run has certainly been skipped."""


class Watchdog:
    """`memory` is what the followers know (its backups are the runs); `cluster_view` returns a cluster's zone and version."""

    def __init__(
        self,
        store: Store,
        clusters: Mapping[str, Cluster],
        memory: Mapping[str, ClusterMemory],
        cluster_view: Callable[[str], ClusterView],
        now: Callable[[], datetime],
        limits: Callable[[], Limits] = Limits,
        on_events: EventListener = ignore_events,
    ) -> None:
        self._store = store
        self._clusters = clusters
        self._memory = memory
        self._cluster_view = cluster_view
        self._now = now
        self._limits = limits
        self._on_events = on_events
        self._isolation = Isolation(store, ItemKind.SCHEDULE, now)

    async def round(self) -> float:
        await run_clusters(self._clusters.values(), self._watch, "checking for missed runs")
        return WATCHDOG_INTERVAL_S

    async def _watch(self, cluster: Cluster) -> None:
        if not cluster.uid:
            return  # not reached yet: its events have no cluster uid and would be repeated later
        states = await self._states(cluster.name)
        try:
            seen = await ScheduleReading(cluster, self._memory[cluster.name].schedules).seen()
        except ClusterError as error:
            log.info("schedules of %s could not be read: %s", cluster.name, error.text)
            await self._report_unknown(cluster, states, error)
            return
        if "Backup" in self._memory[cluster.name].in_step:
            await self._judge(cluster, {state.name: state for state in states}, seen.values())

    async def _states(self, cluster: str) -> tuple[ScheduleState, ...]:
        return await self._store.read(lambda tx: tx.schedules.all(cluster))

    async def _judge(self, cluster: Cluster, states: Mapping[str, ScheduleState], seen: Iterable[Schedule]) -> None:
        now, limits = self._now(), self._limits()
        history = await self._store.read(lambda tx: tx.conditions.since(cluster.name, now - HISTORY_LENGTH))
        known = self._memory[cluster.name]
        backups = tuple(known.of("Backup").values())
        runs = await _sorted_runs(runs_by_schedule, backups)
        down = frozenset(one.name for one in known.of("BackupStorageLocation").values() if one.phase == "Unavailable")

        async def judge_one(schedule: Schedule, state: ScheduleState) -> None:
            mine = runs.get(schedule.name, ())
            context = self._cluster_view(cluster.name)
            view = view_schedule(schedule, state, mine, context, _server_responds(cluster), down)
            view = replace(view, history=history)
            memory, findings = judge_schedule(view, state.watch, now, limits)
            findings = (*without_repeats(view, findings), *resolve_unknown_run(view, state.watch, findings))
            open_skips, skips = judge_skips(state, view, now)
            after = replace(state, watch=memory, skips=open_skips)
            events = tuple(_event(cluster, schedule, view, each, now) for each in (*findings, *skips))
            await self._record(state, after, events)

        prefix = f"watchdog of {cluster.name}/"  # the reconciler's keys of the same schedules begin with the cluster
        await self._isolation.run_each(
            [
                (
                    f"{prefix}{schedule.name}",
                    f"the runs of a schedule in {cluster.name}",
                    partial(judge_one, schedule, state),
                )
                for schedule in seen
                # A schedule without a state, or a recreated one, is recorded by the reconciler first.
                if (state := states.get(schedule.name)) is not None and state.uid == schedule.uid
            ],
            all_of=prefix,
        )
        await self._judge_kots(cluster, backups, now, limits)

    async def _record(self, state: ScheduleState, after: ScheduleState, events: tuple[Event, ...]) -> None:
        if after == state and not events:
            return

        def commit(tx: Transaction) -> tuple[Event, ...]:
            if after != state:
                tx.schedules.put(after, state.revision)
            return tuple(event for event in events if tx.outbox.add(record_event(tx, event)))

        try:
            fresh = await self._store.write(commit)
        except ConcurrentChange:
            return  # the intent has changed in the meantime; the next round judges it again
        if fresh:
            self._on_events(fresh)

    async def _judge_kots(self, cluster: Cluster, backups: tuple[Observed, ...], now: datetime, limits: Limits) -> None:
        runs = await _sorted_runs(_kots_runs, backups)
        events = tuple(
            _schedule_event(cluster, key, key, finding, now)
            for key, each in runs.items()
            for finding in judge_series(key, each, now, limits)
        )
        if not events:
            return
        fresh = await self._store.write(lambda tx: tuple(event for event in events if tx.outbox.add(event)))
        if fresh:
            self._on_events(fresh)

    async def _report_unknown(self, cluster: Cluster, states: Iterable[ScheduleState], error: ClusterError) -> None:
        """Reports runs of which it isn't known whether they happened; once per schedule and outage."""
        now, limits = self._now(), self._limits()
        backups = tuple(self._memory[cluster.name].of("Backup").values())
        runs = await _sorted_runs(runs_by_schedule, backups)
        events = []
        for state in states:
            found, _ = parse_expression(str(state.spec.get("schedule", "")), self._cluster_view(cluster.name))
            finding = unknown_run(state, found, runs.get(state.name, ()), error, now - timedelta(seconds=limits.grace))
            if finding is not None:
                events.append(_schedule_event(cluster, state.uid, state.name, finding, now))
        if not events:
            return

        def commit(tx: Transaction) -> tuple[Event, ...]:
            return tuple(event for event in events if tx.outbox.add(record_event(tx, event)))

        if fresh := await self._store.write(commit):
            self._on_events(fresh)


def unknown_run(
    state: ScheduleState,
    schedule: expression.CronSchedule | None,
    runs: Iterable[Run],
    error: ClusterError,
    until: datetime,
) -> WatchdogFinding | None:
    """The first run that was due by then and wasn't seen before the cluster stopped responding."""
    memory, ran = state.watch, [run.created for run in runs if not run.manual]
    if schedule is None or state.paused or memory.checked is None:
        return None
    at = schedule.next(max(memory.checked, state.horizon or memory.checked))
    for _ in range(MAX_OCCURRENCES):
        if at is None or at > until or (following := schedule.next(at)) is None:
            return None
        if not any(at <= each < following for each in ran):
            break
        at = following
    else:
        return None
    refused = isinstance(error, Unauthenticated | Forbidden)
    reason = "The cluster rejects the bot's credentials." if refused else "The cluster doesn't respond."
    facts = {
        "schedule": state.name,
        "expected": at.isoformat(),
        "cause": "access-lost" if refused else "cluster-unreachable",
        "message": reason,
    }
    return WatchdogFinding("schedule.unseen", at.isoformat(), Severity.WARNING, facts)


def resolve_unknown_run(
    view: ScheduleView, before: WatchdogMemory, findings: Iterable[WatchdogFinding]
) -> tuple[WatchdogFinding, ...]:
    """Ends what was reported as unknown; a run that turns out to be missed or late is reported as that instead."""
    unknown = find_cause(
        view.history, ConditionKind.UNSEEN, view.marks.created, datetime.max.replace(tzinfo=UTC), view.name
    )
    if unknown is None or unknown.until is not None or before.checked is None or view.schedule is None:
        return ()
    if any(each.kind in {"schedule.missed", "schedule.ran-late"} for each in findings):
        return ()
    run = next((run for run in view.runs if run.created > before.checked and not run.manual), None)
    facts = {"headline": f"No run of schedule {view.name} was missed in the meantime"}
    if run is not None:
        due = view.schedule.next(before.checked)
        facts = {"expected": format_time(due), "backup": run.name, "message": f"The run is backup {run.name}."}
    return (WatchdogFinding("schedule.seen", format_time(unknown.since), Severity.RECOVERY, facts),)


async def _sorted_runs(
    sort: Callable[[tuple[Observed, ...]], Mapping[str, list[Run]]], backups: tuple[Observed, ...]
) -> Mapping[str, list[Run]]:
    """In a thread where there are many, so that the event loop isn't blocked."""
    return await asyncio.to_thread(sort, backups) if len(backups) > MAX_INLINE_RUNS else sort(backups)


def _kots_runs(backups: Iterable[Observed]) -> Mapping[str, list[Run]]:
    mine = ((str(one.facts["kots"]), run_of(one)) for one in backups if one.facts.get("kots"))
    return series_of_runs((key, run) for key, run in mine if run is not None)


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
        # Synced from a bucket, or restored: the object is younger than the run, and no clock is wrong.
        created = started
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
    state: ScheduleState,
    runs: Iterable[Run],
    cluster_view: ClusterView,
    server: bool | None,
    down: frozenset[str],
) -> ScheduleView:
    found, _ = parse_expression(schedule.cron, cluster_view)
    created = schedule.meta.created or state.changed_at
    return ScheduleView(
        name=schedule.name,
        key=f"{schedule.cron}|{cluster_view.velero_timezone}|{dialect(cluster_view).value}",
        schedule=found,
        marks=ScheduleTimes(created, schedule.last_backup, schedule.last_skipped),
        runs=tuple(runs),
        paused=schedule.paused,
        paused_by_us=state.paused and not state.paused_outside,
        valid=schedule.phase != "FailedValidation",
        server=server,
        down=down,
    )


def judge_skips(
    state: ScheduleState, view: ScheduleView, now: datetime
) -> tuple[tuple[datetime, ...], tuple[WatchdogFinding, ...]]:
    """The promised skips that are still to come, and the outcome of those that have passed."""
    still: list[datetime] = []
    findings: list[WatchdogFinding] = []
    for at in state.skips:
        if at + SETTLING_TIME > now:
            still.append(at)
            continue
        if (run := _run_at(view, at)) is not None:
            findings.append(_not_skipped(state, at, run))
        elif state.requested is IntentKind.SKIP:
            facts = {"expected": format_time(at), "by": state.who, "message": state.reason}
            findings.append(WatchdogFinding("schedule.skipped-as-asked", format_time(at), Severity.INFO, facts))
    return tuple(still), tuple(findings)


def _run_at(view: ScheduleView, at: datetime) -> str | None:
    """The name of the run; empty where only the schedule's lastBackup shows it."""
    window = at + timedelta(seconds=65)
    mine = (run.name for run in view.runs if at <= run.created < window and not run.manual)
    last = view.marks.last_backup
    return next(mine, "" if last is not None and at <= last < window else None)


def _not_skipped(state: ScheduleState, at: datetime, run: str) -> WatchdogFinding:
    what = f"Backup {run} was created" if run else "Velero reports a run at that time"
    near = state.since is not None and at - state.since < SETTLING_TIME
    why = "it was requested too close to the run" if near else "the skip was removed outside Slack"
    facts = {"expected": format_time(at), "by": state.who, "backup": run, "message": f"{what}: {why}."}
    return WatchdogFinding("schedule.not-skipped", format_time(at), Severity.FAILURE, facts)


def _server_responds(cluster: Cluster) -> bool | None:
    health = cluster.board.get("server")
    return None if health.condition is Condition.STARTING else health.ok


def _event(cluster: Cluster, schedule: Schedule, view: ScheduleView, finding: WatchdogFinding, now: datetime) -> Event:
    facts = {
        "namespaces": [str(each) for each in schedule.template.get("includedNamespaces") or []],
        "next_run": format_time(next_run(view, now)),
        **finding.facts,
    }
    return _schedule_event(cluster, schedule.uid, schedule.name, replace(finding, facts=facts), now)


def _schedule_event(cluster: Cluster, uid: str, name: str, finding: WatchdogFinding, now: datetime) -> Event:
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
