"""`schedule pause`: with an end it sets the horizon, which needs no resume; without one it sets `spec.paused`."""

from __future__ import annotations

from datetime import datetime

from commands.grammar.command import Command
from commands.grammar.flags import DURATION, FREE_TEXT, PEEKING_BOOL, TEXT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import selection
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.planning.object_fields import spec
from commands.schedule import bulk, horizon, pause_while
from commands.schedule.bulk import BulkSubject, Change
from commands.schedule.forecast import in_both_zones, zone_of
from commands.schedule.intent import record_intent, spec_hash
from commands.schedule.validation import version_guards
from domain import when
from domain.counting import plural_of
from domain.duration import to_timedelta
from domain.errors import UsageError
from domain.json_types import Json
from domain.plan import Guard, Level, Plan
from domain.schedule_intent import IntentKind, ScheduleIntent

FLAGS: tuple[Flag, ...] = (
    *selection.FLAGS,
    Flag(
        "until",
        FREE_TEXT,
        "Pause until this time, for example 'monday 07:00', 'tomorrow 09:00' or +2h",
        group="When",
        ours=True,
    ),
    Flag("for", DURATION, "Pause for this long, for example 90m, 12h or 3d", group="When", ours=True),
    Flag(
        pause_while.WHILE_FLAG,
        TEXT,
        "Pause while this restore waits or runs (operation ID, op-…)",
        group="When",
        ours=True,
    ),
    Flag("skip-immediately", PEEKING_BOOL, "Skip a run that is already due", group="When"),
)


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    if cmd.has_flag(pause_while.WHILE_FLAG):
        return pause_while.plan(cmd, facts, context)
    until = pause_end(cmd, context)
    more = version_guards(context) if until is not None else ()

    def decide(subject: BulkSubject) -> Change:
        return (
            _pause_until(subject, until, context) if until is not None else _pause_until_resumed(subject, cmd, context)
        )

    return bulk.plan(cmd, facts, context, decide, more)


def pause_end(cmd: Command, context: PlanContext) -> datetime | None:
    """When the pause ends; None for a pause until it is resumed. Raises UsageError."""
    if cmd.has_flag("until") and cmd.has_flag("for"):
        raise UsageError("--until and --for can't be combined.", fix="Use one of them.")
    if cmd.has_flag("for"):
        span = cmd.nanoseconds("for")
        if span <= 0:
            raise UsageError("--for must be greater than zero.", fix="--for 12h")
        return _reachable(context, span)
    if not cmd.has_flag("until"):
        return None
    found = when.parse(cmd.text("until"), context.now, zone_of(context.timezone))
    if found <= context.now:
        raise UsageError(
            f"--until {cmd.text('until')} is in the past: {in_both_zones(found, context)}.",
            fix="Use a time in the future.",
        )
    return found


def _reachable(context: PlanContext, span: int) -> datetime:
    try:
        return context.now + to_timedelta(span)
    except OverflowError:
        raise UsageError("--for is too far in the future.") from None


def _pause_until_resumed(subject: BulkSubject, cmd: Command, context: PlanContext) -> Change:
    if subject.forecast.paused:
        return Change({}, note=f"`{subject.name}` is already paused{_since(subject, context)}.")
    until = horizon.horizon_without_overdue(subject.forecast) if cmd.optional_bool("skip-immediately") else None
    intent = _intent(subject, horizon_at=subject.forecast.horizon or until, paused=True)
    note = f"`{subject.name}` is paused until you resume it."
    return Change(horizon.body(spec={"paused": True}, until=until), intent, note)


def _since(subject: BulkSubject, context: PlanContext) -> str:
    state = subject.state
    if state is None or not state.paused or state.since is None or state.paused_outside:
        return " (paused outside Slack)"
    why = f", {state.reason}" if state.reason else ""
    return f" since {in_both_zones(state.since, context)} by {state.who}{why}"


def _pause_until(subject: BulkSubject, until: datetime, context: PlanContext) -> Change:
    """Pauses until a time. A longer skip stays in force; an earlier pause by the bot is moved, later or earlier."""
    current = subject.forecast.horizon
    end = horizon.whole_seconds(until)
    if current is not None and current > end and not subject.is_pause:
        end = current
    spec_change: Json = {"paused": False} if subject.forecast.paused else {}
    if spec_change and spec(subject.item).get("skipImmediately") is True:
        spec_change["skipImmediately"] = False
    if not spec_change and current == end:
        return Change({}, note=f"`{subject.name}` is already paused until {in_both_zones(end, context)}.")
    skips = tuple(subject.forecast.skipped(end))
    intent = _intent(subject, horizon_at=end, paused=False, skips=skips)
    guards = () if skips else (_skips_nothing_guard(subject, end, context),)
    count = f"{len(skips)}{' or more' if len(skips) >= 100 else ''} {plural_of(len(skips), 'run')}"
    skipped = f"{count} {'is' if len(skips) == 1 else 'are'} skipped." if skips else "No runs are due until then."
    note = f"`{subject.name}` is paused until {in_both_zones(end, context)}. {skipped} It resumes automatically."
    return Change(horizon.body(spec=spec_change, until=end), intent, note, guards)


def _skips_nothing_guard(subject: BulkSubject, end: datetime, context: PlanContext) -> Guard:
    text = f"{subject.name} has no run before {in_both_zones(end, context)}, so this pause skips nothing."
    return Guard("pauses-nothing", Level.WARN, text)


def _intent(
    subject: BulkSubject, *, horizon_at: datetime | None, paused: bool, skips: tuple[datetime, ...] = ()
) -> ScheduleIntent:
    return ScheduleIntent(
        subject.name,
        subject.uid,
        IntentKind.PAUSE,
        horizon=horizon_at,
        paused=paused,
        before=subject.before,
        skips=skips,
        spec_hash=spec_hash(spec(subject.item)),
    )


PAUSE = Verb(
    noun="schedule",
    name="pause",
    summary="Pause a schedule, until a time or until it's resumed",
    effect=Effect.WRITE,
    args=Args("NAME", 0, 50, "schedules"),
    flags=FLAGS,
    needs=pause_while.needs,
    record=record_intent,
    plan=plan,
    examples=(
        "schedule pause nightly --until 'monday 07:00' --reason 'storage move'",
        "schedule pause -l team=shop --for 12h",
        "schedule pause nightly",
    ),
)
