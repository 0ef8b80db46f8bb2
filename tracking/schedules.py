"""Schedules: their validity as Velero says it, and what others changed against what we know and were promised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from commands.schedule.edit import describe_difference, spec_delta
from commands.schedule.intent import spec_hash, spec_substance, void
from domain.event import Event, Severity
from domain.schedule_intent import IntentKind
from store.tables.observed import Observed
from store.tables.schedules import ScheduleState
from tracking.desired_schedule import SchedulePatch, desired_patch
from tracking.observation import VANISHED, TrackingContext, TrackingOutcome, event_of_known, format_time, make_event
from velero.observations import Observation
from velero.resources.schedules import Schedule

INVALID = "FailedValidation"


def observe(setting: TrackingContext, prev: Observed | None, seen: Observation[Any]) -> TrackingOutcome:
    """Only what Velero says of it: who changed what is the keeper's, who knows what was ours."""
    if seen.change in VANISHED or seen.value is None:
        return TrackingOutcome()
    schedule: Schedule = seen.value
    facts = _facts(schedule)
    remember = Observed(seen.uid, seen.name, schedule.phase, setting.now, facts)
    before = prev.phase if prev is not None else ""
    if schedule.phase == INVALID and before != INVALID:
        facts = {**facts, "validation_errors": list(schedule.validation_errors)}
        transition = f"invalid {schedule.meta.resource_version}"
        told = make_event(
            setting, "schedule.failed-validation", "Schedule", schedule.meta, transition, facts, Severity.FAILURE
        )
        return TrackingOutcome((told,), remember)
    if before == INVALID and schedule.phase == "Enabled" and prev is not None:
        fixed = event_of_known(
            setting, "schedule.fixed", "Schedule", prev, f"fixed {format_time(prev.seen_at)}", Severity.RECOVERY
        )
        return TrackingOutcome((fixed,), remember)
    since = prev.seen_at if prev is not None and before == schedule.phase else setting.now
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
    """`state` is what to keep from now on; `patch` what the cluster should be told."""

    state: ScheduleState
    events: tuple[Event, ...] = ()
    patch: SchedulePatch | None = None


def judge_change(setting: TrackingContext, state: ScheduleState | None, seen: Schedule) -> ScheduleVerdict:
    """What others did to a schedule since we last knew it, and what of it is put right."""
    if state is None:
        return ScheduleVerdict(_baseline(setting, seen))
    events: list[Event] = []
    if state.uid != seen.uid:
        if state.uid:
            events.append(_event(setting, "schedule.replaced-outside", seen, Severity.WARNING, {"was": state.uid}))
        state = replace(state, uid=seen.uid)
    state, told = _changed(setting, state, seen)
    events += told
    state, told = _paused(setting, state, seen)
    events += told
    patch = desired_patch(state, seen, setting.now)
    if patch is not None:
        facts = {"message": f"{_intended(setting, state)} {patch.why}".strip(), "until": format_time(state.horizon)}
        events.append(_event(setting, "schedule.skip-lost", seen, Severity.WARNING, facts))
    state, told = _horizon(setting, state, seen)
    return ScheduleVerdict(state, (*events, *told), patch)


def _baseline(setting: TrackingContext, seen: Schedule) -> ScheduleState:
    ahead = seen.last_skipped if seen.last_skipped is not None and seen.last_skipped > setting.now else None
    return ScheduleState(
        cluster=setting.cluster,
        name=seen.name,
        uid=seen.uid,
        changed_at=setting.now,
        horizon=ahead,
        paused=seen.paused,
        spec_hash=spec_hash(seen.spec),
        kind=IntentKind.PAUSE if seen.paused else IntentKind.RUN,
        spec=spec_substance(seen.spec),
        paused_outside=seen.paused,
        horizon_outside=True,
    )


def _changed(setting: TrackingContext, state: ScheduleState, seen: Schedule) -> tuple[ScheduleState, list[Event]]:
    if spec_hash(seen.spec) == state.spec_hash:
        return state, []
    spec = spec_substance(seen.spec)
    kept = replace(state, spec_hash=spec_hash(seen.spec), spec=spec)
    changes = changed_fields(state.spec, spec) if state.spec else ()
    facts: dict[str, Any] = {"changes": list(changes), "message": "; ".join(changes[:8])}
    if state.horizon is not None and state.horizon > setting.now:
        facts["message"] += f"; runs are still skipped until {state.horizon:%Y-%m-%d %H:%M} UTC"
    return kept, [_event(setting, "schedule.changed-outside", seen, Severity.WARNING, facts)]


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """`template.ttl: 48h0m0s → 720h0m0s`."""
    return describe_difference(dict(before), spec_delta(before, {**dict.fromkeys(before), **after}))


def _paused(setting: TrackingContext, state: ScheduleState, seen: Schedule) -> tuple[ScheduleState, list[Event]]:
    if seen.paused == state.paused:
        return state, []
    kind = "schedule.paused-outside" if seen.paused else "schedule.resumed-outside"
    held = state.horizon is not None and state.horizon > setting.now
    after = (state.kind or IntentKind.SKIP) if held else IntentKind.PAUSE if seen.paused else IntentKind.RUN
    kept = replace(
        state,
        paused=seen.paused,
        kind=after,
        paused_outside=seen.paused,
        since=setting.now if seen.paused else state.since,
    )
    facts = {"message": _intended(setting, state)}
    return kept, [_event(setting, kind, seen, Severity.WARNING, facts)]


def _intended(setting: TrackingContext, state: ScheduleState) -> str:
    """What was asked for in chat, named as that: who changed the schedule outside of it is not known."""
    why = f' ("{state.reason}")' if state.reason else ""
    whose = f"that {state.who} requested{why}" if state.who else "requested in chat"
    if state.paused and not state.paused_outside:
        return f"The pause {whose} no longer holds."
    if state.horizon is None or state.horizon <= setting.now or state.horizon_outside:
        return ""
    what = "pause" if state.kind is IntentKind.PAUSE else "skip"
    return f"The {what} until {state.horizon:%Y-%m-%d %H:%M} UTC {whose} still holds."


def _horizon(setting: TrackingContext, state: ScheduleState, seen: Schedule) -> tuple[ScheduleState, list[Event]]:
    """Ends what has passed; takes over what somebody else set further."""
    now, there = setting.now, seen.last_skipped
    if state.horizon is not None and state.horizon <= now:
        return _ended(setting, state, seen)
    ahead = there if there is not None and there > now else None
    ours = state.horizon is not None and not state.horizon_outside
    if ahead is None or (state.horizon is not None and ahead <= state.horizon):
        return (state if ours else replace(state, horizon=ahead)), []
    if state.reported_horizon == ahead or (state.held_until is not None and ahead <= state.held_until):
        return state, []
    facts = {"until": format_time(ahead), "message": f"no runs until {ahead:%Y-%m-%d %H:%M:%S} UTC"}
    told = _event(setting, "schedule.skipped-outside", seen, Severity.WARNING, facts)
    horizon = state.horizon if ours else ahead
    return replace(state, horizon=horizon, reported_horizon=ahead, horizon_outside=not ours), [told]


def _ended(setting: TrackingContext, state: ScheduleState, seen: Schedule) -> tuple[ScheduleState, list[Event]]:
    timed = state.kind is IntentKind.PAUSE and not state.paused
    ended = replace(state, horizon=None)
    if not state.paused:
        ended = replace(ended, kind=IntentKind.RUN, horizon_outside=False)
    if not timed:
        return ended, []
    facts = {"by": state.who, "until": format_time(state.horizon)}
    transition = f"pause-ended {format_time(state.horizon)}"
    told = make_event(setting, "schedule.pause-ended", "Schedule", seen.meta, transition, facts, Severity.INFO)
    return ended, [told]


def vanished_event(setting: TrackingContext, state: ScheduleState) -> Event:
    """Nobody of us deleted it: that would have been forgotten in the same transaction."""
    facts = {"cron": str(state.spec.get("schedule", "")), "message": void(setting.now, state)}
    gone = Observed(state.uid, state.name, "", setting.now, facts)
    transition = f"deleted {state.uid or format_time(state.changed_at)}"
    return event_of_known(setting, "schedule.deleted-outside", "Schedule", gone, transition, Severity.WARNING)


def _event(setting: TrackingContext, kind: str, seen: Schedule, severity: Severity, facts: Mapping[str, Any]) -> Event:
    """The version names the change: seen twice, it is one event."""
    full = {"schedule": seen.name, **facts}
    return make_event(setting, kind, "Schedule", seen.meta, seen.meta.resource_version, full, severity)
