"""`backup-location set` and `default`: field-minimal patches; what is not named stays as it is."""

from __future__ import annotations

from commands.backup_location import validation
from commands.backup_location.create import KIND, RESOURCE, needs
from commands.backup_location.translate import credential, refuse_credential_file
from commands.grammar.command import Command
from commands.grammar.flags import DURATION, OPTIONAL_BOOL, PAIRS, TEXT, Flag, choice
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import equivalent_command, object_fields
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from domain.duration import format_go
from domain.errors import NotFound, UsageError
from domain.json_types import Json
from domain.plan import Guard, Plan, Step, StepVerb
from policy.reach import apply_merge_patch, location_reach

FLAGS: tuple[Flag, ...] = (
    Flag("default", OPTIONAL_BOOL, "Make this the default; --default=false removes the default", group="Storage"),
    Flag("credential", PAIRS, "Existing Secret, as name=key. Never pass the credential itself", group="Storage"),
    Flag(
        "access-mode", choice("ReadWrite", "ReadOnly"), "Access mode: ReadWrite or ReadOnly", group="Storage", ours=True
    ),
    Flag(
        "config",
        PAIRS,
        "Provider settings to change, as key=value; an empty value removes the key",
        group="Storage",
        ours=True,
    ),
    Flag(
        "backup-sync-period",
        DURATION,
        "How often backups in the bucket are synced to the cluster",
        group="Checks",
        ours=True,
    ),
    Flag(
        "validation-frequency",
        DURATION,
        "How often the storage location is validated; 0s turns it off",
        group="Checks",
        ours=True,
    ),
    Flag("cacert", TEXT, "Not available in Slack: set the CA certificate in the cluster", group="Storage"),
)


def existing_location(cmd: Command, facts: Facts) -> Json:
    item = facts.get(RESOURCE, cmd.name)
    if item is None:
        raise NotFound(f"Storage location `{cmd.name}` doesn't exist.", nearest=facts.nearest(RESOURCE, cmd.name))
    return item


def spec_changes(cmd: Command, spec: Json) -> Json:
    """What the merge patch says of the spec. Nothing where everything is so already."""
    refuse_credential_file(cmd)
    wanted: Json = {}
    if cmd.optional_bool("default") is not None and cmd.optional_bool("default") != bool(spec.get("default")):
        wanted["default"] = True if cmd.optional_bool("default") else None
    if secret := credential(cmd):
        wanted["credential"] = secret
    if cmd.text("access-mode"):
        wanted["accessMode"] = cmd.text("access-mode")
    if cmd.pairs("config"):
        wanted["config"] = {key: value or None for key, value in cmd.pairs("config").items()}
    for flag, field in (("backup-sync-period", "backupSyncPeriod"), ("validation-frequency", "validationFrequency")):
        if cmd.nanoseconds(flag) < 0:
            raise UsageError(f"--{flag} can't be negative.", fix=f"--{flag} 1m")
        if cmd.has_flag(flag):
            wanted[field] = format_go(cmd.nanoseconds(flag))
    return wanted if apply_merge_patch(spec, wanted) != spec else {}


def patch_step(item: Json, spec: Json, note: str = "") -> Step:
    name, uid = object_fields.name(item), str(item["metadata"].get("uid", ""))
    return Step(StepVerb.PATCH, KIND, RESOURCE, name, {"spec": spec}, uid=uid, note=note)


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    item = existing_location(cmd, facts)
    wanted = spec_changes(cmd, object_fields.spec(item))
    after = apply_merge_patch(object_fields.spec(item), wanted)
    guards: tuple[Guard, ...] = ()
    if wanted:
        guards = validation.location_guards(cmd.name, after, facts, context) if cmd.has_flag("config") else ()
        guards += validation.default_guards(cmd.name, facts) if wanted.get("default") else ()
    return Plan(
        cluster=context.cluster.name,
        noun="backup-location",
        verb="set",
        subject=cmd.name,
        steps=(patch_step(item, wanted),) if wanted else (),
        reach=location_reach("backup-location", cmd.name),
        guards=guards,
        cli=_line(cmd, item, wanted, context),
        summary=f"Change {', '.join(sorted(wanted))} of storage location {cmd.name}"
        if wanted
        else f"No change: {cmd.name} already has these settings.",
    )


def _line(cmd: Command, item: Json, wanted: Json, context: PlanContext) -> str:
    """The velero CLI knows --default and --credential alone."""
    if not wanted:
        return ""
    if wanted.keys() <= {"default", "credential"}:
        return equivalent_command.velero_line(cmd, FLAGS)
    return equivalent_command.kubectl_commands((patch_step(item, wanted),), context.namespace)


def plan_default(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    """First off the old one, then on: Velero itself settles two defaults by age, not by wish."""
    item = existing_location(cmd, facts)
    olds = [name for name in validation.default_locations(facts) if name != cmd.name]
    steps = [
        patch_step(facts.objects[RESOURCE][name], {"default": None}, f"remove default from {name}") for name in olds
    ]
    if object_fields.spec(item).get("default") is not True:
        steps.append(patch_step(item, {"default": True}))
    return Plan(
        cluster=context.cluster.name,
        noun="backup-location",
        verb="default",
        subject=cmd.name,
        steps=tuple(steps),
        reach=location_reach("backup-location", cmd.name),
        cli=" && ".join(
            [f"velero backup-location set {name} --default=false" for name in olds]
            + [f"velero backup-location set {cmd.name} --default"]
        ),
        summary=f"Make {cmd.name} the default storage location"
        if steps
        else f"{cmd.name} is already the default storage location.",
        notes=tuple(f"{name} is no longer the default." for name in olds),
    )


SET = Verb(
    noun="backup-location",
    name="set",
    summary="Change a backup storage location",
    effect=Effect.WRITE,
    args=Args("NAME", 1, 1, RESOURCE),
    flags=FLAGS,
    needs=needs,
    plan=plan,
    examples=(
        "backup-location set second --access-mode ReadOnly",
        "backup-location set second --credential cloud=keys",
    ),
)

DEFAULT = Verb(
    noun="backup-location",
    name="default",
    summary="Set the default backup storage location",
    effect=Effect.WRITE,
    args=Args("NAME", 1, 1, RESOURCE),
    needs=needs,
    plan=plan_default,
    examples=("backup-location default second",),
)
