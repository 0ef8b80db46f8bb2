"""`schedule skip` and `schedule unskip`: exactly the next N runs, through Velero's own horizon."""

from __future__ import annotations

from datetime import datetime, timedelta

from commands.grammar.command import Command
from commands.grammar.flags import BOOL, INT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import selection
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.planning.object_fields import spec
from commands.schedule import bulk, horizon
from commands.schedule.bulk import BulkSubject, Change
from commands.schedule.forecast import in_both_zones, list_runs
from commands.schedule.intent import record_intent, spec_hash
from commands.schedule.validation import version_guards
from domain.counting import counted
from domain.errors import UsageError
from domain.plan import Guard, Level, Plan
from domain.schedule_intent import IntentKind, ScheduleIntent

MAX_SKIPPED_RUNS = 100
FLAGS: tuple[Flag, ...] = (
    *selection.FLAGS,
    Flag("runs", INT, "Number of runs to skip. Default: 1", group="When", ours=True),
    Flag("more", BOOL, "Skip these in addition to runs already skipped", group="When", ours=True),
)


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    count = cmd.number("runs", 1)
    if not 1 <= count <= MAX_SKIPPED_RUNS:
        raise UsageError(
            f"--runs must be from 1 to {MAX_SKIPPED_RUNS}, not {count}.",
            fix="To stop a schedule for longer: `schedule pause NAME --until TIME`",
        )

    def decide(subject: BulkSubject) -> Change:
        return _skip(subject, count, context, more=cmd.is_true("more"))

    return bulk.plan(cmd, facts, context, decide, version_guards(context))


def _skip(subject: BulkSubject, count: int, context: PlanContext, *, more: bool) -> Change:
    if subject.forecast.paused:
        return Change({}, note=f"`{subject.name}` is paused, so there is no run to skip.")
    until = subject.forecast.nth(count, more=more)
    if until is None:
        return Change({}, guards=(_no_runs_guard(subject),))
    current = subject.forecast.horizon
    if current is not None and current >= until:
        held = list_runs(subject.forecast.skipped(current)[:5], context.timezone)
        return Change(
            {},
            note=f"`{subject.name}` already skips runs until {in_both_zones(current, context)}: {held}. Use --more to skip more.",
        )
    skips = tuple(subject.forecast.skipped(until))
    intent = ScheduleIntent(
        subject.name,
        subject.uid,
        IntentKind.SKIP,
        horizon=until,
        before=subject.before,
        skips=skips,
        spec_hash=spec_hash(spec(subject.item)),
    )
    return Change(
        horizon.body(until=until), intent, _note(subject, skips, context), _margin_guards(subject, skips, context)
    )


def _note(subject: BulkSubject, skips: tuple[datetime, ...], context: PlanContext) -> str:
    shown = list_runs(skips[:5], context.timezone) + (f" and {len(skips) - 5} more" if len(skips) > 5 else "")
    return f"`{subject.name}` skips its next {'run' if len(skips) == 1 else counted(len(skips), 'run')}: {shown}."


def _margin_guards(subject: BulkSubject, skips: tuple[datetime, ...], context: PlanContext) -> tuple[Guard, ...]:
    """A run that is due within the margin may start before Velero sees the new horizon."""
    sure = context.now + timedelta(seconds=context.skip_margin)
    near = [run for run in skips if run <= sure]
    if not near:
        return ()
    promised = next(
        (run for run in subject.forecast.runs(MAX_SKIPPED_RUNS + 1, without_horizon=True) if run > sure), None
    )
    start = (
        f" Runs from {in_both_zones(promised, context)} are skipped for certain."
        if promised is not None and promised in skips
        else ""
    )
    text = f"The run of {subject.name} at {in_both_zones(near[-1], context)} starts in less than {context.skip_margin:g} seconds and may still happen. You get a message if it does.{start}"
    return (Guard("inside-skip-margin", Level.WARN, text),)


def _no_runs_guard(subject: BulkSubject) -> Guard:
    why = subject.forecast.error or "its cron expression has no upcoming run"
    return Guard("no-runs", Level.REFUSE, f"{subject.name} has no runs to skip: {why}.")


def plan_unskip(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    def decide(subject: BulkSubject) -> Change:
        current = subject.forecast.horizon
        if current is None:
            return Change({}, note=f"`{subject.name}` skips no runs.")
        if subject.is_pause:
            note = f"`{subject.name}` is paused until {in_both_zones(current, context)}. Resume it with `schedule resume {subject.name}`."
            return Change({}, note=note)
        until = horizon.horizon_after_unskip(subject.forecast, subject.before)
        intent = ScheduleIntent(
            subject.name, subject.uid, IntentKind.RUN, before=until, spec_hash=spec_hash(spec(subject.item))
        )
        return Change(horizon.body(until=until), intent, f"`{subject.name}` no longer skips runs.")

    return bulk.plan(cmd, facts, context, decide)


SKIP = Verb(
    noun="schedule",
    name="skip",
    summary="Skip the next runs of a schedule",
    effect=Effect.WRITE,
    args=Args("NAME", 0, 50, "schedules"),
    flags=FLAGS,
    needs=bulk.needs,
    record=record_intent,
    plan=plan,
    examples=(
        "schedule skip nightly --reason migration",
        "schedule skip nightly --runs 3",
        "schedule skip nightly --more",
    ),
)
UNSKIP = Verb(
    noun="schedule",
    name="unskip",
    summary="Cancel a skip",
    effect=Effect.WRITE,
    args=Args("NAME", 0, 50, "schedules"),
    flags=selection.FLAGS,
    needs=bulk.needs,
    record=record_intent,
    plan=plan_unskip,
    examples=("schedule unskip nightly",),
)
