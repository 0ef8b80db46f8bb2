"""`schedule resume` (the CLI's `unpause`): goes on, and by default makes up for nothing."""

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
    makes_up = run_missed(cmd)

    def decide(subject: BulkSubject) -> Change:
        if subject.outlook.paused:
            return _unpaused(subject, makes_up=makes_up)
        return _ended_early(subject, context, makes_up=makes_up)

    return bulk.plan(cmd, facts, context, decide)


def run_missed(cmd: Command) -> bool:
    """Raises UsageError where the flags contradict each other."""
    if cmd.is_true("run-missed") and (cmd.is_true("skip-missed") or cmd.optional_bool("skip-immediately") is True):
        raise UsageError("--run-missed and --skip-missed can't be combined.", fix="Use one of them.")
    return cmd.is_true("run-missed") or cmd.optional_bool("skip-immediately") is False


def _unpaused(subject: BulkSubject, *, makes_up: bool) -> Change:
    change: Json = {"paused": False}
    if spec(subject.item).get("skipImmediately") is True:
        change["skipImmediately"] = False  # the server would set the horizon back to now
    until = None if makes_up else horizon.horizon_removed(subject.outlook)
    intent = _intent(subject, subject.outlook.horizon)
    return Change(horizon.body(spec=change, until=until), intent, _said(subject, makes_up=makes_up))


def _ended_early(subject: BulkSubject, context: PlanContext, *, makes_up: bool) -> Change:
    there = subject.outlook.horizon
    if there is None:
        return Change({}, note=f"{subject.name} isn't paused.")
    if subject.state is not None and subject.state.kind is IntentKind.SKIP:
        note = f"{subject.name} isn't paused, but skips runs until {in_both_zones(there, context)}. Cancel the skip with `schedule unskip {subject.name}`."
        return Change({}, note=note)
    before = subject.before
    until = horizon.horizon_after_unskip(subject.outlook, before)
    if makes_up:
        until = before if before is not None and before <= subject.outlook.now else subject.outlook.marks.last_run
    return Change(horizon.body(until=until), _intent(subject, None), _said(subject, makes_up=makes_up))


def _said(subject: BulkSubject, *, makes_up: bool) -> str:
    missed = subject.outlook.last_passed
    if missed is None or subject.outlook.paused is False:
        return f"`{subject.name}` is resumed."
    if makes_up:
        return f"`{subject.name}` is resumed. One missed run starts within a minute."
    return f"`{subject.name}` is resumed. Missed runs aren't started. To start one: `schedule resume {subject.name} --run-missed`."


def _intent(subject: BulkSubject, still: datetime | None) -> ScheduleIntent:
    kind = IntentKind.SKIP if still is not None else IntentKind.RUN
    skips = tuple(subject.outlook.skipped(still)) if still is not None else ()
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
