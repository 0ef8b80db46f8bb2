"""Shared by pause, resume, skip and unskip: select schedules, decide a change for each, and show its effect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from commands.grammar.command import Command
from commands.grammar.tokenizer import quote
from commands.planning import equivalent_command, selection
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, Needs, ObjectNeed
from commands.planning.reach_facts import cluster_facts
from commands.schedule import horizon
from commands.schedule.forecast import Forecast, forecast_lines, make_forecast
from commands.schedule.intent import intent_need, read_intent
from domain.json_types import Json
from domain.plan import Guard, Level, Plan
from domain.reach import Reach
from domain.schedule_intent import IntentKind, ScheduleIntent
from policy.reach import apply_merge_patch, schedule_reach, union_reach
from store.tables.schedules import ScheduleState


@dataclass(frozen=True, slots=True)
class BulkSubject:
    """One selected schedule, its forecast and its stored state."""

    item: Json
    forecast: Forecast
    state: ScheduleState | None

    @property
    def name(self) -> str:
        return self.forecast.name

    @property
    def uid(self) -> str:
        return str(self.item["metadata"].get("uid", ""))

    @property
    def before(self) -> datetime | None:
        """LastSkipped as it was before the bot changed it: what a cancelled horizon goes back to."""
        if self.forecast.horizon is None:
            return self.forecast.marks.last_skipped
        return self.state.before if self.state is not None else None

    @property
    def is_pause(self) -> bool:
        return self.state is not None and self.state.kind is IntentKind.PAUSE


@dataclass(frozen=True, slots=True)
class Change:
    """The merge patch for one schedule; an empty body leaves it as it is, and `note` says why."""

    body: Json
    intent: ScheduleIntent | None = None
    note: str = ""
    guards: tuple[Guard, ...] = ()


Decide = Callable[[BulkSubject], Change]


def needs(cmd: Command, known: Facts) -> Needs:
    return Needs.of(
        *selection.selection_needs(cmd, "schedules"),
        ObjectNeed("namespaces", optional=True),
        ObjectNeed("backupstoragelocations"),
        intent_need(known),
    )


def plan(cmd: Command, facts: Facts, context: PlanContext, decide: Decide, more: tuple[Guard, ...] = ()) -> Plan:
    selection.check_selection(cmd, "schedule")
    subjects = [
        BulkSubject(item, make_forecast(item, context.cluster, context.now), read_intent(facts, item))
        for item in selection.select_objects(cmd, facts, "schedules")
    ]
    changes = [(subject, decide(subject)) for subject in subjects]
    guards = [*selection.missing_guards(cmd, facts, "schedules", "schedule"), *more]
    for subject, change in changes:
        guards += [*change.guards, *(_invalid_guards(subject) if change.body else ())]
    touched = [(subject, change) for subject, change in changes if change.body]
    return Plan(
        cluster=context.cluster.name,
        noun="schedule",
        verb=cmd.verb,
        subject=", ".join(subject.name for subject, _ in (touched or changes)[:5]),
        steps=tuple(
            horizon.horizon_patch(subject.name, subject.uid, context.namespace, change.body)
            for subject, change in touched
        ),
        reach=_reach([subject for subject, _ in touched], facts, context),
        guards=tuple(guards),
        cli=_cli(cmd, touched, context),
        summary=_summary(cmd, changes, touched),
        intents=tuple(change.intent for _, change in touched if change.intent is not None),
        notes=_notes(changes, context),
    )


def _invalid_guards(subject: BulkSubject) -> Sequence[Guard]:
    if subject.forecast.schedule is None:
        text = f"Schedule {subject.name} is invalid and doesn't run: {subject.forecast.error}. Fix it with `schedule edit`."
        return (Guard("schedule-invalid", Level.WARN, text),)
    return ()


def _reach(subjects: Sequence[BulkSubject], facts: Facts, context: PlanContext) -> Reach:
    about = cluster_facts(facts, context)
    return union_reach(*(schedule_reach(subject.item, about) for subject in subjects)) if subjects else Reach()


def _cli(cmd: Command, touched: Sequence[tuple[BulkSubject, Change]], context: PlanContext) -> str:
    """The velero CLI has pause and unpause, for changes of `paused` alone; everything else is a kubectl patch."""
    names = [subject.name for subject, _ in touched]
    bodies = [change.body for _, change in touched]
    known = {"pause": ("pause", True), "resume": ("unpause", False)}
    if cmd.verb in known and bodies:
        verb, paused = known[cmd.verb]
        if all(body == {"spec": {"paused": paused}} for body in bodies):
            return f"velero schedule {verb} {' '.join(map(quote, names))}"
    steps = [horizon.horizon_patch(subject.name, "", context.namespace, change.body) for subject, change in touched]
    return equivalent_command.kubectl_commands(steps, context.namespace)


def _summary(
    cmd: Command, changes: Sequence[tuple[BulkSubject, Change]], touched: Sequence[tuple[BulkSubject, Change]]
) -> str:
    if not changes:
        return "No schedules found."
    if not touched:
        return " ".join(change.note for _, change in changes[:10] if change.note) or "Nothing to change."
    return f"{cmd.verb.capitalize()} {', '.join(subject.name for subject, _ in touched[:10])}"


def _notes(changes: Sequence[tuple[BulkSubject, Change]], context: PlanContext) -> tuple[str, ...]:
    """The notes of all changes, and for at most five schedules what each will do then."""
    notes = [change.note for _, change in changes if change.note]
    if len(changes) <= 5:
        for subject, change in changes:
            after = {**apply_merge_patch(subject.item, change.body)} if change.body else subject.item
            notes += forecast_lines(make_forecast(after, context.cluster, context.now), context)
    return tuple(notes)
