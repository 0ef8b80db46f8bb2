"""`schedule delete`: the schedule alone, or with its backups through DeleteBackupRequests, never through owner references."""

from __future__ import annotations

from dataclasses import replace

from commands.backup import delete as backups
from commands.grammar.command import Command
from commands.grammar.flags import OPTIONAL_BOOL, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields, selection
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, Needs, ObjectNeed
from commands.planning.reach_facts import cluster_facts
from commands.schedule.create import DELETE_BACKUPS
from commands.schedule.intent import ended_promise_text, intent_need, read_intent, record_intent
from domain.counting import counted, plural_of
from domain.json_types import Json
from domain.plan import Guard, Level, Plan, Step, StepVerb
from domain.reach import Reach
from domain.schedule_intent import IntentKind, ScheduleIntent
from policy.reach import backup_reach, deletion_reach, schedule_reach, union_reach
from velero.names import SCHEDULE_NAME, label_value


def needs(cmd: Command, known: Facts) -> Needs:
    return Needs.of(
        *selection.selection_needs(cmd, "schedules"),
        intent_need(known),
        ObjectNeed("backups", fresh=True),
        ObjectNeed("backupstoragelocations"),
        ObjectNeed("namespaces", optional=True),
    )


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    selection.check_selection(cmd, "schedule")
    chosen = selection.select_objects(cmd, facts, "schedules")
    guards = list(selection.missing_guards(cmd, facts, "schedules", "schedule"))
    about = cluster_facts(facts, context)
    steps = [_deletion_step(item, context) for item in chosen]
    reaches: list[Reach] = [
        deletion_reach("schedule", object_fields.name(item), schedule_reach(item, about)) for item in chosen
    ]
    notes: list[str] = []
    for item in chosen:
        state = read_intent(facts, item)
        notes += [text] if state is not None and (text := ended_promise_text(context.now, state)) else []
        its_backups = backups_of_schedule(item, facts)
        if not _takes_backups(cmd, item):
            notes.append(_kept_backups_note(item, its_backups))
            continue
        if its_backups:
            notes.insert(
                0,
                f"⚠️ Also deleted: {counted(len(its_backups), 'backup')} with all data: {_names_and_items(its_backups)}.",
            )
        steps += [_backup_deletion_step(each, context) for each in its_backups]
        guards += _running_guards(its_backups)
        reaches += [
            deletion_reach("backup", object_fields.name(each), backup_reach(each, about)) for each in its_backups
        ]
    names = [object_fields.name(item) for item in chosen]
    return Plan(
        cluster=context.cluster.name,
        noun="schedule",
        verb="delete",
        subject=", ".join(names[:5]),
        steps=tuple(steps),
        reach=union_reach(*reaches) if reaches else Reach(),
        guards=tuple(guards),
        cli=_line(cmd, chosen, facts),
        summary=f"Delete {plural_of(len(names), 'schedule')} {', '.join(names)}" if names else "No schedules found.",
        intents=tuple(ScheduleIntent(object_fields.name(item), _uid(item), IntentKind.GONE) for item in chosen),
        notes=tuple(notes),
    )


def _line(cmd: Command, chosen: list[Json], facts: Facts) -> str:
    """The equivalent command line: the schedules, then their backups."""
    deleted = [each for item in chosen if _takes_backups(cmd, item) for each in backups_of_schedule(item, facts)]
    first = backups.velero_line(cmd, [object_fields.name(item) for item in chosen])
    second = backups.velero_line(replace(cmd, noun="backup"), [object_fields.name(each) for each in deleted])
    return " && ".join(filter(None, (first, second)))


def backups_of_schedule(item: Json, facts: Facts) -> list[Json]:
    """Its backups, oldest first."""
    label = label_value(object_fields.name(item))
    mine = [each for each in facts.all("backups") if object_fields.labels(each).get(SCHEDULE_NAME) == label]
    return sorted(mine, key=lambda each: (str(object_fields.created(each) or ""), object_fields.name(each)))


def _takes_backups(cmd: Command, item: Json) -> bool:
    """The flag decides, else the annotation that was set when the schedule was created."""
    flag = cmd.optional_bool("with-backups")
    return flag if flag is not None else object_fields.annotations_of(item).get(DELETE_BACKUPS) == "true"


def _deletion_step(item: Json, context: PlanContext) -> Step:
    options = {"propagationPolicy": "Orphan"}
    return Step(
        StepVerb.DELETE, "Schedule", "schedules", object_fields.name(item), options, context.namespace, uid=_uid(item)
    )


def _backup_deletion_step(item: Json, context: PlanContext) -> Step:
    manifest = backups.deletion_request(item, context.namespace)
    return Step(
        StepVerb.CREATE,
        "DeleteBackupRequest",
        "deletebackuprequests",
        "",
        manifest,
        context.namespace,
        uid=_uid(item),
    )


def _running_guards(its_backups: list[Json]) -> list[Guard]:
    return [
        Guard(
            "backup-running",
            Level.REFUSE,
            f"{object_fields.name(each)} is {object_fields.phase(each)}. Velero can't delete a backup while it's running.",
        )
        for each in its_backups
        if object_fields.phase(each) in backups.RUNNING_PHASES
    ]


def _kept_backups_note(item: Json, its_backups: list[Json]) -> str:
    if not its_backups:
        return f"Schedule {object_fields.name(item)} has no backups."
    return f"{counted(len(its_backups), 'backup')} of {object_fields.name(item)} {plural_of(len(its_backups), 'stays until it expires', 'stay until they expire')}: {_names_and_items(its_backups)}. Add --with-backups to delete {plural_of(len(its_backups), 'it', 'them')}."


def _names_and_items(its_backups: list[Json]) -> str:
    names = [object_fields.name(each) for each in its_backups]
    items = sum(
        object_fields.number((object_fields.status(each).get("progress") or {}).get("totalItems"))
        for each in its_backups
    )
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return (shown or "none") + (f", {counted(items, 'item')}" if items else "")


def _uid(item: Json) -> str:
    return str(item["metadata"].get("uid", ""))


DELETE = Verb(
    noun="schedule",
    name="delete",
    summary="Delete schedules; backups stay unless --with-backups is set",
    effect=Effect.WRITE,
    args=Args("NAME", 0, 50, "schedules"),
    flags=(
        *selection.FLAGS,
        Flag(
            "with-backups",
            OPTIONAL_BOOL,
            "Also delete the schedule's backups and their data",
            group="Retention",
            ours=True,
        ),
    ),
    needs=needs,
    record=record_intent,
    plan=plan,
    examples=("schedule delete nightly", "schedule delete nightly --with-backups --dry-run"),
)
