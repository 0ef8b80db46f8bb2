"""Schedules: whether Velero accepts them, and what someone else changed compared with what is known and requested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from commands.schedule.edit import describe_difference, spec_delta
from commands.schedule.intent import ended_promise_text, spec_hash, spec_substance
from domain.event import Event, Severity
from domain.schedule_intent import IntentKind
from store.tables.observed import Observed
from store.tables.schedules import ScheduleState
from tracking.desired_schedule import SchedulePatch, desired_patch
from tracking.observation import VANISHED, TrackingContext, TrackingOutcome, event_of_known, format_time, make_event
from velero.observations import Observation
from velero.resources.schedules import Schedule

INVALID = "FailedValidation"


def observe(context: TrackingContext, prev: Observed | None, seen: Observation[Any]) -> TrackingOutcome:
    """Only Velero's validation: the reconciler finds who changed what, since it knows what the bot itself did."""
    if seen.change in VANISHED or seen.value is None:
        return TrackingOutcome()
    schedule: Schedule = seen.value
    facts = _facts(schedule)
    remember = Observed(seen.uid, seen.name, schedule.phase, context.now, facts)
    before = prev.phase if prev is not None else ""
    if schedule.phase == INVALID and before != INVALID:
        facts = {**facts, "validation_errors": list(schedule.validation_errors)}
        transition = f"invalid {schedule.meta.resource_version}"
        invalid = make_event(
            context, "schedule.failed-validation", "Schedule", schedule.meta, transition, facts, Severity.FAILURE
        )
        return TrackingOutcome((invalid,), remember)
    if before == INVALID and schedule.phase == "Enabled" and prev is not None:
        fixed = event_of_known(
            context, "schedule.fixed", "Schedule", prev, f"fixed {format_time(prev.seen_at)}", Severity.RECOVERY
        )
        return TrackingOutcome((fixed,), remember)
    since = prev.seen_at if prev is not None and before == schedule.phase else context.now
    return TrackingOutcome((), structs.replace(remember, seen_at=since))


def _facts(schedule: Schedule) -> dict[str, Any]:
    return {
        "schedule": schedule.name,
        "cron": schedule.cron,
        "paused": schedule.paused,
        "last_backup": format_time(schedule.last_backup),
        "last_skipped": format_time(schedule.last_skipped),
        "namespaces": [str(each) for each in schedule.template.get("includedNamespaces") or []],
    }


@dataclass(frozen=True, slots=True)
class ScheduleVerdict:
    """`state` replaces the stored one; `patch` restores in the cluster what was requested."""

    state: ScheduleState
    events: tuple[Event, ...] = ()
    patch: SchedulePatch | None = None

    def acts_on(self, state: ScheduleState | None) -> bool:
        return self.patch is not None or self.state != state


def judge_change(context: TrackingContext, state: ScheduleState | None, seen: Schedule) -> ScheduleVerdict:
    """Find the changes that others made since the schedule was last known, and those that are reverted."""
    if state is None:
        return ScheduleVerdict(_baseline(context, seen))
    events: list[Event] = []
    if state.uid != seen.uid:
        if state.uid:
            events.append(_event(context, "schedule.replaced-outside", seen, Severity.WARNING, {"was": state.uid}))
        state = replace(state, uid=seen.uid)
    state, found = _changed(context, state, seen)
    events += found
    state, found = _paused(context, state, seen)
    events += found
    patch = desired_patch(state, seen, context.now)
    if patch is not None:
        facts = {"message": f"{_request_text(context, state)} {patch.why}".strip(), "until": format_time(state.horizon)}
        events.append(_event(context, "schedule.skip-lost", seen, Severity.WARNING, facts))
    state, found = _horizon(context, state, seen)
    return ScheduleVerdict(state, (*events, *found), patch)


def _baseline(context: TrackingContext, seen: Schedule) -> ScheduleState:
    ahead = seen.last_skipped if seen.last_skipped is not None and seen.last_skipped > context.now else None
    return ScheduleState(
        cluster=context.cluster,
        name=seen.name,
        uid=seen.uid,
        changed_at=context.now,
        horizon=ahead,
        paused=seen.paused,
        spec_hash=spec_hash(seen.spec),
        kind=IntentKind.PAUSE if seen.paused else IntentKind.RUN,
        spec=spec_substance(seen.spec),
        paused_outside=seen.paused,
        horizon_outside=True,
    )


def _changed(context: TrackingContext, state: ScheduleState, seen: Schedule) -> tuple[ScheduleState, list[Event]]:
    if spec_hash(seen.spec) == state.spec_hash:
        return state, []
    spec = spec_substance(seen.spec)
    after_change = replace(state, spec_hash=spec_hash(seen.spec), spec=spec)
    changes = changed_fields(state.spec, spec) if state.spec else ()
    facts: dict[str, Any] = {"changes": list(changes), "message": "; ".join(changes[:8])}
    if state.horizon is not None and state.horizon > context.now:
        facts["message"] += f"; runs are still skipped until {state.horizon:%Y-%m-%d %H:%M} UTC"
    return after_change, [_event(context, "schedule.changed-outside", seen, Severity.WARNING, facts)]


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """`template.ttl: 48h0m0s → 720h0m0s`."""
    return describe_difference(dict(before), spec_delta(before, {**dict.fromkeys(before), **after}))


def _paused(context: TrackingContext, state: ScheduleState, seen: Schedule) -> tuple[ScheduleState, list[Event]]:
    if seen.paused == state.paused:
        return state, []
    kind = "schedule.paused-outside" if seen.paused else "schedule.resumed-outside"
    held = state.horizon is not None and state.horizon > context.now
    after = (state.kind or IntentKind.SKIP) if held else IntentKind.PAUSE if seen.paused else IntentKind.RUN
    after_change = replace(
        state,
        paused=seen.paused,
        kind=after,
        paused_outside=seen.paused,
        since=context.now if seen.paused else state.since,
    )
    facts = {"message": _request_text(context, state)}
    return after_change, [_event(context, kind, seen, Severity.WARNING, facts)]


def _request_text(context: TrackingContext, state: ScheduleState) -> str:
    """Return a sentence on the request in chat. It never names who changed the schedule outside Slack: that isn't known."""
    why = f' ("{state.reason}")' if state.reason else ""
    whose = f"that {state.who} requested{why}" if state.who else "requested in chat"
    if state.paused and not state.paused_outside:
        return f"The pause {whose} no longer holds."
    if state.horizon is None or state.horizon <= context.now or state.horizon_outside:
        return ""
    what = "pause" if state.kind is IntentKind.PAUSE else "skip"
    return f"The {what} until {state.horizon:%Y-%m-%d %H:%M} UTC {whose} still holds."


def _horizon(context: TrackingContext, state: ScheduleState, seen: Schedule) -> tuple[ScheduleState, list[Event]]:
    """Ends a horizon that has passed; accepts a later one that someone else set."""
    now, last_skipped = context.now, seen.last_skipped
    if state.horizon is not None and state.horizon <= now:
        return _ended(context, state, seen)
    ahead = last_skipped if last_skipped is not None and last_skipped > now else None
    ours = state.horizon is not None and not state.horizon_outside
    if ahead is None or (state.horizon is not None and ahead <= state.horizon):
        return (state if ours else replace(state, horizon=ahead)), []
    if state.reported_horizon == ahead or (state.held_until is not None and ahead <= state.held_until):
        return state, []
    facts = {"until": format_time(ahead), "message": f"No runs until {ahead:%Y-%m-%d %H:%M} UTC."}
    skipped = _event(context, "schedule.skipped-outside", seen, Severity.WARNING, facts)
    horizon = state.horizon if ours else ahead
    return replace(state, horizon=horizon, reported_horizon=ahead, horizon_outside=not ours), [skipped]


def _ended(context: TrackingContext, state: ScheduleState, seen: Schedule) -> tuple[ScheduleState, list[Event]]:
    was_timed_pause = state.kind is IntentKind.PAUSE and not state.paused
    ended = replace(state, horizon=None)
    if not state.paused:
        ended = replace(ended, kind=IntentKind.RUN, horizon_outside=False)
    if not was_timed_pause:
        return ended, []
    facts = {"by": state.who, "until": format_time(state.horizon)}
    transition = f"pause-ended {format_time(state.horizon)}"
    event = make_event(context, "schedule.pause-ended", "Schedule", seen.meta, transition, facts, Severity.INFO)
    return ended, [event]


def vanished_event(context: TrackingContext, state: ScheduleState) -> Event:
    """Someone else deleted it: a deletion by the bot removes the state in the same transaction."""
    facts = {"cron": str(state.spec.get("schedule", "")), "message": ended_promise_text(context.now, state)}
    gone = Observed(state.uid, state.name, "", context.now, facts)
    transition = f"deleted {state.uid or format_time(state.changed_at)}"
    return event_of_known(context, "schedule.deleted-outside", "Schedule", gone, transition, Severity.WARNING)


def _event(context: TrackingContext, kind: str, seen: Schedule, severity: Severity, facts: Mapping[str, Any]) -> Event:
    """The resourceVersion identifies the change: seen twice, it is one event."""
    full = {"schedule": seen.name, **facts}
    return make_event(context, kind, "Schedule", seen.meta, seen.meta.resource_version, full, severity)
