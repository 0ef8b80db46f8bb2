"""One write of a plan, exactly once however often it is tried: it is looked for before it is sent again.

What a step makes carries the operation's id, in a label or (a schedule) an annotation. What a step changes or removes is
recognised by its uid and by what it says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from commands.planning.resolve import OPERATION, SCHEDULE_OPERATION
from commands.restore import schedule_hold
from domain.errors import AlreadyExists, Conflict, ObjectNotFound, Stale
from domain.json_types import Json
from domain.plan import Step, StepVerb, digest
from velero.cluster import Cluster
from velero.gateway import Gateway
from velero.kinds import BACKUP, DELETION, KINDS, RESTORE


def not_carried_out_error(cluster: str, step: Step) -> Stale:
    """What it means that `look` found nothing, when nothing can be under way any more."""
    name = f"{step.kind} {step.name}".rstrip()
    match step.verb:
        case StepVerb.CREATE:
            return Stale(f"{name} isn't in {cluster}: Velero did not get the request.", fix="Ask again.")
        case StepVerb.PATCH:
            return Stale(f"{name} in {cluster} doesn't show the change.", fix="Look at it, then ask again.")
        case StepVerb.DELETE:
            return Stale(f"{name} is still in {cluster}.", fix="Ask again.")


class TargetGone(Stale):
    """What was to be deleted is not there, and nothing shows that our request was taken."""


async def find_written(cluster: Cluster, step: Step, operation: str) -> Json | None:
    """The object that shows that this step was carried out; None where nothing does."""
    gateway = _gateway(cluster, step)
    match step.verb:
        case StepVerb.CREATE:
            return await _own(gateway, step, operation)
        case StepVerb.PATCH:
            there = await gateway.find(step.name)
            return there if there is not None and _has(there, step) else None
        case StepVerb.DELETE:
            there = await gateway.find(step.name)
            return None if there is not None and _stays(there, step) else _removed(step)


async def write_step(cluster: Cluster, step: Step, operation: str) -> Json:
    """Raises Stale where the object is not the planned one any more, ClusterError for what the cluster says."""
    gateway = _gateway(cluster, step)
    match step.verb:
        case StepVerb.CREATE:
            return await _create(gateway, step, operation)
        case StepVerb.PATCH if schedule_hold.is_hold(step):
            return await _hold(gateway, step)
        case StepVerb.PATCH:
            await _same_uid(gateway, step)
            return await gateway.patch(step.name, step.manifest)
        case StepVerb.DELETE:
            return await _delete(gateway, step)


def _gateway(cluster: Cluster, step: Step) -> Gateway[Json]:
    return Gateway(cluster.api, KINDS[step.kind], _raw, step.namespace or cluster.namespace)


def _raw(source: Json) -> Json:
    return source


async def _create(gateway: Gateway[Json], step: Step, operation: str) -> Json:
    """Our own object first: a delete request that was taken removes the backup whose uid would be checked."""
    if (mine := await _own(gateway, step, operation)) is not None:
        return mine
    if step.kind in {DELETION.name, RESTORE.name} and step.uid:
        await _same_backup(gateway, step)
    try:
        return await gateway.create(step.manifest)
    except AlreadyExists:
        if (mine := await _own(gateway, step, operation)) is not None:
            return mine
        raise


async def _own(gateway: Gateway[Json], step: Step, operation: str) -> Json | None:
    if step.name:
        there = await gateway.find(step.name)
        return there if there is not None and operation in _marks(there) else None
    mine = await gateway.list(selector=f"{OPERATION}={operation}")
    return next((item for item in mine if _spec_digest(item) == _spec_digest(step.manifest)), None)


def _marks(item: Json) -> set[str]:
    meta = item.get("metadata") or {}
    found = (meta.get("labels") or {}).get(OPERATION), (meta.get("annotations") or {}).get(SCHEDULE_OPERATION)
    return {mark for mark in found if mark}


def _spec_digest(item: Json) -> str:
    return digest((item.get("spec") or {}).get("backupName") or item.get("spec"))


async def _same_backup(gateway: Gateway[Json], step: Step) -> None:
    backups: Gateway[Json] = Gateway(gateway.api, BACKUP, _raw, gateway.namespace)
    name = str(step.manifest["spec"]["backupName"])
    there = await backups.find(name)
    if there is None and step.kind == DELETION.name:
        raise TargetGone(f"There is no backup {name} any more.", why="It was removed meanwhile.")
    _check(there, replace(step, kind=BACKUP.name, name=name))


async def _same_uid(gateway: Gateway[Json], step: Step) -> None:
    if step.uid:
        _check(await gateway.find(step.name), step)


def _check(there: Json | None, step: Step) -> None:
    if _uid(there or {}) != step.uid:
        raise Stale(
            f"{step.kind} {step.name} is not the one that was planned any more.", why="It was deleted and made anew."
        )


def _uid(item: Json) -> str:
    return str((item.get("metadata") or {}).get("uid", ""))


def _has(there: Json, step: Step) -> bool:
    if schedule_hold.is_hold(step):
        return schedule_hold.shortens(there, step)
    return step.uid in {"", _uid(there)} and _merged(there, step.manifest)


def _merged(there: Any, patch: Any) -> bool:
    """Whether a merge patch is in force: its nulls are absent, everything else is as it says."""
    if not isinstance(patch, dict):
        return bool(there == patch)
    found = there if isinstance(there, dict) else {}
    return all(
        found.get(key) is None if value is None else _merged(found.get(key), value) for key, value in patch.items()
    )


async def _hold(gateway: Gateway[Json], step: Step) -> Json:
    """A schedule that is gone needs no holding, and one that is held for longer none of ours."""
    there = await gateway.find(step.name)
    if there is None:
        return {"kind": step.kind, "metadata": {"name": step.name}}
    return there if schedule_hold.shortens(there, step) else await gateway.patch(step.name, step.manifest)


async def _delete(gateway: Gateway[Json], step: Step) -> Json:
    try:
        await gateway.delete(step.name, uid=step.uid, propagation=str(step.manifest.get("propagationPolicy", "")))
    except ObjectNotFound:
        pass
    except Conflict as error:
        raise Stale(f"{step.kind} {step.name} is not the one that was planned any more.", why=error.text) from error
    return _removed(step)


def _stays(there: Json, step: Step) -> bool:
    """Finalizers may keep an object for a while after its deletion was accepted."""
    return step.uid in {"", _uid(there)} and not (there.get("metadata") or {}).get("deletionTimestamp")


def _removed(step: Step) -> Json:
    return {"metadata": {"name": step.name, "uid": step.uid}}
