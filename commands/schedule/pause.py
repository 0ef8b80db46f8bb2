"""`schedule pause`: with an end it is a horizon, which ends by itself; without one it is `spec.paused`."""

from __future__ import annotations

from datetime import datetime

from commands.grammar.command import Command
from commands.grammar.flags import DURATION, FREE_TEXT, PEEKING_BOOL, TEXT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import selection
from commands.planning.context import Situation
from commands.planning.facts import Facts
from commands.planning.object_fields import Json, spec
from commands.schedule import bulk, horizon, pause_while
from commands.schedule.bulk import Change, Subject
from commands.schedule.forecast import both, zone
from commands.schedule.intent import Intent, Kind, seal_of
from commands.schedule.validation import version_guards
from domain import when
from domain.counting import named
from domain.duration import to_timedelta
from domain.errors import UsageError
from domain.plan import Guard, Level, Plan

FLAGS: tuple[Flag, ...] = (
    *selection.FLAGS,
    Flag(
        "until", FREE_TEXT, "Until then (2026-11-23 06:00, monday 07:00, tomorrow 09:00, +2h)", group="When", ours=True
    ),
    Flag("for", DURATION, "For so long (90m, 12h, 3d)", group="When", ours=True),
    Flag(pause_while.FLAG, TEXT, "While this restore waits or runs (its operation, op-…)", group="When", ours=True),
    Flag("skip-immediately", PEEKING_BOOL, "Forget a run that is already due", group="When"),
)


def plan(cmd: Command, facts: Facts, context: Situation) -> Plan:
    if cmd.given(pause_while.FLAG):
        return pause_while.plan(cmd, facts, context)
    until = ends(cmd, context)
    more = version_guards(context) if until is not None else ()

    def decide(subject: Subject) -> Change:
        return _until(subject, until, context) if until is not None else _open(subject, cmd)

    return bulk.plan(cmd, facts, context, decide, more)


def ends(cmd: Command, context: Situation) -> datetime | None:
    """When the pause ends; None: never by itself. Raises UsageError."""
    if cmd.given("until") and cmd.given("for"):
        raise UsageError("--until and --for cannot stand together.", fix="Use one of them.")
    if cmd.given("for"):
        span = cmd.nanoseconds("for")
        if span <= 0:
            raise UsageError("--for needs a duration longer than nothing.", fix="--for 12h")
        return _reachable(context, span)
    if not cmd.given("until"):
        return None
    found = when.parse(cmd.text("until"), context.now, zone(context.timezone))
    if found <= context.now:
        raise UsageError(
            f"--until {cmd.text('until')} has passed: it was {both(found, context)}.",
            fix="Write a time that is to come.",
        )
    return found


def _reachable(context: Situation, span: int) -> datetime:
    try:
        return context.now + to_timedelta(span)
    except OverflowError:
        raise UsageError("--for is further away than the calendar goes.") from None


def _open(subject: Subject, cmd: Command) -> Change:
    if subject.outlook.paused:
        return Change({}, note=f"{subject.name} is already paused{_since(subject)}.")
    forget = horizon.forgotten(subject.outlook) if cmd.maybe("skip-immediately") else None
    intent = _intent(subject, horizon_at=subject.outlook.horizon or forget, paused=True)
    note = f"{subject.name} is paused without an end: it stays so until schedule resume."
    return Change(horizon.body(spec={"paused": True}, until=forget), intent, note)


def _since(subject: Subject) -> str:
    state = subject.state
    if state is None or not state.paused or state.since is None or state.last.get("pause_outside"):
        return ", not by us"
    why = f", {state.reason}" if state.reason else ""
    return f" since {state.since:%Y-%m-%d %H:%M} UTC by {state.who}{why}"


def _until(subject: Subject, until: datetime, context: Situation) -> Change:
    """Until T. A longer skip that is in force stays; a pause of ours is moved, later or earlier."""
    there = subject.outlook.horizon
    end = horizon.whole(until)
    if there is not None and there > end and not subject.is_pause:
        end = there
    spec_change: Json = {"paused": False} if subject.outlook.paused else {}
    if spec_change and spec(subject.item).get("skipImmediately") is True:
        spec_change["skipImmediately"] = False
    if not spec_change and there == end:
        return Change({}, note=f"{subject.name} is already held back until {both(end, context)}.")
    skips = tuple(subject.outlook.skipped(end))
    intent = _intent(subject, horizon_at=end, paused=False, skips=skips)
    guards = () if skips else (_nothing(subject, end, context),)
    count = f"{len(skips)}{' or more' if len(skips) >= 100 else ''} {named(len(skips), 'run')}"
    note = f"{subject.name} is paused until {both(end, context)}: {count} will not happen. It goes on by itself."
    return Change(horizon.body(spec=spec_change, until=end), intent, note, guards)


def _nothing(subject: Subject, end: datetime, context: Situation) -> Guard:
    text = f"No run of {subject.name} is due before {both(end, context)}: this pause skips nothing."
    return Guard("pauses-nothing", Level.WARN, text)


def _intent(subject: Subject, *, horizon_at: datetime | None, paused: bool, skips: tuple[datetime, ...] = ()) -> Intent:
    return Intent(
        subject.name,
        subject.uid,
        Kind.PAUSE,
        horizon=horizon_at,
        paused=paused,
        before=subject.before,
        skips=skips,
        seal=seal_of(spec(subject.item)),
    )


PAUSE = Verb(
    noun="schedule",
    name="pause",
    summary="Stop a schedule for a while, or until it is resumed",
    effect=Effect.WRITE,
    args=Args("NAME", 0, 50, "schedules"),
    flags=FLAGS,
    needs=pause_while.needs,
    plan=plan,
    examples=(
        "schedule pause nightly --until 'monday 07:00' --reason 'storage move'",
        "schedule pause -l team=shop --for 12h",
        "schedule pause nightly",
    ),
)
