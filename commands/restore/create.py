"""`restore create`: from the command to the plan.

`settle_command` replaces what only this bot knows (--latest, --before, --undo, regular expressions) by a backup and
names, as the velero CLI takes them. `translate` makes the Restore that the CLI would post. The plan adds checks and the
steps around it: paused schedules, the ConfigMap with resource modifiers, the safety backup. The backup is pinned by uid
in the evidence, so an approved plan never restores another backup of the same name.
"""

from __future__ import annotations

from dataclasses import replace

from commands.grammar.command import Command
from commands.grammar.flags import BOOL, FREE_TEXT, OPTIONAL_BOOL, TEXT, Flag
from commands.grammar.verb import Args, Effect, PreviewKind, Verb
from commands.planning import checks
from commands.planning.context import PlanContext
from commands.planning.equivalent_command import velero_line
from commands.planning.facts import Facts, Needs, ObjectNeed
from commands.planning.reach_facts import cluster_facts
from commands.restore import conflicts, cross_cluster, guards, modifier_config_map, safety_backup, schedule_hold, source
from commands.restore.prepare import pin_sources
from commands.restore.translate import FLAGS, translate
from domain.errors import NotFound, UsageError
from domain.json_types import Json
from domain.plan import Guard, Level, Plan, Step, StepVerb
from policy.cluster_facts import BackupFacts
from policy.globs import any_matches, is_pattern
from policy.guards import restore_guards
from policy.reach import backup_reach, union_reach
from policy.restore_reach import namespaces_in, restore_reach
from policy.safety_backup import SafetyBackupRule

DESCRIPTION = "velero-chatops.io/description"
MAX_DESCRIPTION_LENGTH = 300
MAX_SHOWN_NAMESPACES = 12

OUR_FLAGS: tuple[Flag, ...] = (
    Flag("latest", BOOL, "Use the latest Completed backup of these namespaces", group="Source", ours=True),
    Flag(
        "before",
        TEXT,
        "Use the last Completed backup before this time, for example 14:30 or '2h ago'",
        group="Source",
        ours=True,
    ),
    Flag("allow-failed", BOOL, "Also allow a Failed or PartiallyFailed backup", group="Source", ours=True),
    Flag("to-cluster", TEXT, "Restore into this cluster", group="Cluster", ours=True, source="clusters"),
    Flag("modifier", FREE_TEXT, "Resource modifiers as YAML", group="Existing objects", ours=True),
    Flag(
        "safety-backup",
        OPTIONAL_BOOL,
        "Create a safety backup of what the restore overwrites, and wait for it",
        group="Safety",
        ours=True,
    ),
    Flag("undo", TEXT, "Undo this restore from its safety backup", group="Safety", ours=True, source="restores"),
    Flag(
        "hold-schedules",
        BOOL,
        "Pause schedules that back up these namespaces during the restore",
        group="Safety",
        ours=True,
    ),
    Flag("description", FREE_TEXT, "Purpose of the restore (at most 300 characters)", group="Metadata", ours=True),
)


def needs(cmd: Command, known: Facts) -> Needs:
    modifiers = cmd.text("resource-modifier-configmap")
    return Needs.of(
        *source.source_needs(_undo_as_restore(cmd, known), known),
        *safety_backup.needs(cmd, known),
        ObjectNeed("schedules", optional=True),
        ObjectNeed("restores"),
        conflicts.pending_restores_need(known),
        ObjectNeed("backups", safety_backup.usual_name(cmd.name), fresh=True, optional=True) if cmd.name else None,
        ObjectNeed("backupstoragelocations"),
        ObjectNeed("namespaces", optional=True),
        ObjectNeed("configmaps", modifiers, fresh=True) if modifiers else None,  # can't be pinned unread
    )


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    cmd = settle_command(cmd, facts, context)
    manifest = restore_with_target(cmd, facts, context)
    backup = source.choose_source(cmd, facts, context)
    saved = source.backup_facts(backup, facts)
    inline = modifier_config_map.step(cmd, context)
    cluster = modifier_config_map.with_modifiers(cluster_facts(facts, context), cmd, inline, facts)
    if inline is not None:
        manifest["spec"]["resourceModifier"] = modifier_config_map.reference(inline.name)
    reach = restore_reach(manifest, saved, cluster)
    name = manifest["metadata"]["name"]
    restore = Step(StepVerb.CREATE, "Restore", "restores", name, manifest, context.namespace)
    rule = safety_backup.decide_safety_backup(cmd, reach, cluster, context)
    safety = None
    if rule.wanted:
        safety_name = safety_backup.free_name(name, facts, context.operation)
        safety = safety_backup.safety_backup_step(manifest, reach, cluster, context.namespace, safety_name)
    held = schedule_hold.hold_steps(cmd, reach, facts, context)
    checked = (
        *_guards(cmd, manifest, facts, saved),
        *cross_cluster.guards(cmd, backup, facts, context),
        *guards.running_guards(reach, facts, cluster),
        *conflicts.conflict_guards(reach, facts, context),
        *restore_guards(reach, saved, cluster),
        *(_safety_backup_guards(safety, facts) if safety else ()),
        *schedule_hold.guards(held, context),
    )
    return Plan(
        cluster=context.cluster.name,
        noun="restore",
        verb="create",
        subject=name,
        steps=tuple(step for step in (*held, inline, safety, restore) if step is not None),
        reach=union_reach(
            reach,
            *((backup_reach(safety.manifest, cluster),) if safety is not None else ()),
            *schedule_hold.reaches(held, facts, context),
        ),
        guards=checked,
        cli=restore_velero_line(cmd, name, inline.name if inline else ""),
        summary=summary(manifest, saved),
        evidence={**source.evidence(backup, facts), **modifier_config_map.evidence(cmd, facts)},
        notes=(
            *_notes(manifest, saved),
            *_safety_backup_notes(safety, rule),
            *safety_backup.undo_notes(cmd, facts),
            *schedule_hold.notes(cmd, reach, facts),
        ),
        offers=schedule_hold.offers(cmd, reach, facts, name, context),
    )


def restore_velero_line(cmd: Command, name: str, modifiers: str = "") -> str:
    """The equivalent velero command: with the backup that was found, without flags that only this bot has."""
    flags = {**cmd.flags, "resource-modifier-configmap": modifiers} if modifiers else dict(cmd.flags)
    if text := cmd.text("description"):
        flags["annotations"] = {**cmd.pairs("annotations"), DESCRIPTION: text}
    return velero_line(replace(cmd, verb="create", names=(name,), flags=flags), FLAGS)


def _safety_backup_guards(safety: Step, facts: Facts) -> tuple[Guard, ...]:
    return (
        *checks.exists_guard(facts, "backups", "backup", safety.name),
        *checks.location_guards(safety.manifest["spec"], facts),
    )


def _safety_backup_notes(safety: Step | None, rule: SafetyBackupRule) -> tuple[str, ...]:
    if safety is not None:
        required = f" Required by rule `{rule.rule}`." if rule.rule else ""
        return (
            f"Safety backup `{safety.name}` is created first. If it isn't Completed, nothing is restored.{required}",
        )
    if rule.wanted:
        return ("No safety backup: the target namespaces don't exist yet.",)
    if rule.rule:
        return (f"No safety backup: rule `{rule.rule}` doesn't require one. Add --safety-backup to create one.",)
    return ()


def _undo_as_restore(cmd: Command, facts: Facts) -> Command:
    """`--undo` as a restore of the safety backup that updates existing objects."""
    name = cmd.text("undo")
    if not name:
        return cmd
    if cmd.text("from-backup") or cmd.text("from-schedule"):
        raise UsageError(
            "--undo can't be combined with --from-backup or --from-schedule.", fix=f"restore create --undo {name}"
        )
    saved = safety_backup.find_safety_backup(cmd, facts)
    flags = {**cmd.flags, "from-backup": saved.name if saved else "", "existing-resource-policy": "update"}
    return replace(cmd, flags=flags)


def settle_command(cmd: Command, facts: Facts, context: PlanContext) -> Command:
    """The command with a backup and names in place of the bot's own flags and of regular expressions."""
    undo = cmd.text("undo")
    for flag in ("latest", "before"):
        if cmd.text("from-backup") and cmd.has_flag(flag):
            raise UsageError(
                f"--{flag} can't be combined with --from-backup.", why="Both say which backup.", fix="Use one of them."
            )
    cmd = _undo_as_restore(cmd, facts)
    if undo and not cmd.text("from-backup"):
        raise safety_backup.no_safety_backup(undo)
    flags = dict(cmd.flags)
    if source.is_chosen_by_bot(cmd) or (cmd.text("before") and cmd.text("from-schedule")):
        flags["from-backup"] = source.find_backup(cmd, facts, context)
        flags.pop("from-schedule", None)
    found = replace(cmd, flags=flags)
    inside = _namespaces_of(source.backup_facts(source.choose_source(found, facts, context), facts))
    for flag in ("include-namespaces", "exclude-namespaces"):
        if any(source.is_regex(name) for name in found.strings(flag)):
            flags[flag] = source.literal_pattern(found.strings(flag), inside)
    return replace(cmd, flags=flags)


def _namespaces_of(saved: BackupFacts) -> list[str]:
    if saved.contents is not None:
        return sorted(namespaces_in(saved.contents))
    return [name for name in (saved.manifest.get("spec") or {}).get("includedNamespaces") or [] if name != "*"]


def restore_with_target(cmd: Command, facts: Facts, context: PlanContext) -> Json:
    _check_synced(cmd, facts, context)
    manifest = translate(cmd, facts, context)
    if text := cmd.text("description"):
        if len(text) > MAX_DESCRIPTION_LENGTH:
            raise UsageError(f"--description has {len(text)} characters; the limit is {MAX_DESCRIPTION_LENGTH}.")
        metadata = manifest["metadata"]
        metadata["annotations"] = {**(metadata.get("annotations") or {}), DESCRIPTION: text}
    return manifest


def _check_synced(cmd: Command, facts: Facts, context: PlanContext) -> None:
    """Raises NotFound if the other cluster's Velero hasn't read the backup from the bucket yet."""
    name, cluster = cmd.text("from-backup"), cmd.text("to-cluster")
    if cluster and name and facts.is_absent("backups", name):
        raise NotFound(
            f"Backup `{name}` doesn't exist in {context.cluster.name}, or Velero there hasn't synced it yet.",
            why="Velero syncs backups from the bucket about once a minute, if a storage location in that cluster points to the bucket.",
            nearest=facts.nearest("backups", name),
            fix=f"backup-location create NAME --provider P --bucket B --access-mode ReadOnly --cluster {cluster}",
        )


def _guards(cmd: Command, manifest: Json, facts: Facts, saved: BackupFacts) -> tuple[Guard, ...]:
    spec, name = manifest["spec"], manifest["metadata"]["name"]
    backup = dict(saved.manifest) or None
    return (
        *checks.name_guards("restore", name),
        *checks.exists_guard(facts, "restores", "restore", name),
        *checks.label_guards(cmd),
        *modifier_config_map.guards(cmd, facts),
        *guards.backup_guards(cmd, backup, facts),
        *guards.scope_guards(spec, saved),
        *guards.mapping_guards(spec, saved),
        *guards.terminating_guards(spec, saved, facts),
        *guards.node_port_guards(spec, saved, facts),
        *_unused_flag_guards(cmd, spec),
    )


def _unused_flag_guards(cmd: Command, spec: Json) -> tuple[Guard, ...]:
    """The velero CLI accepts these flags and ignores them."""
    found = []
    if cmd.strings("status-exclude-resources") and "restoreStatus" not in spec:
        text = "--status-exclude-resources has no effect without --status-include-resources: no status is restored."
        found.append(Guard("unused-flags", Level.REFUSE, text))
    if cmd.has_flag("allow-partially-failed") and not cmd.text("from-schedule"):
        text = "--allow-partially-failed has no effect without --from-schedule."
        found.append(Guard("unused-flags", Level.WARN, text))
    return tuple(found)


def summary(manifest: Json, saved: BackupFacts) -> str:
    spec = manifest["spec"]
    backup = (saved.manifest.get("metadata") or {}).get("name") or spec.get("backupName") or spec.get("scheduleName")
    included = spec.get("includedNamespaces") or ["*"]
    what = "everything" if "*" in included else ", ".join(included)
    mapped = spec.get("namespaceMapping") or {}
    into = f" into {', '.join(f'{old}→{new}' for old, new in mapped.items())}" if mapped else ""
    return f"Restore {what} from backup {backup}{into}"


def _notes(manifest: Json, saved: BackupFacts) -> tuple[str, ...]:
    spec = manifest["spec"]
    existing = (
        "Existing objects are updated from the backup. Nothing is deleted."
        if spec.get("existingResourcePolicy") == "update"
        else "Existing objects are left unchanged. Nothing is deleted."
    )
    return (
        f"{summary(manifest, saved)}.",
        *_matched_namespaces(spec, saved),
        existing,
        "Existing PVCs keep their data. File-system backups overwrite files in a volume when its pod is recreated.",
    )


def _matched_namespaces(spec: Json, saved: BackupFacts) -> tuple[str, ...]:
    """A note with the namespaces of the backup that patterns match; nothing if there are no patterns."""
    included, excluded = spec.get("includedNamespaces") or ["*"], spec.get("excludedNamespaces") or []
    patterns = [name for name in (*included, *excluded) if is_pattern(name)]
    if saved.contents is None or not patterns:
        return ()
    inside = sorted(namespaces_in(saved.contents))
    found = [name for name in inside if any_matches(included, name) and not any_matches(excluded, name)]
    more = f" and {len(found) - MAX_SHOWN_NAMESPACES} more" if len(found) > MAX_SHOWN_NAMESPACES else ""
    return (f"Namespaces: {', '.join(found[:MAX_SHOWN_NAMESPACES]) or 'none'}{more}.",)


CREATE = Verb(
    noun="restore",
    name="create",
    summary="Restore from a backup",
    effect=Effect.WRITE,
    args=Args("NAME", 0, 1),
    flags=(*FLAGS, *OUR_FLAGS),
    needs=needs,
    plan=plan,
    settle=source.settle_source,
    prepare=pin_sources,
    preview=PreviewKind.RESTORE_CONTENTS,
    conflicts=conflicts.find_conflict,
    undo=safety_backup.undo_command,
    examples=(
        "restore create --from-backup shop-1",
        "restore create --include-namespaces shop --before 14:30",
        "restore create copy --from-schedule nightly --namespace-mappings shop:shop-copy",
    ),
)
