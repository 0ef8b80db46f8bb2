"""`backup create`: what would be written equals what the velero CLI writes; our guards come after it."""

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
    """The Backup that the CLI would POST. Raises UsageError or Unknown where the CLI fails."""
    source = cmd.text("from-schedule").strip()
    if cmd.has_flag("from-schedule") and not source:
        raise UsageError("--from-schedule needs a schedule name.")
    if not source and not cmd.names:
        raise UsageError(
            "A backup name is missing.",
            why="Only backups from a schedule get a name automatically.",
            fix="backup create NAME",
        )
    template.check_command(cmd, facts)
    metadata: Json
    if source:
        schedule = facts.get("schedules", source)
        if schedule is None:
            raise NotFound(f"Schedule `{source}` doesn't exist.", nearest=facts.nearest("schedules", source))
        metadata, spec = template.backup_from_schedule(schedule)
    else:
        metadata, spec = {}, template.backup_spec(cmd)
    metadata["name"] = cmd.name or f"{source}-{context.stamp()}"
    metadata["namespace"] = context.namespace
    for field in ("labels", "annotations"):
        laid = {**metadata.get(field, {}), **cmd.pairs(field)}
        if laid:
            metadata[field] = laid
    return {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": metadata, "spec": spec}


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    ours = namespace_presets.resolve_scope(cmd, facts, context)
    dropped = unused_flag_guards(cmd, facts, context)
    cmd = ours.command
    manifest = with_annotations(cmd, translate(cmd, facts, context), ours)
    inline = resource_policy.config_map_step(cmd, context)
    if inline is not None:
        manifest["spec"]["resourcePolicy"] = resource_policy.policy_reference(inline.name)
    name = manifest["metadata"]["name"]
    guards = (
        *checks.name_guards("backup", name),
        *checks.exists_guard(facts, "backups", "backup", name),
        *checks.label_guards(cmd),
        *checks.spec_guards(manifest["spec"], facts),
        *checks.location_guards(manifest["spec"], facts),
        *resource_policy.guards(cmd, facts),
        *dropped,
    )
    backup = Step(StepVerb.CREATE, "Backup", "backups", name, manifest, context.namespace)
    steps = (*((inline,) if inline else ()), backup)
    return Plan(
        cluster=context.cluster.name,
        noun="backup",
        verb="create",
        subject=name,
        steps=steps,
        reach=backup_reach(manifest, resource_policy.with_policy(cluster_facts(facts, context), cmd, inline, facts)),
        guards=guards,
        cli=_line(cmd, steps, facts, context),
        evidence=resource_policy.evidence(cmd, facts),
        notes=ours.notes,
    )


def _line(cmd: Command, steps: tuple[Step, ...], facts: Facts, context: PlanContext) -> str:
    """What our own words came to is said by annotations, and by the flags of an application's template."""
    manifest = steps[-1].manifest
    marks = {"annotations": {**cmd.pairs("annotations"), **_ours(manifest)}}
    full = {} if cmd.has_flag("from-schedule") else template.spec_as_flags(manifest["spec"]) or {}
    return equivalent_command.equivalent_of_create(
        steps,
        cmd,
        CREATE.flags,
        (marks, {**full, **marks}),
        lambda one: translate(one, facts, context),
        context.namespace,
    )


def _ours(manifest: Json) -> Json:
    found = manifest["metadata"].get("annotations") or {}
    return {
        key: value
        for key, value in found.items()
        if key in {DESCRIPTION_ANNOTATION, namespace_presets.TYPE_ANNOTATION, namespace_presets.APPLICATION_ANNOTATION}
    }


def unused_flag_guards(cmd: Command, facts: Facts, context: PlanContext) -> tuple[Guard, ...]:
    """The velero CLI takes everything from the schedule and ignores other flags in silence. Here that is refused.

    A flag that says what the template says already is none of those.
    """
    source = cmd.text("from-schedule").strip()
    schedule = facts.get("schedules", source) if source else None
    if schedule is None:
        return ()
    _, there = template.backup_from_schedule(schedule)
    wanted = template.backup_spec(cmd)
    given = {flag: wanted.get(field) for flag, field in template.SPEC_FIELDS.items() if cmd.has_flag(flag)}
    idle = [flag for flag, value in given.items() if (value or None) != (there.get(template.SPEC_FIELDS[flag]) or None)]
    if not idle:
        return ()
    named = ", ".join(f"--{flag}" for flag in idle)
    text = f"{named} can't be combined with --from-schedule: Velero takes all of it from schedule {source!r}."
    line = _spelled_out(cmd, there, source, context)
    return (Guard("unused-flags", Level.REFUSE, text, (line,) if line else ()),)


def _spelled_out(cmd: Command, there: Json, source: str, context: PlanContext) -> str:
    """A backup of its own with the schedule's settings and the changes to them; empty where flags can't say them."""
    settings = template.spec_as_flags(there)
    if settings is None:
        return ""
    kept = {name: value for name, value in cmd.flags.items() if name != "from-schedule"}
    name = cmd.name or f"{source}-{context.stamp()}"
    line = canonical_line(CREATE, (name,), {**settings, **kept})
    return line + (f" --cluster {cmd.cluster}" if cmd.cluster else "")


def with_annotations(cmd: Command, manifest: Json, ours: namespace_presets.ResolvedScope) -> Json:
    """What the CLI has no field for stands in annotations; an application's template fills what was not said."""
    text = cmd.text("description")
    if len(text) > MAX_DESCRIPTION_LENGTH:
        raise UsageError(
            f"--description has {len(text)} characters; the limit is {MAX_DESCRIPTION_LENGTH}.",
            why="It's stored as an annotation.",
        )
    marks = {**ours.annotations, **({DESCRIPTION_ANNOTATION: text} if text else {})}
    if marks:
        manifest["metadata"]["annotations"] = {**(manifest["metadata"].get("annotations") or {}), **marks}
    if ours.fields:
        manifest["spec"] = namespace_presets.fill_from_template(manifest["spec"], ours.fields)
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
