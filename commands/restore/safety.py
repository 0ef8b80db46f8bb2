"""The net under a restore: a backup of what it will overwrite, waited for; and the way back by it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from commands import moments
from commands.command import Command
from commands.facts import Facts, File, Need
from commands.policy.facts import ClusterFacts
from commands.policy.matching import Ask
from commands.policy.nets import RESTORE, Net, net
from commands.resolve import OPERATION
from commands.situation import Situation
from domain.errors import DownloadError, Unknown
from domain.plan import Plan, Step, StepVerb
from domain.reach import Reach
from velero.resource_list import Listed, Outcome, resources_of

Json = dict[str, Any]

NOTE = "safety"
SUFFIX = "-safety"
KEPT_DAYS = 7
KEPT = f"{KEPT_DAYS * 24}h0m0s"
SHOWN = 15
TOUCHED = "RestoreResourceList"


def said(cmd: Command, reach: Reach, around: ClusterFacts, situation: Situation) -> Net:
    """Whether one is made: as the command says, else the rules, else the settings."""
    asked = cmd.maybe("safety-backup")
    if asked is not None:
        return Net(asked, "the command")
    ask = Ask(
        situation.actor, RESTORE, situation.cluster.name, reach, writes=True, now=situation.now, labels=around.labels
    )
    return net(situation.rules, ask, situation.safety_backup)


def backup_name(restore: str) -> str:
    return f"{restore[:200]}{SUFFIX}"


def is_net(backup: Json) -> bool:
    """Made by a restore, of what it was about to overwrite."""
    return moments.name(backup).endswith(SUFFIX) and OPERATION in moments.labels(backup)


def step(restore: Json, reach: Reach, around: ClusterFacts, namespace: str) -> Step | None:
    """A backup of exactly what the restore writes; None where nothing of it is there yet."""
    spec, name = restore["spec"], restore["metadata"]["name"]
    targets = ["*"] if "*" in reach.writes else sorted(reach.writes & around.live)
    if not targets:
        return None
    made: Json = {
        "includedNamespaces": targets,
        "ttl": KEPT,
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
        "metadata": {"name": backup_name(name), "namespace": namespace},
        "spec": made,
    }
    return Step(
        StepVerb.CREATE, "Backup", "backups", backup_name(name), manifest, namespace, wait=("Completed",), note=NOTE
    )


def undo(plan: Plan) -> str:
    """The command line that takes it back; empty where there is no net."""
    return f"restore create --undo {plan.subject}" if any(step.note == NOTE for step in plan.steps) else ""


def no_net(restore: str) -> Unknown:
    return Unknown(
        f"Restore {restore!r} cannot be taken back: there is no safety backup of it.",
        why=f"One is made by --safety-backup, before the restore, and kept for {KEPT_DAYS} days.",
        fix=f"restore describe {restore}",
    )


def needs(cmd: Command, known: Facts) -> tuple[Need, ...]:
    """The list of what it created, for those who may see its safety backup whole."""
    name = backup_name(cmd.text("undo"))
    seen = known.get("backups", name) is not None and ("backups", name) not in known.redacted
    return (File(TOUCHED, cmd.text("undo")),) if cmd.text("undo") and seen else ()


def undo_notes(cmd: Command, facts: Facts) -> tuple[str, ...]:
    """What the way back cannot bring, and what it leaves behind."""
    name = cmd.text("undo")
    if not name:
        return ()
    lost = "Not undone: the data of claims that are there, running pods, jobs, and fields that Kubernetes lets nobody change."
    body = facts.files.get(File(TOUCHED, name))
    if not isinstance(body, bytes):
        return (lost, f"Which objects restore {name} created cannot be read; they stay.")
    try:
        made = [one for one in resources_of(body) if one.outcome is Outcome.CREATED]
    except DownloadError:
        return (lost,)
    if not made:
        return (lost,)
    more = f" … and {len(made) - SHOWN} more" if len(made) > SHOWN else ""
    return (lost, f"Restore {name} created these; they stay unless removed: {'; '.join(_removals(made))}{more}")


def _removals(made: Iterable[Listed]) -> list[str]:
    return [
        f"kubectl delete {_resource(one)} {one.name}" + (f" -n {one.namespace}" if one.namespace else "")
        for one in list(made)[:SHOWN]
    ]


def _resource(one: Listed) -> str:
    """With its group, where another may have a kind of the same name."""
    group = one.api_version.rpartition("/")[0]
    return f"{one.kind.lower()}.{group}" if "." in group else one.kind.lower()
