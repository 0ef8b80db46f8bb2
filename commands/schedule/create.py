"""`schedule create`: the Schedule that the velero CLI would create, checks, and the next runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from commands.backup import namespace_presets, resource_policy, spec
from commands.grammar.command import Command
from commands.grammar.flags import BOOL, INT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import checks, equivalent_command
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, Needs, ObjectNeed
from commands.planning.reach_facts import cluster_facts
from commands.schedule import horizon
from commands.schedule.forecast import Forecast, forecast_lines, list_runs, make_forecast
from commands.schedule.intent import record_intent, spec_hash
from commands.schedule.translate import FLAGS, expression, translate
from commands.schedule.validation import version_guards, when_guards
from domain.counting import counted
from domain.errors import UsageError
from domain.json_types import Json
from domain.plan import Guard, Level, Plan, Step, StepMode, StepVerb
from domain.schedule_intent import IntentKind, ScheduleIntent
from policy.reach import schedule_reach

DESCRIPTION = "velero-chatops.io/description"
DELETE_BACKUPS = "velero-chatops.io/delete-backups"
MAX_DESCRIPTION_LENGTH = 300
MAX_FIRST_SKIPS = 100

OUR_FLAGS: tuple[Flag, ...] = (
    Flag("skip", INT, "Number of first runs to skip", group="When", ours=True),
    Flag(
        "delete-backups",
        BOOL,
        "Also delete the schedule's backups when the schedule is deleted",
        group="Retention",
        ours=True,
    ),
    *spec.OUR_FLAGS,
)


def needs(cmd: Command, _known: Facts) -> Needs:
    policies = cmd.text("resource-policies-configmap")
    return Needs.of(
        *spec.cli_lookups(cmd),
        ObjectNeed("backups") if cmd.has_flag("type") else None,
        ObjectNeed("configmaps", policies, fresh=True, optional=True) if policies else None,
        ObjectNeed("schedules", fresh=True),
        ObjectNeed("backupstoragelocations"),
        ObjectNeed("namespaces", optional=True),
    )


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    ours = namespace_presets.resolve_scope(cmd, facts, context)
    cmd = ours.command
    manifest = with_description(cmd, translate(cmd, facts, context), ours)
    # Not temporary: the backups that the schedule creates later read it too.
    inline = resource_policy.config_map_step(cmd, context, StepMode.PLAIN)
    if inline is not None:
        manifest["spec"]["template"]["resourcePolicy"] = resource_policy.policy_reference(inline.name)
    name = cmd.name
    about = resource_policy.with_policy(cluster_facts(facts, context), cmd, inline, facts)
    found = make_forecast(manifest, context.cluster, context.now)
    until = _skipped(cmd, found)
    if until is not None:
        manifest["status"] = {"lastSkipped": horizon.format_horizon(until)}
    shown = make_forecast(manifest, context.cluster, context.now)
    skips = tuple(found.skipped(until)) if until is not None else ()
    intent = ScheduleIntent(
        name,
        "",
        IntentKind.SKIP if until is not None else IntentKind.RUN,
        horizon=until,
        paused=found.paused,
        skips=skips,
        spec_hash=spec_hash(manifest["spec"]),
    )
    schedule = Step(StepVerb.CREATE, "Schedule", "schedules", name, manifest, context.namespace)
    steps = (*((inline,) if inline else ()), schedule)
    return Plan(
        cluster=context.cluster.name,
        noun="schedule",
        verb="create",
        subject=name,
        steps=steps,
        reach=schedule_reach(manifest, about),
        guards=(
            *checks.name_guards("schedule", name, max_length=63),
            *checks.exists_guard(facts, "schedules", "schedule", name),
            *checks.label_guards(cmd),
            *checks.spec_guards(manifest["spec"]["template"], facts),
            *when_guards(manifest, facts, context),
            *resource_policy.guards(cmd, facts),
            *(version_guards(context) if until is not None else ()),
            *_unused_flag_guards(cmd),
        ),
        cli=_line(cmd, steps, facts, context),
        summary=f"Create schedule {name}",
        evidence=resource_policy.evidence(cmd, facts),
        intents=(intent,),
        notes=(*ours.notes, *forecast_lines(shown, context), *_notes(cmd, skips, context)),
    )


def _unused_flag_guards(cmd: Command) -> tuple[Guard, ...]:
    """The velero CLI accepts --annotations here and ignores it."""
    if not cmd.pairs("annotations"):
        return ()
    text = f"Velero ignores --annotations for a new schedule. Set them afterwards: `schedule edit {cmd.name} --annotations …`."
    return (Guard("unused-flags", Level.REFUSE, text),)


def _line(cmd: Command, steps: tuple[Step, ...], facts: Facts, context: PlanContext) -> str:
    """The equivalent command line. A preset is written as its cron expression: Velero has no presets."""
    cmd = replace(cmd, flags={**cmd.flags, "schedule": expression(cmd)})
    full = spec.spec_as_flags(steps[-1].manifest["spec"]["template"]) or {}
    return equivalent_command.equivalent_of_create(
        steps,
        cmd,
        FLAGS,
        (full,),
        lambda one: translate(one, facts, context),
        context.namespace,
    )


def with_description(cmd: Command, manifest: Json, ours: namespace_presets.ResolvedScope | None = None) -> Json:
    """Adds annotations for what Velero has no field for; an application's template fills the fields that were not given."""
    text = cmd.text("description")
    if len(text) > MAX_DESCRIPTION_LENGTH:
        raise UsageError(
            f"The description has {counted(len(text), 'character')}; the limit is {MAX_DESCRIPTION_LENGTH}."
        )
    marks = {DESCRIPTION: text, DELETE_BACKUPS: "true" if cmd.is_true("delete-backups") else ""}
    given = {**(ours.annotations if ours else {}), **{key: value for key, value in marks.items() if value}}
    if given:
        manifest["metadata"]["annotations"] = {**(manifest["metadata"].get("annotations") or {}), **given}
    if ours is not None and ours.fields:
        manifest["spec"]["template"] = namespace_presets.fill_from_template(manifest["spec"]["template"], ours.fields)
    return manifest


def _skipped(cmd: Command, found: Forecast) -> datetime | None:
    if not cmd.has_flag("skip"):
        return None
    count = cmd.number("skip")
    if not 1 <= count <= MAX_FIRST_SKIPS:
        raise UsageError(f"--skip must be from 1 to {MAX_FIRST_SKIPS}, not {count}.")
    return found.nth(count)


def _notes(cmd: Command, skips: tuple[datetime, ...], context: PlanContext) -> tuple[str, ...]:
    notes: list[str] = []
    if skips:
        notes.append(f"Skipped runs: {list_runs(skips[:5], context.timezone)}.")
    if cmd.is_true("delete-backups"):
        notes.append(
            "Deleting this schedule with the bot also deletes its backups, unless --with-backups=false is set."
        )
    if cmd.is_true("use-owner-references-in-backup"):
        notes.append(
            "With owner references, deleting the schedule also deletes its Backup objects. Velero syncs them back from the bucket."
        )
    return tuple(notes)


CREATE = Verb(
    noun="schedule",
    name="create",
    summary="Create a schedule",
    effect=Effect.WRITE,
    args=Args("NAME", 1, 1),
    flags=(*FLAGS, *OUR_FLAGS),
    needs=needs,
    record=record_intent,
    plan=plan,
    examples=(
        "schedule create nightly --schedule '0 1 * * *' --include-namespaces shop --ttl 30d",
        "schedule create weekly --schedule weekly --description 'everything, on Mondays'",
        "schedule create shop --schedule daily --type partial --app shop --ttl 14d",
        "schedule create often --schedule '@every 6h' --include-namespaces shop --skip 1",
    ),
)
