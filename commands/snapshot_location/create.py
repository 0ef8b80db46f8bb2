"""`snapshot-location create`: translation, then guards."""

from __future__ import annotations

from commands import checks
from commands.command import Command
from commands.facts import Facts, Needs, Want
from commands.situation import Situation
from commands.snapshot_location.translate import FLAGS, translate
from commands.verb import Args, Effect, Verb
from domain.plan import Plan, Step, StepVerb
from domain.reach import Reach


def needs(_cmd: Command, _known: Facts) -> Needs:
    return Needs.of(Want("volumesnapshotlocations"))


def plan(cmd: Command, facts: Facts, situation: Situation) -> Plan:
    manifest = translate(cmd, situation)
    return Plan(
        cluster=situation.cluster.name,
        noun="snapshot-location",
        verb="create",
        subject=cmd.name,
        steps=(
            Step(
                StepVerb.CREATE,
                "VolumeSnapshotLocation",
                "volumesnapshotlocations",
                cmd.name,
                manifest,
                situation.namespace,
            ),
        ),
        reach=Reach(),
        guards=(
            *checks.name_guards("snapshot location", cmd.name),
            *checks.exists_guard(facts, "volumesnapshotlocations", "snapshot location", cmd.name),
            *checks.label_guards(cmd),
        ),
        cli=f"velero {cmd.line}",
    )


CREATE = Verb(
    noun="snapshot-location",
    name="create",
    summary="Add a place for snapshots",
    effect=Effect.WRITE,
    args=Args("NAME", 1, 1),
    flags=FLAGS,
    needs=needs,
    plan=plan,
)
