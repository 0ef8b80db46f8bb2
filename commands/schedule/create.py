"""`schedule create`: translation, then guards and the next runs."""

from __future__ import annotations

from commands import checks
from commands.backup import template
from commands.command import Command
from commands.facts import Facts, Needs, Want
from commands.schedule.translate import FLAGS, translate
from commands.situation import Situation
from commands.verb import Args, Effect, Verb
from domain.plan import Plan, Step, StepVerb
from domain.reach import Reach


def needs(cmd: Command, _known: Facts) -> Needs:
    return Needs.of(*template.lookups(cmd), Want("schedules"), Want("backupstoragelocations"), Want("namespaces"))


def plan(cmd: Command, facts: Facts, situation: Situation) -> Plan:
    manifest = translate(cmd, facts, situation)
    name = cmd.name
    return Plan(
        cluster=situation.cluster.name,
        noun="schedule",
        verb="create",
        subject=name,
        steps=(Step(StepVerb.CREATE, "Schedule", "schedules", name, manifest, situation.namespace),),
        reach=Reach(),
        guards=(
            *checks.name_guards("schedule", name, longest=63),
            *checks.exists_guard(facts, "schedules", "schedule", name),
            *checks.label_guards(cmd),
            *checks.spec_guards(manifest["spec"]["template"], facts),
        ),
        cli=f"velero {cmd.line}",
    )


CREATE = Verb(
    noun="schedule",
    name="create",
    summary="Back up again and again",
    effect=Effect.WRITE,
    args=Args("NAME", 1, 1),
    flags=FLAGS,
    needs=needs,
    plan=plan,
)
