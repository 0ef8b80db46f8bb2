"""`backup-location set` and `default`: patch only the fields that the command names."""

from __future__ import annotations

from commands.backup_location import validation
from commands.backup_location.create import KIND, RESOURCE, needs
from commands.backup_location.translate import parse_credential, refuse_ca_file
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


def existing_location(cmd: Command, facts: Facts, context: PlanContext) -> Json:
    item = facts.get(RESOURCE, cmd.name)
    if item is None:
        raise NotFound(
            f"Storage location `{cmd.name}` doesn't exist in {context.cluster.name}.",
            nearest=facts.nearest(RESOURCE, cmd.name),
        )
    return item


def spec_changes(cmd: Command, spec: Json) -> Json:
    """Return the merge patch of the spec; empty where the location already has these settings."""
    refuse_ca_file(cmd)
    changes: Json = {}
    if cmd.optional_bool("default") is not None and cmd.optional_bool("default") != bool(spec.get("default")):
        changes["default"] = True if cmd.optional_bool("default") else None
    if secret := parse_credential(cmd):
        changes["credential"] = secret
    if cmd.text("access-mode"):
        changes["accessMode"] = cmd.text("access-mode")
    if cmd.pairs("config"):
        changes["config"] = {key: value or None for key, value in cmd.pairs("config").items()}
    for flag, field in (("backup-sync-period", "backupSyncPeriod"), ("validation-frequency", "validationFrequency")):
        if cmd.nanoseconds(flag) < 0:
            raise UsageError(f"--{flag} can't be negative.", fix=f"--{flag} 1m")
        if cmd.has_flag(flag):
            changes[field] = format_go(cmd.nanoseconds(flag))
    return changes if apply_merge_patch(spec, changes) != spec else {}


def patch_step(item: Json, spec: Json) -> Step:
    name, uid = object_fields.name(item), str(item["metadata"].get("uid", ""))
    return Step(StepVerb.PATCH, KIND, RESOURCE, name, {"spec": spec}, uid=uid)


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    item = existing_location(cmd, facts, context)
    changes = spec_changes(cmd, object_fields.spec(item))
    after = apply_merge_patch(object_fields.spec(item), changes)
    guards: tuple[Guard, ...] = ()
    if changes:
        guards = validation.location_guards(cmd.name, after, facts, context) if cmd.has_flag("config") else ()
        guards += validation.default_guards(cmd.name, facts) if changes.get("default") else ()
    return Plan(
        cluster=context.cluster.name,
        noun="backup-location",
        verb="set",
        subject=cmd.name,
        steps=(patch_step(item, changes),) if changes else (),
        reach=location_reach("backup-location", cmd.name),
        guards=guards,
        cli=_equivalent_line(cmd, item, changes, context),
        summary=f"Change {', '.join(sorted(changes))} of storage location {cmd.name}"
        if changes
        else f"No change: storage location {cmd.name} already has these settings.",
    )


def _equivalent_line(cmd: Command, item: Json, changes: Json, context: PlanContext) -> str:
    """Return the velero command; kubectl's where a flag is the bot's own (the CLI has only --default and --credential)."""
    if not changes:
        return ""
    if changes.keys() <= {"default", "credential"}:
        return equivalent_command.velero_line(cmd, FLAGS)
    return equivalent_command.kubectl_commands((patch_step(item, changes),), context.namespace)


def plan_default(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    """Unset the old default first: with two of them, Velero keeps the newer one and unsets the other."""
    item = existing_location(cmd, facts, context)
    old_defaults = [name for name in validation.default_locations(facts) if name != cmd.name]
    steps = [patch_step(facts.objects[RESOURCE][name], {"default": None}) for name in old_defaults]
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
            [f"velero backup-location set {name} --default=false" for name in old_defaults]
            + [f"velero backup-location set {cmd.name} --default"]
        ),
        summary=f"Make {cmd.name} the default storage location"
        if steps
        else f"`{cmd.name}` is already the default storage location.",
        notes=tuple(f"{name} is no longer the default." for name in old_defaults),
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
