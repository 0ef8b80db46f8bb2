"""Plans command lines as JSON, for `velero-chatops plan --batch` and the comparison with the velero CLI.

The field names are a protocol: other programs read them.
"""

from __future__ import annotations

from collections.abc import Iterable

from commands.grammar.command import Command
from commands.grammar.parser import parse
from commands.grammar.verb import Effect
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.registry import verb_of
from domain.errors import UsageError, UserError
from domain.json_types import Json
from domain.plan import Guard, Plan
from policy.canonical import with_list_guards


def answer_line(line: str, facts: Facts, context: PlanContext) -> Json:
    """Answer one line, also an invalid one. `ok` says whether it translates, not whether it is allowed."""
    try:
        command = parse(line)
        if not command.noun and not command.topic:
            raise UsageError("The line is empty.", fix="help")
        plan = plan_command(command, facts, context)
    except UserError as error:
        return _response(line, ok=False, error=error_sentence(error))
    if plan is None:
        return _response(line, ok=True)
    return _response(line, ok=True, plan=plan)


def plan_command(command: Command, facts: Facts, context: PlanContext) -> Plan | None:
    """Return None for a line that writes nothing: help and reads. Raises UserError."""
    if command.help:
        return None
    verb = verb_of(command.key)
    if verb is None or verb.effect is Effect.READ:
        return None
    if verb.plan is None:
        raise UsageError(f"`{verb.usage}` isn't available in Slack.", why=verb.instead)
    return with_list_guards(verb.plan(command, facts, context))


def error_sentence(error: UserError) -> str:
    parts = [error.text, error.why, f"Did you mean {', '.join(error.nearest)}?" if error.nearest else "", error.fix]
    return " ".join(part for part in parts if part)


def _response(line: str, *, ok: bool, plan: Plan | None = None, error: str | None = None) -> Json:
    return {
        "line": line,
        "ok": ok,
        "steps": [step.as_json() for step in plan.steps] if plan else [],
        "guards": [_guard(guard) for guard in plan.guards] if plan else [],
        "error": error,
        "cli": plan.cli if plan else None,
    }


def _guard(guard: Guard) -> Json:
    return {"code": guard.code, "level": guard.level.value, "text": guard.text}


_RESOURCE_OF_KIND = {
    "Backup": "backups",
    "Restore": "restores",
    "Schedule": "schedules",
    "BackupStorageLocation": "backupstoragelocations",
    "VolumeSnapshotLocation": "volumesnapshotlocations",
    "DeleteBackupRequest": "deletebackuprequests",
    "BackupRepository": "backuprepositories",
    "Namespace": "namespaces",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "PodVolumeBackup": "podvolumebackups",
    "PodVolumeRestore": "podvolumerestores",
    "ServerStatusRequest": "serverstatusrequests",
    "Deployment": "deployments",
}
_VELERO_RESOURCES = frozenset(
    {
        "backups",
        "restores",
        "schedules",
        "backupstoragelocations",
        "volumesnapshotlocations",
        "deletebackuprequests",
        "backuprepositories",
    }
)


def facts_from_objects(objects: Iterable[Json]) -> Facts:
    """Make facts from Kubernetes objects and Lists. Raises UsageError for anything else."""
    facts = Facts()
    for resource in _VELERO_RESOURCES:
        facts.add(resource, (), whole=True)
    for item in _flat(objects):
        kind = item.get("kind")
        if not isinstance(kind, str) or not isinstance((item.get("metadata") or {}).get("name"), str):
            raise UsageError("Each fixture must be a Kubernetes object with kind and metadata.name.")
        resource = _RESOURCE_OF_KIND.get(kind, f"{kind.lower()}s")
        facts.add(resource, [item], whole=True)
    return facts


def _flat(objects: Iterable[Json]) -> Iterable[Json]:
    for item in objects:
        if not isinstance(item, dict):
            raise UsageError("Each fixture must be a Kubernetes object.")
        if str(item.get("kind", "")).endswith("List") and isinstance(item.get("items"), list):
            yield from _flat(item["items"])
        else:
            yield item
