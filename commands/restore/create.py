"""`restore create`: translation, then pinning and guards."""

from __future__ import annotations

from dataclasses import replace

from commands.grammar.command import Command
from commands.grammar.flags import BOOL, FREE_TEXT, OPTIONAL_BOOL, TEXT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import checks
from commands.planning.context import PlanContext
from commands.planning.equivalent_command import velero_line
from commands.planning.facts import Facts, Needs, ObjectNeed
from commands.planning.reach_facts import cluster_facts
from commands.restore import conflicts, cross_cluster, guards, modifier_config_map, safety_backup, schedule_hold, source
from commands.restore.translate import FLAGS, translate
from domain.errors import NotFound, UsageError
from domain.json_types import Json
from domain.plan import Guard, Level, Plan, Step, StepVerb
from domain.reach import Reach
from policy.cluster_facts import BackupFacts, ClusterFacts
from policy.globs import any_matches, is_pattern
from policy.guards import restore_guards
from policy.reach import backup_reach, union_reach
from policy.restore_reach import namespaces_in, restore_reach
from policy.safety_backup import SafetyBackupRule

DESCRIPTION = "velero-chatops.io/description"
SHOWN = 12

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
        *source.source_needs(_undone(cmd, known), known),
        *safety_backup.needs(cmd, known),
        ObjectNeed("schedules", optional=True),
        ObjectNeed("restores"),
        conflicts.pending_restores_need(known),
        ObjectNeed("backups", safety_backup.usual_name(cmd.name), fresh=True, optional=True) if cmd.name else None,
        ObjectNeed("backupstoragelocations"),
        ObjectNeed("namespaces", optional=True),
        ObjectNeed("configmaps", modifiers, fresh=True) if modifiers else None,  # unread it could not be pinned
    )


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    cmd = settle_command(cmd, facts, context)
    manifest = restore_with_target(cmd, facts, context)
    backup = source.choose_source(cmd, facts, context)
    known = source.backup_facts(backup, facts)
    inline = modifier_config_map.step(cmd, context)
    around = modifier_config_map.known(cluster_facts(facts, context), cmd, inline, facts)
    if inline is not None:
        manifest["spec"]["resourceModifier"] = modifier_config_map.reference(inline.name)
    reach = restore_reach(manifest, known, around)
    name = manifest["metadata"]["name"]
    restore = Step(StepVerb.CREATE, "Restore", "restores", name, manifest, context.namespace)
    said = safety_backup.safety_note(cmd, reach, around, context)
    net = None
    if said.wanted:
        safe = safety_backup.free_name(manifest["metadata"]["name"], facts, context.operation)
        net = safety_backup.safety_backup_step(manifest, reach, around, context.namespace, safe)
    held = schedule_hold.hold_steps(cmd, reach, facts, context)
    guarded = (
        *_guards(cmd, manifest, facts, known),
        *cross_cluster.guards(cmd, backup, facts, context),
        *guards.running_guards(reach, facts, around),
        *conflicts.conflict_guards(reach, facts, context),
        *restore_guards(reach, known, around),
        *(_net_guards(net, facts) if net else ()),
        *schedule_hold.guards(held, context),
    )
    return Plan(
        cluster=context.cluster.name,
        noun="restore",
        verb="create",
        subject=name,
        steps=tuple(step for step in (*held, inline, net, restore) if step is not None),
        reach=union_reach(reach, *_beside(net, around), *schedule_hold.reaches(held, facts, context)),
        guards=guarded,
        cli=restore_velero_line(cmd, name, inline.name if inline else ""),
        summary=summary(manifest, known),
        evidence={**source.evidence(backup, facts), **modifier_config_map.evidence(cmd, facts)},
        notes=(
            *_told(manifest, known),
            *_net_notes(net, said),
            *safety_backup.undo_notes(cmd, facts),
            *schedule_hold.notes(cmd, reach, facts),
        ),
        offers=schedule_hold.offers(cmd, reach, facts, name, context),
    )


def _beside(net: Step | None, around: ClusterFacts) -> tuple[Reach, ...]:
    return (backup_reach(net.manifest, around),) if net is not None else ()


def restore_velero_line(cmd: Command, name: str, modifiers: str = "") -> str:
    """What the velero CLI would be given: the backup that was found, and nothing that only this bot knows."""
    flags = {**cmd.flags, "resource-modifier-configmap": modifiers} if modifiers else dict(cmd.flags)
    if text := cmd.text("description"):
        flags["annotations"] = {**cmd.pairs("annotations"), DESCRIPTION: text}
    return velero_line(replace(cmd, verb="create", names=(name,), flags=flags), FLAGS)


def _net_guards(net: Step, facts: Facts) -> tuple[Guard, ...]:
    return (
        *checks.exists_guard(facts, "backups", "backup", net.name),
        *checks.location_guards(net.manifest["spec"], facts),
    )


def _net_notes(net: Step | None, said: SafetyBackupRule) -> tuple[str, ...]:
    if net is not None:
        by = f"  Required by rule *{said.rule}*." if said.rule else ""
        return (f"Safety backup {net.name} is created first. If it isn't Completed, nothing is restored.{by}",)
    if said.wanted:
        return ("No safety backup: the target namespaces don't exist yet.",)
    return (
        (f"No safety backup: rule *{said.rule}* doesn't require one. Add --safety-backup to create one.",)
        if said.rule
        else ()
    )


def _undone(cmd: Command, facts: Facts) -> Command:
    """Taking a restore back is a restore of its safety backup, over what is there."""
    name = cmd.text("undo")
    if not name:
        return cmd
    if cmd.text("from-backup") or cmd.text("from-schedule"):
        raise UsageError(
            "--undo can't be combined with --from-backup or --from-schedule.", fix=f"restore create --undo {name}"
        )
    net = safety_backup.kept(cmd, facts)
    flags = {**cmd.flags, "from-backup": net.name if net else "", "existing-resource-policy": "update"}
    return replace(cmd, flags=flags)


def settle_command(cmd: Command, facts: Facts, context: PlanContext) -> Command:
    """Our own words for a source, and regular expressions, become what the velero CLI would have been given."""
    undo = cmd.text("undo")
    for flag in ("latest", "before"):
        if cmd.text("from-backup") and cmd.has_flag(flag):
            raise UsageError(
                f"--{flag} can't be combined with --from-backup.", why="Both say which backup.", fix="Use one of them."
            )
    cmd = _undone(cmd, facts)
    if undo and not cmd.text("from-backup"):
        raise safety_backup.check_safety_backup(undo)
    flags = dict(cmd.flags)
    if source.is_made_by_bot(cmd) or (cmd.text("before") and cmd.text("from-schedule")):
        flags["from-backup"] = source.find_backup(cmd, facts, context)
        flags.pop("from-schedule", None)
    found = replace(cmd, flags=flags)
    inside = _inside(source.backup_facts(source.choose_source(found, facts, context), facts))
    for flag in ("include-namespaces", "exclude-namespaces"):
        if any(source.is_regex(name) for name in found.strings(flag)):
            flags[flag] = source.literal_pattern(found.strings(flag), inside)
    return replace(cmd, flags=flags)


def _inside(known: BackupFacts) -> list[str]:
    if known.contents is not None:
        return sorted(namespaces_in(known.contents))
    return [name for name in (known.manifest.get("spec") or {}).get("includedNamespaces") or [] if name != "*"]


def restore_with_target(cmd: Command, facts: Facts, context: PlanContext) -> Json:
    _synced(cmd, facts, context)
    manifest = translate(cmd, facts, context)
    if text := cmd.text("description"):
        if len(text) > 300:
            raise UsageError(f"--description has {len(text)} characters; the limit is 300.")
        metadata = manifest["metadata"]
        metadata["annotations"] = {**(metadata.get("annotations") or {}), DESCRIPTION: text}
    return manifest


def _synced(cmd: Command, facts: Facts, context: PlanContext) -> None:
    """Into another cluster: its Velero has to have seen the backup in the bucket."""
    name, cluster = cmd.text("from-backup"), cmd.text("to-cluster")
    if cluster and name and facts.is_absent("backups", name):
        raise NotFound(
            f"Backup `{name}` isn't available in {context.cluster.name} yet.",
            why="Velero syncs backups from the bucket about once a minute, if a storage location in that cluster points to the bucket.",
            nearest=facts.nearest("backups", name),
            fix=f"backup-location create NAME --provider P --bucket B --access-mode ReadOnly --cluster {cluster}",
        )


def _guards(cmd: Command, manifest: Json, facts: Facts, known: BackupFacts) -> tuple[Guard, ...]:
    spec, name = manifest["spec"], manifest["metadata"]["name"]
    backup = dict(known.manifest) or None
    return (
        *checks.name_guards("restore", name),
        *checks.exists_guard(facts, "restores", "restore", name),
        *checks.label_guards(cmd),
        *modifier_config_map.guards(cmd, facts),
        *guards.backup_guards(cmd, backup, facts),
        *guards.scope_guards(spec, known),
        *guards.mapping_guards(spec, known),
        *guards.terminating_guards(spec, known, facts),
        *guards.node_port_guards(spec, known, facts),
        *_unused(cmd, spec),
    )


def _unused(cmd: Command, spec: Json) -> tuple[Guard, ...]:
    """The velero CLI takes these and does nothing with them."""
    found = []
    if cmd.strings("status-exclude-resources") and "restoreStatus" not in spec:
        text = "--status-exclude-resources has no effect without --status-include-resources: no status is restored."
        found.append(Guard("unused-flags", Level.REFUSE, text))
    if cmd.has_flag("allow-partially-failed") and not cmd.text("from-schedule"):
        text = "--allow-partially-failed has no effect here: it goes with --from-schedule."
        found.append(Guard("unused-flags", Level.WARN, text))
    return tuple(found)


def summary(manifest: Json, known: BackupFacts) -> str:
    spec = manifest["spec"]
    backup = (known.manifest.get("metadata") or {}).get("name") or spec.get("backupName") or spec.get("scheduleName")
    included = spec.get("includedNamespaces") or ["*"]
    what = "everything" if "*" in included else ", ".join(included)
    mapped = spec.get("namespaceMapping") or {}
    into = f" into {', '.join(f'{old}→{new}' for old, new in mapped.items())}" if mapped else ""
    return f"Restore {what} from backup {backup}{into}"


def _told(manifest: Json, known: BackupFacts) -> tuple[str, ...]:
    spec = manifest["spec"]
    kept = (
        "Existing objects are updated from the backup. Nothing is deleted."
        if spec.get("existingResourcePolicy") == "update"
        else "Existing objects are left unchanged. Nothing is deleted."
    )
    return (
        f"{summary(manifest, known)}.",
        *_meant(spec, known),
        kept,
        "Existing PVCs keep their data. File-system backups overwrite files in a volume when its pod is recreated.",
    )


def _meant(spec: Json, known: BackupFacts) -> tuple[str, ...]:
    """What patterns come to, by the backup's own list."""
    included, excluded = spec.get("includedNamespaces") or ["*"], spec.get("excludedNamespaces") or []
    patterns = [name for name in (*included, *excluded) if is_pattern(name)]
    if known.contents is None or not patterns:
        return ()
    inside = sorted(namespaces_in(known.contents))
    found = [name for name in inside if any_matches(included, name) and not any_matches(excluded, name)]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return (f"Namespaces: {', '.join(found[:SHOWN]) or 'none'}{more}.",)


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
    examples=(
        "restore create --from-backup shop-1",
        "restore create --include-namespaces shop --before 14:30",
        "restore create copy --from-schedule nightly --namespace-mappings shop:shop-copy",
    ),
)
