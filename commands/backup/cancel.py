"""`backup cancel`: removes a backup from Velero's queue. Velero can't stop a backup that is already running."""

from __future__ import annotations

from commands.backup.delete import deletion_request
from commands.grammar.command import Command
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, Needs, ObjectNeed
from commands.planning.reach_facts import cluster_facts
from domain.errors import NotFound
from domain.json_types import Json
from domain.plan import Guard, Level, Plan, Step, StepVerb
from policy.reach import backup_reach, deletion_reach
from velero.phases import BACKUP_PHASES


def needs(_cmd: Command, _known: Facts) -> Needs:
    return Needs.of(
        ObjectNeed("backups", fresh=True), ObjectNeed("backupstoragelocations"), ObjectNeed("namespaces", optional=True)
    )


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    item = facts.get("backups", cmd.name)
    if item is None:
        raise NotFound(
            f"Backup `{cmd.name}` doesn't exist in {context.cluster.name}.",
            nearest=_queued(facts) or facts.nearest("backups", cmd.name),
        )
    return Plan(
        cluster=context.cluster.name,
        noun="backup",
        verb="cancel",
        subject=cmd.name,
        steps=(_step(item, context),),
        reach=deletion_reach("backup", cmd.name, backup_reach(item, cluster_facts(facts, context))),
        guards=_guards(item, facts),
        cli=f"velero backup delete {cmd.name} --confirm",
        summary=f"Remove backup {cmd.name} from the queue",
        evidence={"uids": {cmd.name: item["metadata"].get("uid", "")}},
        notes=("The backup hasn't saved anything yet.",),
    )


def _queued(facts: Facts) -> tuple[str, ...]:
    queued = [
        object_fields.name(item) for item in facts.all("backups") if object_fields.phase(item) in BACKUP_PHASES.queued
    ]
    return tuple(sorted(queued))[:5]


def _step(item: Json, context: PlanContext) -> Step:
    """Request the deletion, or delete the object itself: Velero ignores requests for a backup without a location."""
    name, uid = object_fields.name(item), str(item["metadata"].get("uid", ""))
    if object_fields.spec(item).get("storageLocation"):
        manifest = deletion_request(item, context.namespace)
        return Step(
            StepVerb.CREATE, "DeleteBackupRequest", "deletebackuprequests", "", manifest, context.namespace, uid=uid
        )
    return Step(StepVerb.DELETE, "Backup", "backups", name, {}, context.namespace, uid=uid)


def _guards(item: Json, facts: Facts) -> tuple[Guard, ...]:
    name, phase = object_fields.name(item), object_fields.phase(item)
    if phase in BACKUP_PHASES.queued:
        return ()
    if phase in BACKUP_PHASES.running:
        text = f"{name} is {phase}. Velero can't stop a running backup; delete it when it has finished."
        return (Guard("backup-running", Level.REFUSE, text, _queued(facts)),)
    text = f"{name} is {phase} and no longer in the queue. To remove it with its data, delete it."
    return (Guard("not-queued", Level.REFUSE, text),)


CANCEL = Verb(
    noun="backup",
    name="cancel",
    summary="Remove a queued backup from the queue",
    effect=Effect.WRITE,
    args=Args("NAME", 1, 1, "backups"),
    needs=needs,
    plan=plan,
    examples=("backup cancel shop-1",),
)
