"""`backup-location delete`: deletes the object and its Backup objects; the data stays in the bucket."""

from __future__ import annotations

from commands.backup.delete import velero_line
from commands.backup_location.create import KIND, RESOURCE
from commands.grammar.command import Command
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields, selection
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, Needs, ObjectNeed
from domain.counting import counted, plural_of
from domain.json_types import Json
from domain.plan import Guard, Level, Plan, Step, StepVerb
from domain.reach import Reach
from policy.reach import location_reach, union_reach
from velero.names import label_value
from velero.phases import BACKUP_PHASES


def needs(cmd: Command, _known: Facts) -> Needs:
    return Needs.of(
        *selection.selection_needs(cmd, RESOURCE),
        ObjectNeed("backups", fresh=True),
        ObjectNeed("schedules", optional=True),
        ObjectNeed("backuprepositories", optional=True),
    )


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    """Delete as the CLI does: the location, then its Backup and BackupRepository objects, which nothing could delete later."""
    selection.check_selection(cmd, "backup-location")
    chosen = selection.select_objects(cmd, facts, RESOURCE)
    names = [object_fields.name(item) for item in chosen]
    guards = [*selection.missing_guards(cmd, facts, RESOURCE, "backup-location")]
    for name in names:
        guards += _guards(name, facts)
    steps = [_delete_step(KIND, RESOURCE, item, context) for item in chosen]
    for name in names:
        steps += [
            _delete_step("Backup", "backups", item, context) for item in _objects_in_location(name, facts, "backups")
        ]
        steps += [
            _delete_step("BackupRepository", "backuprepositories", item, context)
            for item in _objects_in_location(name, facts, "backuprepositories")
        ]
    return Plan(
        cluster=context.cluster.name,
        noun="backup-location",
        verb="delete",
        subject=names[0] if len(names) == 1 else ", ".join(names[:5]),
        steps=tuple(steps),
        reach=union_reach(*(location_reach("backup-location", name) for name in names)) if names else Reach(),
        guards=tuple(guards),
        cli=velero_line(cmd, names),
        summary=f"Delete {plural_of(len(names), 'storage location')} {', '.join(names)}"
        if names
        else "No storage locations found.",
        notes=tuple(note for name in names if (note := _note(name, facts))),
        evidence={"uids": {object_fields.name(item): item["metadata"].get("uid", "") for item in chosen}},
    )


def _objects_in_location(location: str, facts: Facts, resource: str) -> list[Json]:
    value = label_value(location)
    return [
        item for item in facts.all(resource) if object_fields.labels(item).get("velero.io/storage-location") == value
    ]


def _delete_step(kind: str, resource: str, item: Json, context: PlanContext) -> Step:
    uid = str(item["metadata"].get("uid", ""))
    return Step(StepVerb.DELETE, kind, resource, object_fields.name(item), {}, context.namespace, uid=uid)


def _guards(name: str, facts: Facts) -> list[Guard]:
    running = [
        object_fields.name(item)
        for item in facts.all("backups")
        if object_fields.spec(item).get("storageLocation") == name
        and object_fields.phase(item) in BACKUP_PHASES.running
    ]
    schedules = [
        object_fields.name(item)
        for item in facts.all("schedules")
        if (object_fields.spec(item).get("template") or {}).get("storageLocation") == name
    ]
    guards: list[Guard] = []
    if running:
        are = plural_of(len(running), "is", "are")
        text = f"Storage location `{name}` is in use: {', '.join(running[:3])} {are} running."
        guards.append(Guard("location-in-use", Level.REFUSE, text))
    if schedules:
        text = f"These schedules use storage location `{name}` and would fail: {', '.join(schedules[:5])}."
        guards.append(Guard("location-in-use", Level.REFUSE, text))
    location = facts.get("backupstoragelocations", name)
    if location is not None and object_fields.spec(location).get("default") is True:
        text = f"Storage location `{name}` is the default. Without it, backups that name no storage location fail."
        guards.append(Guard("default-location", Level.WARN, text))
    return guards


def _note(name: str, facts: Facts) -> str:
    count = len(_objects_in_location(name, facts, "backups"))
    if not count:
        return ""
    return (
        f"{counted(count, 'backup')} in {name} {plural_of(count, 'is', 'are')} removed from this cluster. "
        "The data stays in the bucket."
    )


DELETE = Verb(
    noun="backup-location",
    name="delete",
    summary="Delete a backup storage location; its data stays in the bucket",
    effect=Effect.WRITE,
    args=Args("NAME", 0, 20, RESOURCE),
    flags=selection.FLAGS,
    needs=needs,
    plan=plan,
    examples=("backup-location delete second",),
)
