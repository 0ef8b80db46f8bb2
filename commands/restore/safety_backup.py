"""The net under a restore: a backup of what it will overwrite, waited for; and the way back by it. Pure."""

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
from domain.plan import Plan, Step, StepVerb
from domain.reach import Reach
from policy.cluster_facts import ClusterFacts
from policy.matching import PolicyRequest
from policy.safety_backup import RESTORE, SafetyBackupRule, safety_backup_rule
from velero.artifacts.resource_list import ItemOutcome, ListedItem, resources_of

if TYPE_CHECKING:
    from store.transaction import Transaction


SAFETY_NOTE = "safety"
SUFFIX = "-safety"
KEPT_DAYS = 7
KEEP_FOR = f"{KEPT_DAYS * 24}h0m0s"
SHOWN = 15
TOUCHED = "RestoreResourceList"


def safety_note(cmd: Command, reach: Reach, around: ClusterFacts, context: PlanContext) -> SafetyBackupRule:
    """Whether one is made: as the command says, else the rules, else the settings."""
    asked = cmd.optional_bool("safety-backup")
    if asked is not None:
        return SafetyBackupRule(asked, "the command")
    ask = PolicyRequest(
        context.actor, RESTORE, context.cluster.name, reach, writes=True, now=context.now, labels=around.labels
    )
    return safety_backup_rule(context.rules, ask, context.safety_backup)


@dataclass(frozen=True, slots=True)
class SafetyBackup:
    """What the operation that made a restore keeps of the backup that it made first. By uid: names can be planted."""

    restore_uid: str
    name: str
    uid: str


def safety_backups(tx: Transaction, cluster: str, restore: str) -> list[SafetyBackup]:
    """Of every restore that we made under this name, newest first."""
    found: list[SafetyBackup] = []
    for operation in tx.operations.by_object(cluster, "Restore", restore):
        planned, made = tx.operations.load_plan(operation.id).steps, tx.steps.of(operation.id)
        ours = next((one.uid for one in reversed(made) if one.kind == "Restore" and one.name == restore), "")
        found += [
            SafetyBackup(ours, done.name, done.uid)
            for step, done in zip(planned, made, strict=True)
            if step.note == SAFETY_NOTE and done.uid and ours
        ]
    return found


def records(cmd: Command, known: Facts) -> RecordsNeed:
    return RecordsNeed(RecordTable.SAFETY_BACKUPS, (("cluster", known.cluster), ("restore", cmd.text("undo"))))


def kept(cmd: Command, facts: Facts) -> SafetyBackup | None:
    """The safety backup of the restore that is there now, or of the last one of this name once it is deleted.

    Raises Unknown where the cluster has another backup under its name.
    """
    restore = facts.get("restores", cmd.text("undo"))
    rows = [row for row in facts.records.get(records(cmd, facts)) or [] if isinstance(row, SafetyBackup)]
    uid = (restore.get("metadata") or {}).get("uid", "") if restore is not None else ""
    found = next((row for row in rows if restore is None or row.restore_uid == uid), None)
    there = facts.get("backups", found.name) if found is not None else None
    if found is None or there is None:
        return None
    if (there.get("metadata") or {}).get("uid") != found.uid:
        raise NotFound(
            f"Restore {cmd.text('undo')!r} can't be undone: {found.name!r} is not the safety backup that it made.",
            why="The safety backup was deleted, and another backup has its name now.",
            fix=f"backup describe {found.name}",
        )
    return found


def usual_name(restore: str) -> str:
    return f"{restore[:200]}{SUFFIX}"


def free_name(restore: str, facts: Facts, operation: str) -> str:
    """Whoever takes the usual name first keeps nobody from restoring."""
    usual = usual_name(restore)
    return usual if facts.get("backups", usual) is None else f"{usual}-{operation[-6:] or 'new'}"


def is_safety_backup(backup: Json) -> bool:
    """Made by a restore, of what it was about to overwrite."""
    return SUFFIX in object_fields.name(backup) and OPERATION in object_fields.labels(backup)


def safety_backup_step(restore: Json, reach: Reach, around: ClusterFacts, namespace: str, name: str) -> Step | None:
    """A backup of exactly what the restore writes; None where nothing of it is there yet."""
    spec = restore["spec"]
    targets = ["*"] if "*" in reach.writes else sorted(reach.writes & around.live_namespaces)
    if not targets:
        return None
    made: Json = {
        "includedNamespaces": targets,
        "ttl": KEEP_FOR,
        "hooks": {},
        "metadata": {},
        "csiSnapshotTimeout": "0s",
        "itemOperationTimeout": "0s",
    }
    for field in ("includedResources", "excludedResources", "includeClusterResources"):
        if spec.get(field) not in (None, []):
            made[field] = spec[field]
    manifest: Json = {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {"name": name, "namespace": namespace},
        "spec": made,
    }
    return Step(StepVerb.CREATE, "Backup", "backups", name, manifest, namespace, wait=("Completed",), note=SAFETY_NOTE)


def undo_command(plan: Plan) -> str:
    """The command line that takes it back; empty where there is no net."""
    return f"restore create --undo {plan.subject}" if any(step.note == SAFETY_NOTE for step in plan.steps) else ""


def check_safety_backup(restore: str) -> NotFound:
    return NotFound(
        f"Restore `{restore}` can't be undone: it has no safety backup.",
        why=f"Safety backups are created before a restore with --safety-backup and kept for {KEPT_DAYS} days.",
        fix=f"restore describe {restore}",
    )


def needs(cmd: Command, known: Facts) -> tuple[Need, ...]:
    """The list of what it created, for those who may see its safety backup whole."""
    if not cmd.text("undo"):
        return ()
    need = records(cmd, known)
    if need not in known.records:
        return (need,)
    rows = [row for row in known.records[need] if isinstance(row, SafetyBackup)]
    lookups: list[Need] = [need, *(ObjectNeed("backups", row.name, fresh=True) for row in rows[:1])]
    seen = any(known.get("backups", row.name) and ("backups", row.name) not in known.redacted for row in rows)
    return (*lookups, FileNeed(TOUCHED, cmd.text("undo"))) if seen else tuple(lookups)


def undo_notes(cmd: Command, facts: Facts) -> tuple[str, ...]:
    """What the way back cannot bring, and what it leaves behind."""
    name = cmd.text("undo")
    if not name:
        return ()
    lost = "Not undone: data in existing PVCs, running pods, jobs and immutable fields."
    body = facts.files.get(FileNeed(TOUCHED, name))
    if not isinstance(body, bytes):
        return (lost, f"The objects that restore {name} created can't be listed. They stay.")
    try:
        made = [one for one in resources_of(body) if one.outcome is ItemOutcome.CREATED]
    except DownloadError:
        return (lost,)
    if not made:
        return (lost,)
    more = f" … and {len(made) - SHOWN} more" if len(made) > SHOWN else ""
    return (lost, f"Objects created by restore {name} stay unless you delete them: {'; '.join(_removals(made))}{more}")


def _removals(made: Iterable[ListedItem]) -> list[str]:
    return [
        f"kubectl delete {_resource(one)} {one.name}" + (f" -n {one.namespace}" if one.namespace else "")
        for one in list(made)[:SHOWN]
    ]


def _resource(one: ListedItem) -> str:
    """With its group, where another may have a kind of the same name."""
    group = one.api_version.rpartition("/")[0]
    return f"{one.kind.lower()}.{group}" if "." in group else one.kind.lower()
