"""`backup create`: what would be written equals what the velero CLI writes; our guards come after it."""

from __future__ import annotations

from typing import Any

from commands import checks
from commands.backup import template
from commands.command import Command
from commands.facts import Facts, Needs, Want
from commands.flags import BOOL, TEXT, Flag
from commands.output import OUTPUT_FLAGS
from commands.policy.reach import backup_reach
from commands.reach_facts import cluster_facts
from commands.situation import Situation
from commands.verb import Args, Effect, Verb
from domain.errors import Unknown, UsageError
from domain.plan import Plan, Step, StepVerb

Json = dict[str, Any]


def needs(cmd: Command, _known: Facts) -> Needs:
    schedule = cmd.text("from-schedule").strip()
    return Needs.of(
        *template.lookups(cmd),
        Want("schedules", schedule, fresh=True) if schedule else None,
        Want("backups", cmd.name, fresh=True) if cmd.name else None,
        Want("backupstoragelocations"),
        Want("namespaces"),
    )


def translate(cmd: Command, facts: Facts, situation: Situation) -> Json:
    """The Backup that the CLI would POST. Raises UsageError or Unknown where the CLI fails."""
    source = cmd.text("from-schedule").strip()
    if cmd.given("from-schedule") and not source:
        raise UsageError("--from-schedule needs the name of a schedule.")
    if not source and not cmd.names:
        raise UsageError(
            "A name is missing.", why="Only a backup made from a schedule gets one by itself.", fix="backup create NAME"
        )
    template.check(cmd, facts)
    metadata: Json
    if source:
        schedule = facts.get("schedules", source)
        if schedule is None:
            raise Unknown(f"There is no schedule {source!r}.", nearest=facts.nearest("schedules", source))
        metadata, spec = template.from_schedule(schedule)
    else:
        metadata, spec = {}, template.spec(cmd)
    metadata["name"] = cmd.name or f"{source}-{situation.stamp()}"
    metadata["namespace"] = situation.namespace
    for field in ("labels", "annotations"):
        laid = {**metadata.get(field, {}), **cmd.pairs(field)}
        if laid:
            metadata[field] = laid
    return {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": metadata, "spec": spec}


def plan(cmd: Command, facts: Facts, situation: Situation) -> Plan:
    manifest = translate(cmd, facts, situation)
    name = manifest["metadata"]["name"]
    guards = (
        *checks.name_guards("backup", name),
        *checks.exists_guard(facts, "backups", "backup", name),
        *checks.label_guards(cmd),
        *checks.spec_guards(manifest["spec"], facts),
        *checks.location_guards(manifest["spec"], facts),
    )
    return Plan(
        cluster=situation.cluster.name,
        noun="backup",
        verb="create",
        subject=name,
        steps=(Step(StepVerb.CREATE, "Backup", "backups", name, manifest, situation.namespace),),
        reach=backup_reach(manifest, cluster_facts(facts, situation)),
        guards=guards,
        cli=f"velero {cmd.line}",
    )


CREATE = Verb(
    noun="backup",
    name="create",
    summary="Back up namespaces, or everything",
    effect=Effect.WRITE,
    args=Args("NAME", 0, 1),
    flags=(
        *template.FLAGS,
        Flag("from-schedule", TEXT, "Take scope and settings from this schedule", group="Source", source="schedules"),
        Flag("wait", BOOL, "Accepted; the card follows the backup in any case", short="w", group="Other"),
        *OUTPUT_FLAGS,
        *template.OUR_FLAGS,
    ),
    needs=needs,
    plan=plan,
    examples=(
        "backup create shop-1 --include-namespaces shop --ttl 30d",
        "backup create --from-schedule nightly",
        "backup create full --exclude-namespaces kube-system -o yaml",
    ),
)
