"""`backup-location create`: translates as the velero CLI does, then checks the result."""

from __future__ import annotations

from commands.backup_location import validation
from commands.backup_location.translate import FLAGS, translate
from commands.grammar.command import Command
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import checks, equivalent_command
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, Needs, ObjectNeed
from domain.plan import Plan, Step, StepVerb
from policy.reach import location_reach

KIND, RESOURCE = "BackupStorageLocation", "backupstoragelocations"


def needs(_cmd: Command, _known: Facts) -> Needs:
    return Needs.of(ObjectNeed(RESOURCE, fresh=True))


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    manifest = translate(cmd, context)
    spec = manifest["spec"]
    return Plan(
        cluster=context.cluster.name,
        noun="backup-location",
        verb="create",
        subject=cmd.name,
        steps=(Step(StepVerb.CREATE, KIND, RESOURCE, cmd.name, manifest, context.namespace),),
        reach=location_reach("backup-location", cmd.name),
        guards=(
            *checks.name_guards("storage location", cmd.name),
            *checks.exists_guard(facts, RESOURCE, "storage location", cmd.name),
            *checks.label_guards(cmd),
            *validation.location_guards(cmd.name, spec, facts, context),
            *(validation.default_guards(cmd.name, facts) if spec.get("default") else ()),
        ),
        cli=equivalent_command.velero_line(cmd, FLAGS),
        summary=f"Create storage location {cmd.name}",
        notes=validation.location_notes(spec),
    )


CREATE = Verb(
    noun="backup-location",
    name="create",
    summary="Create a backup storage location",
    effect=Effect.WRITE,
    args=Args("NAME", 1, 1),
    flags=FLAGS,
    needs=needs,
    plan=plan,
    examples=(
        "backup-location create second --provider aws --bucket backups --prefix shop --config region=eu-central-1",
        "backup-location create archive --provider gcp --bucket archive --access-mode ReadOnly",
        "backup-location create minio --provider aws --bucket b --config region=minio,s3Url=https://minio.example.org",
    ),
)
