"""The safety backup of a restore, and its undo.

Before a restore overwrites anything, a backup of the target namespaces is created and must be Completed. `--undo`
restores that backup. It is found by the uid that the operation recorded, never by name: anyone who may create backups
could otherwise plant one under the expected name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commands.grammar.command import Command
from commands.planning import object_fields
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FileNeed, Need, ObjectNeed, RecordsNeed, RecordTable
from commands.planning.resolve import OPERATION
from domain.errors import DownloadError, NotFound
from domain.json_types import Json
from domain.plan import Plan, Step, StepMode, StepVerb
from domain.reach import Reach
from policy.cluster_facts import ClusterFacts
from policy.matching import PolicyRequest
from policy.safety_backup import RESTORE, SafetyBackupRule, safety_backup_rule
from velero.artifacts.resource_list import ItemOutcome, ListedItem, resources_of

if TYPE_CHECKING:
    from store.transaction import Transaction


NAME_SUFFIX = "-safety"
KEPT_DAYS = 7
SAFETY_BACKUP_TTL = f"{KEPT_DAYS * 24}h0m0s"
MAX_SHOWN_REMOVALS = 15
TOUCHED = "RestoreResourceList"


def decide_safety_backup(cmd: Command, reach: Reach, cluster: ClusterFacts, context: PlanContext) -> SafetyBackupRule:
    """Whether to create a safety backup: the command decides, else the rules, else the settings."""
    requested = cmd.optional_bool("safety-backup")
    if requested is not None:
        return SafetyBackupRule(requested, "the command")
    request = PolicyRequest(
        context.actor, RESTORE, context.cluster.name, reach, writes=True, now=context.now, labels=cluster.labels
    )
    return safety_backup_rule(context.rules, request, context.safety_backup)


@dataclass(frozen=True, slots=True)
class SafetyBackup:
    """The uids of a restore and of its safety backup, as the operation that created both recorded them."""

    restore_uid: str
    name: str
    uid: str


def safety_backups(tx: Transaction, cluster: str, restore: str) -> list[SafetyBackup]:
    """The safety backups of every restore of this name that the bot created, newest first."""
    found: list[SafetyBackup] = []
    for operation in tx.operations.by_object(cluster, "Restore", restore):
        planned, executed = tx.operations.load_plan(operation.id).steps, tx.steps.of(operation.id)
        restore_uid = next((one.uid for one in reversed(executed) if one.kind == "Restore" and one.name == restore), "")
        found += [
            SafetyBackup(restore_uid, done.name, done.uid)
            for step, done in zip(planned, executed, strict=True)
            if step.mode is StepMode.SAFETY_BACKUP and done.uid and restore_uid
        ]
    return found


def safety_backups_need(cmd: Command, known: Facts) -> RecordsNeed:
    return RecordsNeed(RecordTable.SAFETY_BACKUPS, (("cluster", known.cluster), ("restore", cmd.text("undo"))))


def find_safety_backup(cmd: Command, facts: Facts) -> SafetyBackup | None:
    """The safety backup of the restore named by --undo, or of the last one of this name if it was deleted.

    Raises NotFound if another backup has the safety backup's name now.
    """
    restore = facts.get("restores", cmd.text("undo"))
    rows = [row for row in facts.records.get(safety_backups_need(cmd, facts)) or [] if isinstance(row, SafetyBackup)]
    uid = (restore.get("metadata") or {}).get("uid", "") if restore is not None else ""
    found = next((row for row in rows if restore is None or row.restore_uid == uid), None)
    live = facts.get("backups", found.name) if found is not None else None
    if found is None or live is None:
        return None
    if (live.get("metadata") or {}).get("uid") != found.uid:
        raise NotFound(
            f"Restore `{cmd.text('undo')}` can't be undone: backup `{found.name}` isn't its safety backup.",
            why="The safety backup was deleted, and another backup has its name now.",
            fix=f"backup describe {found.name}",
        )
    return found


def usual_name(restore: str) -> str:
    return f"{restore[:200]}{NAME_SUFFIX}"


def free_name(restore: str, facts: Facts, operation: str) -> str:
    """The usual name, or one with the operation's id if a backup already has it: a name must not block a restore."""
    usual = usual_name(restore)
    return usual if facts.get("backups", usual) is None else f"{usual}-{operation[-6:] or 'new'}"


def is_safety_backup(backup: Json) -> bool:
    return NAME_SUFFIX in object_fields.name(backup) and OPERATION in object_fields.labels(backup)


def safety_backup_step(restore: Json, reach: Reach, cluster: ClusterFacts, namespace: str, name: str) -> Step | None:
    """Creates a backup of exactly what the restore writes; None if none of the target namespaces exists yet."""
    spec = restore["spec"]
    targets = ["*"] if "*" in reach.writes else sorted(reach.writes & cluster.live_namespaces)
    if not targets:
        return None
    backup_spec: Json = {
        "includedNamespaces": targets,
        "ttl": SAFETY_BACKUP_TTL,
        "hooks": {},
        "metadata": {},
        "csiSnapshotTimeout": "0s",
        "itemOperationTimeout": "0s",
    }
    for field in ("includedResources", "excludedResources", "includeClusterResources"):
        if spec.get(field) not in (None, []):
            backup_spec[field] = spec[field]
    manifest: Json = {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {"name": name, "namespace": namespace},
        "spec": backup_spec,
    }
    mode = StepMode.SAFETY_BACKUP
    return Step(StepVerb.CREATE, "Backup", "backups", name, manifest, namespace, wait=("Completed",), mode=mode)


def undo_command(plan: Plan) -> str:
    """The command line that undoes the restore; empty if it has no safety backup."""
    has_backup = any(step.mode is StepMode.SAFETY_BACKUP for step in plan.steps)
    return f"restore create --undo {plan.subject}" if has_backup else ""


def no_safety_backup(restore: str) -> NotFound:
    return NotFound(
        f"Restore `{restore}` can't be undone: it has no safety backup.",
        why=f"Safety backups are created before a restore with --safety-backup and kept for {KEPT_DAYS} days.",
        fix=f"restore describe {restore}",
    )


def needs(cmd: Command, known: Facts) -> tuple[Need, ...]:
    """For --undo: the safety backup, and the list of what the restore created if the whole backup may be seen."""
    if not cmd.text("undo"):
        return ()
    need = safety_backups_need(cmd, known)
    if need not in known.records:
        return (need,)
    rows = [row for row in known.records[need] if isinstance(row, SafetyBackup)]
    lookups: list[Need] = [need, *(ObjectNeed("backups", row.name, fresh=True) for row in rows[:1])]
    visible = any(known.get("backups", row.name) and ("backups", row.name) not in known.redacted for row in rows)
    return (*lookups, FileNeed(TOUCHED, cmd.text("undo"))) if visible else tuple(lookups)


def undo_notes(cmd: Command, facts: Facts) -> tuple[str, ...]:
    """Notes about data that the undo can't restore and objects that it leaves behind."""
    name = cmd.text("undo")
    if not name:
        return ()
    not_undone = "Not undone: data in existing PVCs, running pods, jobs and immutable fields."
    body = facts.files.get(FileNeed(TOUCHED, name))
    if not isinstance(body, bytes):
        return (not_undone, f"The objects that restore `{name}` created can't be listed. They stay.")
    try:
        created = [one for one in resources_of(body) if one.outcome is ItemOutcome.CREATED]
    except DownloadError:
        return (not_undone,)
    if not created:
        return (not_undone,)
    more = f" … and {len(created) - MAX_SHOWN_REMOVALS} more" if len(created) > MAX_SHOWN_REMOVALS else ""
    commands = "; ".join(_delete_commands(created))
    return (not_undone, f"Objects created by restore `{name}` stay unless you delete them: {commands}{more}")


def _delete_commands(created: Iterable[ListedItem]) -> list[str]:
    return [
        f"kubectl delete {_resource(one)} {one.name}" + (f" -n {one.namespace}" if one.namespace else "")
        for one in list(created)[:MAX_SHOWN_REMOVALS]
    ]


def _resource(one: ListedItem) -> str:
    """With the API group if it has a dot, because another group may have a kind of the same name."""
    group = one.api_version.rpartition("/")[0]
    return f"{one.kind.lower()}.{group}" if "." in group else one.kind.lower()
