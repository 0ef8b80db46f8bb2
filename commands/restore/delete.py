"""`restore delete`: deletes the Restore and its files in the bucket. Restored objects stay."""

from __future__ import annotations

from commands.backup.delete import velero_line
from commands.grammar.command import Command
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields, selection
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, Needs, ObjectNeed
from commands.planning.reach_facts import cluster_facts
from commands.restore.guards import ENDED
from commands.restore.source import backup_facts
from domain.counting import plural_of
from domain.json_types import Json
from domain.plan import Guard, Level, Plan, Step, StepVerb
from domain.reach import Reach
from policy.reach import deletion_reach, union_reach
from policy.restore_reach import restore_reach


def needs(cmd: Command, _known: Facts) -> Needs:
    return Needs.of(
        *selection.selection_needs(cmd, "restores"),
        ObjectNeed("backups", optional=True),
        ObjectNeed("namespaces", optional=True),
    )


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    selection.check_selection(cmd, "restore")
    chosen = selection.select_objects(cmd, facts, "restores")
    names = [object_fields.name(item) for item in chosen]
    guards = [*selection.missing_guards(cmd, facts, "restores", "restore"), *_running(chosen)]
    return Plan(
        cluster=context.cluster.name,
        noun="restore",
        verb="delete",
        subject=names[0] if len(names) == 1 else ", ".join(names[:5]),
        steps=tuple(_step(item, context) for item in chosen),
        reach=union_reach(*(_reach(item, facts, context) for item in chosen)) if chosen else Reach(),
        guards=tuple(guards),
        cli=velero_line(cmd, names),
        summary=f"Delete {plural_of(len(names), 'restore')} {', '.join(names)}" if names else "No restores found.",
        notes=("Restored objects stay in the cluster. Only the restore and its logs are deleted.",) if names else (),
    )


def _step(item: Json, context: PlanContext) -> Step:
    uid = str((item.get("metadata") or {}).get("uid", ""))
    return Step(StepVerb.DELETE, "Restore", "restores", object_fields.name(item), {}, context.namespace, uid=uid)


def _reach(item: Json, facts: Facts, context: PlanContext) -> Reach:
    backup = facts.get("backups", str(object_fields.spec(item).get("backupName", "")))
    found = restore_reach(item, backup_facts(backup, facts), cluster_facts(facts, context))
    return deletion_reach("restore", object_fields.name(item), found)


def _running(chosen: list[Json]) -> list[Guard]:
    return [
        Guard(
            "restore-running",
            Level.REFUSE,
            f"Restore `{object_fields.name(item)}` is {object_fields.phase(item)}. Velero would continue it after the deletion. Wait until it has finished.",
        )
        for item in chosen
        if object_fields.phase(item) not in ENDED and object_fields.phase(item) != "New"
    ]


DELETE = Verb(
    noun="restore",
    name="delete",
    summary="Delete restores; restored objects stay",
    effect=Effect.WRITE,
    args=Args("NAME", 0, 50, "restores"),
    flags=selection.FLAGS,
    needs=needs,
    plan=plan,
    examples=("restore delete shop-1",),
)
