"""`snapshot-location create`: translates as the velero CLI does, then checks the result."""

from __future__ import annotations

from commands.backup_location.validation import secret_guards
from commands.grammar.command import Command
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import checks, equivalent_command
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, Needs, ObjectNeed
from commands.snapshot_location.translate import FLAGS, translate
from domain.plan import Plan, Step, StepVerb
from policy.reach import location_reach

KIND, RESOURCE = "VolumeSnapshotLocation", "volumesnapshotlocations"


def needs(_cmd: Command, _known: Facts) -> Needs:
    return Needs.of(ObjectNeed(RESOURCE, fresh=True))


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    manifest = translate(cmd, context)
    return Plan(
        cluster=context.cluster.name,
        noun="snapshot-location",
        verb="create",
        subject=cmd.name,
        steps=(Step(StepVerb.CREATE, KIND, RESOURCE, cmd.name, manifest, context.namespace),),
        reach=location_reach("snapshot-location", cmd.name),
        guards=(
            *checks.name_guards("snapshot location", cmd.name),
            *checks.exists_guard(facts, RESOURCE, "snapshot location", cmd.name),
            *checks.label_guards(cmd),
            *secret_guards(manifest["spec"].get("config") or {}),
        ),
        cli=equivalent_command.velero_line(cmd, FLAGS),
        summary=f"Create snapshot location {cmd.name}",
    )


CREATE = Verb(
    noun="snapshot-location",
    name="create",
    summary="Create a volume snapshot location",
    effect=Effect.WRITE,
    args=Args("NAME", 1, 1),
    flags=FLAGS,
    needs=needs,
    plan=plan,
    examples=("snapshot-location create east --provider aws --config region=us-east-1",),
)
