"""`snapshot-location set`: changes the Secret with the credentials."""

from __future__ import annotations

from commands.backup_location.translate import parse_credential
from commands.grammar.command import Command
from commands.grammar.flags import PAIRS, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.snapshot_location.create import KIND, RESOURCE, needs
from domain.errors import NotFound
from domain.plan import Plan, Step, StepVerb
from policy.reach import apply_merge_patch, location_reach


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    item = facts.get(RESOURCE, cmd.name)
    if item is None:
        raise NotFound(
            f"Snapshot location `{cmd.name}` doesn't exist in {context.cluster.name}.",
            nearest=facts.nearest(RESOURCE, cmd.name),
        )
    secret = parse_credential(cmd)
    changes = {"credential": secret} if secret else {}
    steps: tuple[Step, ...] = ()
    if changes and apply_merge_patch(object_fields.spec(item), changes) != object_fields.spec(item):
        uid = str(item["metadata"].get("uid", ""))
        steps = (Step(StepVerb.PATCH, KIND, RESOURCE, cmd.name, {"spec": changes}, uid=uid),)
    return Plan(
        cluster=context.cluster.name,
        noun="snapshot-location",
        verb="set",
        subject=cmd.name,
        steps=steps,
        reach=location_reach("snapshot-location", cmd.name),
        cli=f"velero {cmd.cli}" if steps else "",
        summary=f"Change the credential of snapshot location {cmd.name}"
        if steps
        else f"No change: {cmd.name} already has these settings.",
    )


SET = Verb(
    noun="snapshot-location",
    name="set",
    summary="Change a volume snapshot location",
    effect=Effect.WRITE,
    args=Args("NAME", 1, 1, RESOURCE),
    flags=(
        Flag("credential", PAIRS, "Existing Secret, as name=key. Never pass the credential itself", group="Storage"),
    ),
    needs=needs,
    plan=plan,
    examples=("snapshot-location set east --credential cloud=keys",),
)
