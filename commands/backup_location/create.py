"""`backup-location create`: translation, then guards."""

from __future__ import annotations

from commands import checks
from commands.backup_location.translate import FLAGS, translate
from commands.command import Command
from commands.facts import Facts, Needs, Want
from commands.situation import Situation
from commands.verb import Args, Effect, Verb
from domain.plan import Plan, Step, StepVerb
from domain.reach import Reach


def needs(_cmd: Command, _known: Facts) -> Needs:
    return Needs.of(Want("backupstoragelocations"))


def plan(cmd: Command, facts: Facts, situation: Situation) -> Plan:
    manifest = translate(cmd, situation)
    return Plan(
        cluster=situation.cluster.name,
        noun="backup-location",
        verb="create",
        subject=cmd.name,
        steps=(
            Step(
                StepVerb.CREATE,
                "BackupStorageLocation",
                "backupstoragelocations",
                cmd.name,
                manifest,
                situation.namespace,
            ),
        ),
        reach=Reach(),
        guards=(
            *checks.name_guards("backup location", cmd.name),
            *checks.exists_guard(facts, "backupstoragelocations", "backup location", cmd.name),
            *checks.label_guards(cmd),
        ),
        cli=f"velero {cmd.line}",
    )


CREATE = Verb(
    noun="backup-location",
    name="create",
    summary="Add a place for backups",
    effect=Effect.WRITE,
    args=Args("NAME", 1, 1),
    flags=FLAGS,
    needs=needs,
    plan=plan,
)
