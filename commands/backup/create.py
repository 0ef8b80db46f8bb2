"""`backup create`: writes the same Backup as the velero CLI would.

The command is translated first, exactly as the CLI does it; the bot's own checks run on the result. So a line that the
CLI accepts always translates, and is then either planned or refused with a reason.
"""

from __future__ import annotations

from commands.backup import namespace_presets, resource_policy
from commands.backup import spec as template
from commands.grammar.command import Command
from commands.grammar.flags import BOOL, TEXT, Flag
from commands.grammar.format_flags import canonical_line
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import checks, equivalent_command
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, Needs, ObjectNeed
from commands.planning.output import OUTPUT_FLAGS
from commands.planning.reach_facts import cluster_facts
from domain.errors import NotFound, UsageError
from domain.json_types import Json
from domain.plan import Guard, Level, Plan, Step, StepVerb
from policy.reach import backup_reach

DESCRIPTION_ANNOTATION = "velero-chatops.io/description"
MAX_DESCRIPTION_LENGTH = 300


def needs(cmd: Command, _known: Facts) -> Needs:
    schedule, policies = cmd.text("from-schedule").strip(), cmd.text("resource-policies-configmap")
    return Needs.of(
        *template.cli_lookups(cmd),
        ObjectNeed("schedules", schedule, fresh=True) if schedule else None,
        ObjectNeed("backups", cmd.name, fresh=True) if cmd.name else None,
        ObjectNeed("backups") if cmd.has_flag("type") else None,
        ObjectNeed("configmaps", policies, fresh=True, optional=True) if policies else None,
        ObjectNeed("backupstoragelocations"),
        ObjectNeed("namespaces"),
    )


def translate(cmd: Command, facts: Facts, context: PlanContext) -> Json:
    """Return the Backup that the CLI would POST. Raises UsageError or NotFound where the CLI fails."""
    source = cmd.text("from-schedule").strip()
    if cmd.has_flag("from-schedule") and not source:
        raise UsageError("--from-schedule needs a schedule name.")
    if not source and not cmd.names:
        raise UsageError(
            "A backup name is missing.",
            why="Only backups from a schedule get a name automatically.",
            fix=_named_line(cmd, context),
        )
    template.check_command(cmd, facts)
    metadata: Json
    if source:
        schedule = facts.get("schedules", source)
        if schedule is None:
            raise NotFound(
                f"Schedule `{source}` doesn't exist in {context.cluster.name}.",
                nearest=facts.nearest("schedules", source),
            )
        metadata, spec = template.backup_from_schedule(schedule)
    else:
        metadata, spec = {}, template.backup_spec(cmd)
    metadata["name"] = cmd.name or f"{source}-{context.stamp()}"
    metadata["namespace"] = context.namespace
    for field in ("labels", "annotations"):
        pairs = {**metadata.get(field, {}), **cmd.pairs(field)}
        if pairs:
            metadata[field] = pairs
    return {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": metadata, "spec": spec}


def _named_line(cmd: Command, context: PlanContext) -> str:
    """Return the same command with a name made of its first namespace and the time."""
    first = next((name for name in template.namespaces(cmd) if not template.namespace_error(name)), "")
    base = first if first and first.isascii() and first.replace("-", "").isalnum() else "backup"
    return canonical_line(CREATE, (f"{base}-{context.stamp()}",), cmd.flags)


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    scope = namespace_presets.resolve_scope(cmd, facts, context)
    unused_flags = unused_flag_guards(cmd, facts, context)
    cmd = scope.command
    manifest = with_annotations(cmd, translate(cmd, facts, context), scope)
    policy_step = resource_policy.config_map_step(cmd, context)
    if policy_step is not None:
        manifest["spec"]["resourcePolicy"] = resource_policy.policy_reference(policy_step.name)
    name = manifest["metadata"]["name"]
    guards = (
        *checks.name_guards("backup", name),
        *checks.exists_guard(facts, "backups", "backup", name),
        *checks.label_guards(cmd),
        *checks.spec_guards(manifest["spec"], facts),
        *checks.location_guards(manifest["spec"], facts),
        *resource_policy.guards(cmd, facts),
        *unused_flags,
    )
    backup = Step(StepVerb.CREATE, "Backup", "backups", name, manifest, context.namespace)
    steps = (*((policy_step,) if policy_step else ()), backup)
    return Plan(
        cluster=context.cluster.name,
        noun="backup",
        verb="create",
        subject=name,
        steps=steps,
        reach=backup_reach(
            manifest, resource_policy.with_policy(cluster_facts(facts, context), cmd, policy_step, facts)
        ),
        guards=guards,
        cli=_equivalent_line(cmd, steps, facts, context),
        evidence=resource_policy.evidence(cmd, facts),
        notes=scope.notes,
    )


def _equivalent_line(cmd: Command, steps: tuple[Step, ...], facts: Facts, context: PlanContext) -> str:
    """Return the velero CLI's commands; what the bot's own flags set becomes annotations and plain flags in them."""
    manifest = steps[-1].manifest
    annotations = {"annotations": {**cmd.pairs("annotations"), **_own_annotations(manifest)}}
    full = {} if cmd.has_flag("from-schedule") else template.spec_as_flags(manifest["spec"]) or {}
    return equivalent_command.equivalent_of_create(
        steps,
        cmd,
        CREATE.flags,
        (annotations, {**full, **annotations}),
        lambda command: translate(command, facts, context),
        context.namespace,
    )


def _own_annotations(manifest: Json) -> Json:
    annotations = manifest["metadata"].get("annotations") or {}
    return {
        key: value
        for key, value in annotations.items()
        if key in {DESCRIPTION_ANNOTATION, namespace_presets.TYPE_ANNOTATION, namespace_presets.APPLICATION_ANNOTATION}
    }


def unused_flag_guards(cmd: Command, facts: Facts, context: PlanContext) -> tuple[Guard, ...]:
    """Refuse flags that `--from-schedule` makes Velero ignore; the velero CLI drops them without a word.

    A flag that repeats the schedule's own setting is accepted.
    """
    source = cmd.text("from-schedule").strip()
    schedule = facts.get("schedules", source) if source else None
    if schedule is None:
        return ()
    _, schedule_spec = template.backup_from_schedule(schedule)
    wanted = template.backup_spec(cmd)
    given = {flag: wanted.get(field) for flag, field in template.SPEC_FIELDS.items() if cmd.has_flag(flag)}
    ignored = [
        flag
        for flag, value in given.items()
        if (value or None) != (schedule_spec.get(template.SPEC_FIELDS[flag]) or None)
    ]
    if not ignored:
        return ()
    named = ", ".join(f"--{flag}" for flag in ignored)
    text = f"{named} can't be combined with --from-schedule: Velero uses the settings of schedule `{source}`."
    line = _line_without_schedule(cmd, schedule_spec, source, context)
    return (Guard("unused-flags", Level.REFUSE, text, (line,) if line else ()),)


def _line_without_schedule(cmd: Command, schedule_spec: Json, source: str, context: PlanContext) -> str:
    """Return a command with the schedule's settings and the given changes; empty where flags can't express them."""
    settings = template.spec_as_flags(schedule_spec)
    if settings is None:
        return ""
    kept = {name: value for name, value in cmd.flags.items() if name != "from-schedule"}
    name = cmd.name or f"{source}-{context.stamp()}"
    line = canonical_line(CREATE, (name,), {**settings, **kept})
    return line + (f" --cluster {cmd.cluster}" if cmd.cluster else "")


def with_annotations(cmd: Command, manifest: Json, scope: namespace_presets.ResolvedScope) -> Json:
    """Add the bot's annotations, and the application's template where the command leaves a field open."""
    text = cmd.text("description")
    if len(text) > MAX_DESCRIPTION_LENGTH:
        raise UsageError(
            f"--description has {len(text)} characters; the limit is {MAX_DESCRIPTION_LENGTH}.",
            why="It's stored as an annotation.",
        )
    annotations = {**scope.annotations, **({DESCRIPTION_ANNOTATION: text} if text else {})}
    if annotations:
        manifest["metadata"]["annotations"] = {**(manifest["metadata"].get("annotations") or {}), **annotations}
    if scope.fields:
        manifest["spec"] = namespace_presets.fill_from_template(manifest["spec"], scope.fields)
    return manifest


CREATE = Verb(
    noun="backup",
    name="create",
    summary="Create a backup of namespaces or the whole cluster",
    effect=Effect.WRITE,
    args=Args("NAME", 0, 1),
    flags=(
        *template.FLAGS,
        Flag("from-schedule", TEXT, "Use the scope and settings of this schedule", group="Source", source="schedules"),
        Flag(
            "wait",
            BOOL,
            "Accepted for CLI compatibility; the status message always follows the backup",
            short="w",
            group="Other",
        ),
        *OUTPUT_FLAGS,
        *template.OUR_FLAGS,
    ),
    needs=needs,
    plan=plan,
    examples=(
        "backup create shop-1 --include-namespaces shop --ttl 30d",
        "backup create --from-schedule nightly",
        "backup create full --exclude-namespaces kube-system -o yaml",
        "backup create prod-1 --namespaces production --description 'before the upgrade'",
        "backup create shop-2 --type partial --app shop",
    ),
)
