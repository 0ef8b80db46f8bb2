"""`backup delete`: creates one DeleteBackupRequest per backup and never deletes the object itself.

Velero then deletes the data in the bucket, the Backup object and the Restore objects made from it. Deleting only the
Backup object would not last: Velero syncs it back from the bucket.
"""

from __future__ import annotations

from dataclasses import replace

from commands.backup import kots
from commands.grammar.command import Command
from commands.grammar.tokenizer import quote
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields, selection
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, Needs, ObjectNeed
from commands.planning.reach_facts import cluster_facts
from domain.counting import plural_of
from domain.json_types import Json
from domain.plan import Guard, Level, Plan, Step, StepVerb
from domain.reach import Reach
from policy.reach import backup_reach, deletion_reach, union_reach
from velero.names import label_value

MAX_LISTED_RESTORES = 10
RUNNING_PHASES = frozenset({"InProgress", "WaitingForPluginOperations", "WaitingForPluginOperationsPartiallyFailed"})


def needs(cmd: Command, _known: Facts) -> Needs:
    return Needs.of(
        *selection.selection_needs(cmd, "backups"),
        ObjectNeed("backupstoragelocations"),
        ObjectNeed("namespaces", optional=True),
        ObjectNeed("restores"),
    )


def deletion_request(item: Json, namespace: str) -> Json:
    """Return what the CLI POSTs. The server makes the name, so that a second attempt never meets the first."""
    name, uid = object_fields.name(item), str(item["metadata"].get("uid", ""))
    return {
        "apiVersion": "velero.io/v1",
        "kind": "DeleteBackupRequest",
        "metadata": {
            "generateName": f"{name}-",
            "namespace": namespace,
            "labels": {"velero.io/backup-name": label_value(name), "velero.io/backup-uid": uid},
        },
        "spec": {"backupName": name},
    }


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    selection.check_selection(cmd, "backup")
    cmd = replace(cmd, names=tuple(kots.expand_pairs(cmd.names, facts.all("backups"))))
    chosen = selection.select_objects(cmd, facts, "backups")
    guards = list(selection.missing_guards(cmd, facts, "backups", "backup"))
    cluster = cluster_facts(facts, context)
    reaches: list[Reach] = []
    steps: list[Step] = []
    for item in chosen:
        name = object_fields.name(item)
        guards += _guards(item, facts)
        reaches.append(deletion_reach("backup", name, backup_reach(item, cluster)))
        steps.append(
            Step(
                StepVerb.CREATE,
                "DeleteBackupRequest",
                "deletebackuprequests",
                "",
                deletion_request(item, context.namespace),
                context.namespace,
                uid=str(item["metadata"].get("uid", "")),
            )
        )
    names = [object_fields.name(item) for item in chosen]
    return Plan(
        cluster=context.cluster.name,
        noun="backup",
        verb="delete",
        subject=names[0] if len(names) == 1 else ", ".join(names[:5]),
        steps=tuple(steps),
        reach=union_reach(*reaches) if reaches else Reach(),
        guards=tuple(guards),
        cli=velero_line(cmd, names),
        summary=_summary(names),
        evidence={"uids": {object_fields.name(item): item["metadata"].get("uid", "") for item in chosen}},
        notes=_notes(chosen, facts),
    )


def velero_line(cmd: Command, names: list[str]) -> str:
    """Return the CLI command with each name: it deletes what was shown, even if a selector matches more by then."""
    return f"velero {cmd.noun} delete {' '.join(map(quote, names))} --confirm" if names else ""


def _guards(item: Json, facts: Facts) -> list[Guard]:
    name, phase = object_fields.name(item), object_fields.phase(item)
    if phase in RUNNING_PHASES:
        return [
            Guard(
                "backup-running", Level.REFUSE, f"{name} is {phase}. Velero can't delete a backup while it's running."
            )
        ]
    location = facts.get("backupstoragelocations", str(object_fields.spec(item).get("storageLocation", "")))
    if location is None:
        return []
    location_name = object_fields.name(location)
    if object_fields.spec(location).get("accessMode") == "ReadOnly":
        return [
            Guard(
                "read-only-location",
                Level.REFUSE,
                f"{name} can't be deleted: storage location `{location_name}` is read-only.",
            )
        ]
    if object_fields.status(location).get("phase") == "Unavailable":
        text = f"{name} can't be deleted: storage location `{location_name}` is Unavailable."
        return [Guard("location-unavailable", Level.REFUSE, text)]
    return []


def _summary(names: list[str]) -> str:
    if not names:
        return "No backups found."
    return (
        f"Delete {plural_of(len(names), 'backup')} {', '.join(names)} and {plural_of(len(names), 'its', 'their')} data"
    )


def _notes(chosen: list[Json], facts: Facts) -> tuple[str, ...]:
    names = {object_fields.name(item) for item in chosen}
    restores = [
        object_fields.name(item)
        for item in facts.all("restores")
        if object_fields.spec(item).get("backupName") in names
    ]
    return (f"Also deleted: {_list_restores(restores)}.",) if restores else ()


def _list_restores(names: list[str]) -> str:
    more = f" and {len(names) - MAX_LISTED_RESTORES} more" if len(names) > MAX_LISTED_RESTORES else ""
    return f"{plural_of(len(names), 'Restore object')} {', '.join(names[:MAX_LISTED_RESTORES])}{more}"


DELETE = Verb(
    noun="backup",
    name="delete",
    summary="Delete backups and their data",
    effect=Effect.WRITE,
    args=Args("NAME", 0, 50, "backups"),
    flags=selection.FLAGS,
    needs=needs,
    plan=plan,
    examples=("backup delete shop-1", "backup delete -l team=shop --dry-run"),
)
