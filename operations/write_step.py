"""Carries out one step exactly once, however often it is tried: the write is looked for before it is sent again.

A created object carries the operation's id, in a label or (a schedule) an annotation. A changed or deleted object is
recognised by its uid and its content.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from commands.planning.resolve import OPERATION, SCHEDULE_OPERATION
from commands.step_modes import behavior_of
from domain.errors import AlreadyExists, Conflict, ObjectNotFound, Stale
from domain.json_types import Json
from domain.plan import Step, StepVerb, digest
from velero.cluster import Cluster
from velero.gateway import Gateway
from velero.kinds import BACKUP, DELETION, KINDS, RESTORE


def not_carried_out_error(cluster: str, step: Step) -> Stale:
    """The error for a write that `find_written` didn't find and that can't arrive any more."""
    name = f"{step.kind} {step.name}".rstrip()
    match step.verb:
        case StepVerb.CREATE:
            return Stale(f"{name} isn't in {cluster}: Velero didn't get the request.", fix="Run the command again.")
        case StepVerb.PATCH:
            return Stale(f"{name} in {cluster} doesn't show the change.", fix="Check it, then run the command again.")
        case StepVerb.DELETE:
            return Stale(f"{name} is still in {cluster}.", fix="Run the command again.")


class TargetGone(Stale):
    """The object to delete doesn't exist, and nothing shows that the operation deleted it."""


async def find_written(cluster: Cluster, step: Step, operation: str) -> Json | None:
    """Return the object that proves that the step was carried out, or None."""
    gateway = _gateway(cluster, step)
    match step.verb:
        case StepVerb.CREATE:
            return await _own(gateway, step, operation)
        case StepVerb.PATCH:
            current = await gateway.find(step.name)
            return current if current is not None and _is_patched(current, step) else None
        case StepVerb.DELETE:
            current = await gateway.find(step.name)
            return None if current is not None and _stays(current, step) else _name_and_uid(step)


async def write_step(cluster: Cluster, step: Step, operation: str) -> Json:
    """Raises Stale where the object is no longer the planned one, ClusterError for an error of the cluster."""
    gateway = _gateway(cluster, step)
    match step.verb:
        case StepVerb.CREATE:
            return await _create(gateway, step, operation)
        case StepVerb.PATCH:
            return await _patch(gateway, step)
        case StepVerb.DELETE:
            return await _delete(gateway, step)


def _gateway(cluster: Cluster, step: Step) -> Gateway[Json]:
    return Gateway(cluster.api, KINDS[step.kind], _raw, step.namespace or cluster.namespace)


def _raw(source: Json) -> Json:
    return source


async def _create(gateway: Gateway[Json], step: Step, operation: str) -> Json:
    """Looks for the operation's own object first: an accepted delete request removes the backup whose uid is checked."""
    existing = await _own(gateway, step, operation)
    if existing is not None:
        return existing
    if step.kind in {DELETION.name, RESTORE.name} and step.uid:
        await _check_backup(gateway, step)
    try:
        return await gateway.create(step.manifest)
    except AlreadyExists:
        existing = await _own(gateway, step, operation)
        if existing is None:
            raise
        return existing


async def _own(gateway: Gateway[Json], step: Step, operation: str) -> Json | None:
    if step.name:
        current = await gateway.find(step.name)
        return current if current is not None and operation in _marks(current) else None
    own = await gateway.list(selector=f"{OPERATION}={operation}")
    return next((item for item in own if _spec_digest(item) == _spec_digest(step.manifest)), None)


def _marks(item: Json) -> set[str]:
    meta = item.get("metadata") or {}
    label, annotation = (
        (meta.get("labels") or {}).get(OPERATION),
        (meta.get("annotations") or {}).get(SCHEDULE_OPERATION),
    )
    return {mark for mark in (label, annotation) if mark}


def _spec_digest(item: Json) -> str:
    return digest((item.get("spec") or {}).get("backupName") or item.get("spec"))


async def _check_backup(gateway: Gateway[Json], step: Step) -> None:
    backups: Gateway[Json] = Gateway(gateway.api, BACKUP, _raw, gateway.namespace)
    name = str(step.manifest["spec"]["backupName"])
    backup = await backups.find(name)
    if backup is None and step.kind == DELETION.name:
        raise TargetGone(f"Backup {name} doesn't exist any more.", why="It was deleted in the meantime.")
    _check_uid(backup, replace(step, kind=BACKUP.name, name=name))


def _check_uid(current: Json | None, step: Step) -> None:
    if _uid(current or {}) != step.uid:
        raise Stale(f"{step.kind} {step.name} changed since it was planned.", why="It was deleted and recreated.")


def _uid(item: Json) -> str:
    return str((item.get("metadata") or {}).get("uid", ""))


def _is_patched(current: Json, step: Step) -> bool:
    is_satisfied = behavior_of(step).is_satisfied
    if is_satisfied is not None:
        return is_satisfied(current, step)
    return step.uid in {"", _uid(current)} and _is_merged(current, step.manifest)


def _is_merged(current: Any, patch: Any) -> bool:
    """Whether a merge patch is in force: its nulls are absent, everything else has its value."""
    if not isinstance(patch, dict):
        return bool(current == patch)
    fields = current if isinstance(current, dict) else {}
    return all(
        fields.get(key) is None if value is None else _is_merged(fields.get(key), value) for key, value in patch.items()
    )


async def _patch(gateway: Gateway[Json], step: Step) -> Json:
    is_satisfied = behavior_of(step).is_satisfied
    if is_satisfied is not None:
        current = await gateway.find(step.name)
        if current is None:
            return {"kind": step.kind, "metadata": {"name": step.name}}
        if is_satisfied(current, step):
            return current
    elif step.uid:
        _check_uid(await gateway.find(step.name), step)
    return await gateway.patch(step.name, step.manifest)


async def _delete(gateway: Gateway[Json], step: Step) -> Json:
    try:
        await gateway.delete(step.name, uid=step.uid, propagation=str(step.manifest.get("propagationPolicy", "")))
    except ObjectNotFound:
        pass
    except Conflict as error:
        raise Stale(f"{step.kind} {step.name} changed since it was planned.", why=error.text) from error
    return _name_and_uid(step)


def _stays(current: Json, step: Step) -> bool:
    """Finalizers may keep an object for a while after its deletion was accepted."""
    return step.uid in {"", _uid(current)} and not (current.get("metadata") or {}).get("deletionTimestamp")


def _name_and_uid(step: Step) -> Json:
    return {"metadata": {"name": step.name, "uid": step.uid}}
