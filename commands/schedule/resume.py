"""`schedule resume` (the CLI's `unpause`). By default, missed runs are not started."""

from __future__ import annotations

from datetime import datetime

from commands.grammar.command import Command
from commands.grammar.flags import BOOL, PEEKING_BOOL, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import selection
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.planning.object_fields import spec
from commands.schedule import bulk, horizon
from commands.schedule.bulk import BulkSubject, Change
from commands.schedule.forecast import in_both_zones
from commands.schedule.intent import record_intent, spec_hash
from domain.errors import UsageError
from domain.json_types import Json
from domain.plan import Plan
from domain.schedule_intent import IntentKind, ScheduleIntent

FLAGS: tuple[Flag, ...] = (
    *selection.FLAGS,
    Flag("run-missed", BOOL, "Start one missed run right away", group="Missed", ours=True),
    Flag("skip-missed", BOOL, "Don't start missed runs (default)", group="Missed", ours=True),
    Flag(
        "skip-immediately",
        PEEKING_BOOL,
        "Same as in the CLI: true = --skip-missed, false = --run-missed",
        group="Missed",
    ),
)


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    starts_missed = run_missed(cmd)

    def decide(subject: BulkSubject) -> Change:
        if subject.forecast.paused:
            return _unpause(subject, starts_missed=starts_missed)
        return _end_early(subject, context, starts_missed=starts_missed)

    return bulk.plan(cmd, facts, context, decide)


def run_missed(cmd: Command) -> bool:
    """Raises UsageError where the flags contradict each other."""
    if cmd.is_true("run-missed") and (cmd.is_true("skip-missed") or cmd.optional_bool("skip-immediately") is True):
        raise UsageError("--run-missed and --skip-missed can't be combined.", fix="Use one of them.")
    return cmd.is_true("run-missed") or cmd.optional_bool("skip-immediately") is False


def _unpause(subject: BulkSubject, *, starts_missed: bool) -> Change:
    change: Json = {"paused": False}
    if spec(subject.item).get("skipImmediately") is True:
        change["skipImmediately"] = False  # else Velero would set the horizon back to now
    until = None if starts_missed else horizon.horizon_without_overdue(subject.forecast)
    intent = _intent(subject, subject.forecast.horizon)
    return Change(horizon.body(spec=change, until=until), intent, _note(subject, starts_missed=starts_missed))


def _end_early(subject: BulkSubject, context: PlanContext, *, starts_missed: bool) -> Change:
    current = subject.forecast.horizon
    if current is None:
        return Change({}, note=f"`{subject.name}` isn't paused.")
    if subject.state is not None and subject.state.kind is IntentKind.SKIP:
        note = f"`{subject.name}` isn't paused, but skips runs until {in_both_zones(current, context)}. Cancel the skip with `schedule unskip {subject.name}`."
        return Change({}, note=note)
    before = subject.before
    until = horizon.horizon_after_unskip(subject.forecast, before)
    if starts_missed:
        until = before if before is not None and before <= subject.forecast.now else subject.forecast.marks.last_run
    return Change(horizon.body(until=until), _intent(subject, None), _note(subject, starts_missed=starts_missed))


def _note(subject: BulkSubject, *, starts_missed: bool) -> str:
    missed = subject.forecast.last_passed
    if missed is None or subject.forecast.paused is False:
        return f"`{subject.name}` is resumed."
    if starts_missed:
        return f"`{subject.name}` is resumed. One missed run starts within a minute."
    return f"`{subject.name}` is resumed. Missed runs aren't started. To back up now: `schedule run {subject.name}`."


def _intent(subject: BulkSubject, still: datetime | None) -> ScheduleIntent:
    kind = IntentKind.SKIP if still is not None else IntentKind.RUN
    skips = tuple(subject.forecast.skipped(still)) if still is not None else ()
    return ScheduleIntent(
        subject.name,
        subject.uid,
        kind,
        horizon=still,
        before=subject.before,
        skips=skips,
        spec_hash=spec_hash(spec(subject.item)),
    )


RESUME = Verb(
    noun="schedule",
    name="resume",
    summary="Resume a paused schedule (same as unpause)",
    effect=Effect.WRITE,
    args=Args("NAME", 0, 50, "schedules"),
    flags=FLAGS,
    needs=bulk.needs,
    record=record_intent,
    plan=plan,
    examples=(
        "schedule resume nightly",
        "schedule unpause --all --skip-missed",
        "schedule resume nightly --run-missed",
    ),
)
