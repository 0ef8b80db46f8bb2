"""`schedule edit`: any field as the smallest merge patch. The horizon is in the same patch, so that the edit starts no run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from commands.backup import spec as template
from commands.grammar.command import Command
from commands.grammar.flags import BOOL, TEXT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import checks, equivalent_command
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, Needs, ObjectNeed
from commands.planning.object_fields import annotations_of, spec
from commands.planning.reach_facts import cluster_facts
from commands.schedule import horizon
from commands.schedule.create import DELETE_BACKUPS, DESCRIPTION, with_description
from commands.schedule.forecast import Forecast, forecast_lines, in_both_zones, make_forecast
from commands.schedule.intent import intent_need, read_intent, record_intent, spec_hash
from commands.schedule.translate import expression
from commands.schedule.validation import version_guards, when_guards
from domain.counting import counted
from domain.errors import NotFound, UsageError
from domain.json_types import Json
from domain.plan import Guard, Level, Plan
from domain.schedule_intent import IntentKind, ScheduleIntent
from policy.reach import apply_merge_patch, mapping, schedule_reach, union_reach

FLAGS: tuple[Flag, ...] = (
    Flag("schedule", TEXT, "Cron expression, '@every 6h', or a preset: hourly, daily, weekly, monthly", group="When"),
    Flag("paused", BOOL, "Pause the schedule; --paused=false resumes it", group="When"),
    Flag(
        "use-owner-references-in-backup",
        BOOL,
        "Delete the Backup objects when the schedule is deleted",
        group="Retention",
    ),
    Flag(
        "delete-backups",
        BOOL,
        "Also delete the schedule's backups when the schedule is deleted",
        group="Retention",
        ours=True,
    ),
    *template.FLAGS,
    *template.OUR_FLAGS,
)


def needs(cmd: Command, known: Facts) -> Needs:
    return Needs.of(
        *template.cli_lookups(cmd),
        ObjectNeed("schedules", fresh=True),
        ObjectNeed("backupstoragelocations"),
        ObjectNeed("namespaces", optional=True),
        intent_need(known),
    )


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    live = facts.get("schedules", cmd.name)
    if live is None:
        raise NotFound(
            f"Schedule `{cmd.name}` doesn't exist in {context.cluster.name}.",
            nearest=facts.nearest("schedules", cmd.name),
        )
    template.check_command(cmd, facts)
    change = patch(cmd, live)
    after = apply_merge_patch(live, change)
    before_forecast = make_forecast(live, context.cluster, context.now)
    full = _with_horizon(change, before_forecast)
    uid = str(live["metadata"].get("uid", ""))
    about = cluster_facts(facts, context)
    final = make_forecast(apply_merge_patch(live, full), context.cluster, context.now)
    return Plan(
        cluster=context.cluster.name,
        noun="schedule",
        verb="edit",
        subject=cmd.name,
        steps=(horizon.horizon_patch(cmd.name, uid, context.namespace, full),) if change else (),
        reach=union_reach(schedule_reach(live, about), schedule_reach(after, about)),
        guards=_guards(cmd, after, change, facts, context, final),
        cli=equivalent_command.kubectl_commands(
            (horizon.horizon_patch(cmd.name, uid, context.namespace, full),), context.namespace
        )
        if change
        else "",
        summary=f"Change schedule {cmd.name}" if change else f"No change: {cmd.name} already has these settings.",
        intents=(_intent(live, full, final, facts, uid),) if change else (),
        notes=(*describe_difference(live, change), *forecast_lines(final, context)),
    )


def patch(cmd: Command, live: Json) -> Json:
    """The smallest merge patch that gives the live object the values of the flags, without the horizon."""
    wanted = template.backup_spec(cmd)
    fields = {
        template.SPEC_FIELDS[flag]: wanted.get(template.SPEC_FIELDS[flag])
        for flag in template.SPEC_FIELDS
        if cmd.has_flag(flag)
    }
    change = {key: value for key, value in _top(cmd).items() if _norm(spec(live).get(key)) != _norm(value)}
    inner = spec_delta(mapping(spec(live).get("template")), fields)
    if inner:
        change["template"] = inner
    if "paused" in change and spec(live).get("skipImmediately") is True:
        change["skipImmediately"] = False
    made: Json = {"spec": change} if change else {}
    marks = _marks(cmd, live)
    if marks:
        made["metadata"] = marks
    return made


def _top(cmd: Command) -> Json:
    found: Json = {}
    if cmd.has_flag("schedule"):
        if not cmd.text("schedule").strip():
            raise UsageError("--schedule is empty.", fix="--schedule '0 1 * * *'")
        found["schedule"] = expression(cmd)
    if cmd.has_flag("paused"):
        found["paused"] = cmd.is_true("paused")
    if cmd.has_flag("use-owner-references-in-backup"):
        found["useOwnerReferencesInBackup"] = cmd.is_true("use-owner-references-in-backup")
    return found


def _norm(value: Any) -> Any:
    """Absent and zero are the same to Velero."""
    return value or None


def spec_delta(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> Json:
    """A merge patch (RFC 7386) for the fields of `wanted`; None or an empty value removes the field."""
    change: Json = {}
    for key, value in wanted.items():
        there = live.get(key)
        if value is None or value in ({}, []):
            if there is not None:
                change[key] = None
        elif isinstance(value, Mapping) and isinstance(there, Mapping):
            inner = spec_delta(there, {**dict.fromkeys(there), **value})
            if inner:
                change[key] = inner
        elif there != value:
            change[key] = value
    return change


def _marks(cmd: Command, live: Json) -> Json:
    """Sets the given labels and annotations; the others are unchanged."""
    meta = mapping(live.get("metadata"))
    found: Json = {}
    given = with_description(cmd, {"metadata": {}})["metadata"].get("annotations", {})
    if cmd.has_flag("delete-backups") and not cmd.is_true("delete-backups") and DELETE_BACKUPS in annotations_of(live):
        given[DELETE_BACKUPS] = None
    if cmd.has_flag("description") and not cmd.text("description") and DESCRIPTION in annotations_of(live):
        given[DESCRIPTION] = None
    for field, pairs in (("labels", cmd.pairs("labels")), ("annotations", {**cmd.pairs("annotations"), **given})):
        there = mapping(meta.get(field))
        change = {key: value for key, value in pairs.items() if there.get(key) != value}
        if change:
            found[field] = change
    return found


def _with_horizon(change: Json, found: Forecast) -> Json:
    """Velero checks a changed spec at once, and a run that is overdue by the new expression would start."""
    if "spec" not in change:
        return change
    return {**change, "status": {"lastSkipped": horizon.format_horizon(horizon.horizon_without_overdue(found))}}


def _guards(
    cmd: Command, after: Json, change: Json, facts: Facts, context: PlanContext, final: Forecast
) -> tuple[Guard, ...]:
    guards = [
        *checks.label_guards(cmd),
        *checks.spec_guards(spec(after).get("template") or {}, facts),
        *_create_only_guards(cmd),
    ]
    if not change:
        return tuple(guards)
    guards += [*when_guards(after, facts, context), *(version_guards(context) if "spec" in change else ())]
    if final.horizon is not None and "schedule" in change.get("spec", {}):
        passed = len(final.skipped(final.horizon))
        text = f"Runs are still skipped until {in_both_zones(final.horizon, context)}, including {counted(passed, 'run')} at the new times."
        guards.append(Guard("skip-stays", Level.WARN, text))
    return tuple(guards)


def _create_only_guards(cmd: Command) -> tuple[Guard, ...]:
    """These flags belong to create: accepting them here would silently ignore them."""
    given = [flag for flag in ("type", "app", "resource-policy", "namespaces") if cmd.has_flag(flag)]
    if not given:
        return ()
    text = f"--{given[0]} can't be changed. Change the individual fields, or recreate the schedule."
    return (Guard("not-editable", Level.REFUSE, text, ("--include-namespaces",)),)


def _intent(live: Json, full: Json, final: Forecast, facts: Facts, uid: str) -> ScheduleIntent:
    """Promised skips stay in force, for the runs at the new times."""
    state = read_intent(facts, live)
    seal = spec_hash(spec(apply_merge_patch(live, full)))
    skips = tuple(final.skipped(final.horizon)) if final.horizon is not None else ()
    default = IntentKind.SKIP if final.horizon is not None else IntentKind.RUN
    kind = ((state.kind if state else None) or default) if final.horizon is not None or final.paused else IntentKind.RUN
    return ScheduleIntent(
        final.name, uid, kind, horizon=final.horizon, paused=final.paused, skips=skips, spec_hash=seal
    )


def describe_difference(live: Json, change: Json, at: str = "") -> tuple[str, ...]:
    """`spec.template.ttl: 48h0m0s → 720h0m0s`, one line each."""
    return tuple(_difference(live, change, at))


def _difference(live: Mapping[str, Any], change: Mapping[str, Any], at: str) -> Iterable[str]:
    for key, value in change.items():
        there, path = live.get(key), f"{at}.{key}" if at else key
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            yield from _difference(there, value, path)
        else:
            yield f"{path}: {_shown(there)} → {_shown(value)}"


def _shown(value: Any) -> str:
    if value is None:
        return "(not set)"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


EDIT = Verb(
    noun="schedule",
    name="edit",
    summary="Change a schedule and show what changes",
    effect=Effect.WRITE,
    args=Args("NAME", 1, 1, "schedules"),
    flags=FLAGS,
    needs=needs,
    record=record_intent,
    plan=plan,
    examples=("schedule edit nightly --schedule '30 2 * * *'", "schedule edit nightly --ttl 60d --dry-run"),
)
