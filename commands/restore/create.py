"""`restore create`: translation, then pinning and guards."""

from __future__ import annotations

from commands import checks
from commands.command import Command
from commands.facts import Facts, Needs, Want
from commands.restore.translate import FLAGS, translate
from commands.situation import Situation
from commands.verb import Args, Effect, Verb
from domain.plan import Plan, Step, StepVerb
from domain.reach import Reach


def needs(cmd: Command, _known: Facts) -> Needs:
    return Needs.of(
        Want("backups", cmd.text("from-backup"), fresh=True) if cmd.text("from-backup") else None,
        Want("backups") if cmd.text("from-schedule") else None,
        Want("schedules") if cmd.text("from-schedule") else None,
        Want("restores", cmd.name, fresh=True) if cmd.name else None,
    )


def plan(cmd: Command, facts: Facts, situation: Situation) -> Plan:
    manifest = translate(cmd, facts, situation)
    name = manifest["metadata"]["name"]
    return Plan(
        cluster=situation.cluster.name,
        noun="restore",
        verb="create",
        subject=name,
        steps=(Step(StepVerb.CREATE, "Restore", "restores", name, manifest, situation.namespace),),
        reach=Reach(),
        guards=(*checks.name_guards("restore", name), *checks.exists_guard(facts, "restores", "restore", name)),
        cli=f"velero {cmd.line}",
    )


CREATE = Verb(
    noun="restore",
    name="create",
    summary="Restore a backup",
    effect=Effect.WRITE,
    args=Args("NAME", 0, 1),
    flags=FLAGS,
    needs=needs,
    plan=plan,
)
