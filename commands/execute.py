"""Carries out a granted plan, step by step, so that a crash anywhere leaves nothing twice.

Each create carries our label and a name fixed in the plan: a 409 that shows our own object is a success.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakValueDictionary

from commands.holding import known
from commands.resolve import OPERATION, SCHEDULE_OPERATION
from commands.restore import hold
from commands.schedule.horizon import timely
from commands.schedule.intent import asked_by, record_intent
from domain.decision import Grant, recovered
from domain.errors import AlreadyThere, ClusterError, Conflict, Lost, NotThere, Refused, Stale, Throttled, Unreachable
from domain.event import Event, Severity
from domain.operation import Operation, State
from domain.plan import Plan, Step, StepVerb, digest
from store.audit import Entry
from store.deadlines import Deadline
from store.steps import StepState, StoredStep
from store.transaction import Transaction
from store.writer import Store
from velero.cluster import Cluster
from velero.gateway import Gateway
from velero.kinds import BACKUP, CONFIG_MAP, DELETION, KINDS, RESTORE

Json = dict[str, Any]

RETRIES = 4
FIRST_WAIT = 0.5
TIDY = "configmap.remove"
TIDY_AFTER = timedelta(minutes=10)
RUNS = frozenset({"Backup", "Restore", "DeleteBackupRequest"})
"""Kinds whose making only begins the deed; every other write is the whole of it."""


@dataclass(frozen=True, slots=True)
class Done:
    """How far it got: the operation after its last step that could be taken now."""

    operation: Operation
    objects: tuple[Json, ...] = ()


class Executor:
    def __init__(self, store: Store, clusters: Mapping[str, Cluster], now: Callable[[], datetime]) -> None:
        self._store = store
        self._clusters = clusters
        self._now = now
        self._hands: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """After a restart the inbox and the recovery may both come to one operation: the second waits, and finds it done."""

    @property
    def clusters(self) -> Mapping[str, Cluster]:
        return self._clusters

    async def execute(self, grant: Grant) -> Done:
        """Raises ClusterError when the cluster does not take it; the operation is then `failed` with the reason."""
        async with self._hand(grant.operation):
            operation, plan = await self._store.read(
                lambda tx: (_there(tx, grant.operation), tx.operations.load_plan(grant.operation))
            )
            if plan.fingerprint != grant.fingerprint:
                raise Stale("The plan is not the one that was granted.")
            if operation.over:
                return Done(operation)
            if operation.state is State.APPROVED:
                operation = await self._advance(operation, State.SUBMITTING)
            return await self._through(operation, plan)

    async def recover(self, operation: Operation) -> Done:
        """After a restart: the stored plan is hashed again, and goes on where it was."""
        plan = await self._store.read(lambda tx: tx.operations.load_plan(operation.id))
        return await self.execute(recovered(operation.id, plan, operation.fingerprint))

    async def resume(self, operation: Operation, plan: Plan) -> Done:
        async with self._hand(operation.id):
            return await self._through(operation, plan)

    def _hand(self, operation: str) -> asyncio.Lock:
        return self._hands.setdefault(operation, asyncio.Lock())

    async def _through(self, operation: Operation, plan: Plan) -> Done:
        """Takes every step that can be taken; one that waits for a phase leaves the rest to `continue_after`."""
        stored = await self._store.read(lambda tx: tx.steps.of(operation.id))
        made: list[Json] = []
        whole = False
        try:
            for place, step in zip(stored, plan.steps, strict=True):
                if place.state in {StepState.DONE, StepState.SKIPPED}:
                    continue
                if place.state is StepState.SUBMITTED:
                    break
                made.append(await self._take(operation, place, step))
                if step.wait:
                    break
            else:
                whole = True
        except (ClusterError, Refused, Stale) as fault:
            await self._failed(operation, fault.text)
            raise
        return Done(await self._submitted(operation, plan, made, whole=whole), tuple(made))

    async def _take(self, operation: Operation, place: StoredStep, step: Step) -> Json:
        if place.state is StepState.PENDING:
            await self._step(operation, place, StepState.PENDING, StepState.SUBMITTING)
        cluster = self._clusters[operation.cluster]
        step = hold.timely(timely(step, self._now()), self._now())
        result = await self._patiently(cluster, step, operation.id)
        meta = result.get("metadata") or {}
        ends = StepState.SUBMITTED if step.wait else StepState.DONE
        uid, name, now = str(meta.get("uid", "")), str(meta.get("name", "")), self._now()

        def taken(tx: Transaction) -> None:
            tx.steps.move(operation.id, place.position, StepState.SUBMITTING, ends, now, uid=uid, name=name)
            lasting = operation.noun == "schedule"  # its backups go on to need it
            if step.kind == CONFIG_MAP.name and step.verb is StepVerb.CREATE and not lasting:
                tx.deadlines.put(tidying(operation.id, name, uid, now))
            if hold.is_hold(step) and uid:
                known(tx, operation.cluster, name, hold.until_of(step))
                holder = hold.holder(step, operation.id)
                tx.deadlines.put(hold.renewal(holder, name, hold.until_of(step), now + hold.EVERY))

        await self._store.write(taken)
        return result

    async def removed(self, cluster: str, configmap: str, uid: str) -> None:
        await self._clusters[cluster].config_maps.delete(configmap, uid=uid)

    async def _patiently(self, cluster: Cluster, step: Step, operation: str) -> Json:
        """A cluster that does not answer is asked again: the name and our label make that safe."""
        wait = FIRST_WAIT
        for attempt in range(RETRIES):
            try:
                return await write(cluster, step, operation)
            except (Unreachable, Throttled) as fault:
                if attempt == RETRIES - 1:
                    raise
                await asyncio.sleep(min(fault.retry_after or wait, 5.0))
                wait *= 2
        raise AssertionError("unreachable")

    async def _step(self, operation: Operation, place: StoredStep, before: StepState, after: StepState) -> None:
        await self._store.write(lambda tx: tx.steps.move(operation.id, place.position, before, after, self._now()))

    async def _advance(self, operation: Operation, to: State, **changes: str) -> Operation:
        moved = operation.advance(to, self._now(), **changes)
        await self._store.write(lambda tx: tx.operations.advance(moved, operation.revision))
        return moved

    async def _submitted(self, operation: Operation, plan: Plan, made: list[Json], *, whole: bool) -> Operation:
        """Records the outcome of submitting. What runs in Velero is followed by track; a patch is done when it is made."""
        now = self._now()
        last = (made[-1].get("metadata") or {}) if made and whole else {}

        def record(tx: Transaction) -> Operation:
            current = _there(tx, operation.id)
            if current.state is State.SUBMITTED and whole and last and not current.object_uid:
                return _found(tx, current, last, now)
            if current.state is not State.SUBMITTING:
                return current
            names = {"object_uid": str(last.get("uid", "")), "object_name": str(last.get("name", "") or plan.subject)}
            sent = current.advance(State.SUBMITTED, now, **names)
            tx.operations.advance(sent, current.revision)
            _record(tx, sent, "submitted", "done", now)
            if plan.noun == "schedule":
                record_intent(tx, sent, plan, now, made)
            if runs_on(plan):
                return sent
            over = sent.advance(State.SUCCEEDED, now)
            tx.operations.advance(over, sent.revision)
            tx.outbox.add(_changed(over, plan, now, asked_by(tx, over)))
            return over

        return await self._store.write(record)

    async def _failed(self, operation: Operation, reason: str) -> Operation:
        now = self._now()

        def record(tx: Transaction) -> Operation:
            current = _there(tx, operation.id)
            if current.over:
                return current
            failed = current.advance(State.FAILED, now, reason=reason)
            tx.operations.advance(failed, current.revision)
            _record(tx, failed, "submitted", "failed", now)
            tx.outbox.add(not_taken(failed, now))
            return failed

        return await self._store.write(record)


def runs_on(plan: Plan) -> bool:
    return any(step.verb is StepVerb.CREATE and step.kind in RUNS for step in plan.steps)


def tidying(operation: str, name: str, uid: str, now: datetime) -> Deadline:
    """A ConfigMap that we made for one run is looked at again, and removed when that is over."""
    payload = {"operation": operation, "name": name, "uid": uid}
    return Deadline(f"{TIDY}:{operation}", now + TIDY_AFTER, TIDY, payload)


def _there(tx: Transaction, ident: str) -> Operation:
    operation = tx.operations.get(ident)
    if operation is None:
        raise Lost(f"There is no operation {ident}.")
    return operation


def _found(tx: Transaction, operation: Operation, made: Json, now: datetime) -> Operation:
    """The object of the last step, made after others were waited for."""
    uid, name = str(made.get("uid", "")), str(made.get("name", ""))
    known = operation.advance(operation.state, now, object_uid=uid, object_name=name)
    tx.operations.advance(known, operation.revision)
    return known


def _record(tx: Transaction, operation: Operation, action: str, outcome: str, now: datetime) -> None:
    tx.audit.append(
        Entry(
            at=now,
            actor=operation.actor,
            action=f"{operation.noun}.{operation.verb}.{action}",
            outcome=outcome,
            subject=operation.subject,
            cluster=operation.cluster,
            operation=operation.id,
            detail={"reason": operation.reason, "fingerprint": operation.fingerprint},
        )
    )


def _changed(operation: Operation, plan: Plan, now: datetime, by: str) -> Event:
    return Event(
        kind=f"{operation.noun}.changed",
        cluster=operation.cluster,
        cluster_uid="",
        object_kind=operation.noun,
        object_uid=operation.object_uid,
        object_name=operation.object_name,
        transition=operation.id,
        at=now,
        severity=Severity.INFO,
        operation=operation.id,
        facts={"verb": operation.verb, "summary": plan.summary, "by": by, "changes": list(plan.notes[:3])},
    )


def not_taken(operation: Operation, now: datetime) -> Event:
    """The cluster did not take it: said in the card's thread too, since nobody may be waiting any more."""
    return Event(
        kind="operation.failed",
        cluster=operation.cluster,
        cluster_uid="",
        object_kind="operation",
        object_uid=operation.id,
        object_name=operation.subject,
        transition="failed",
        at=now,
        severity=Severity.FAILURE,
        operation=operation.id,
        facts={
            "headline": f"{operation.noun} {operation.verb} {operation.subject} was not taken by the cluster",
            "failure_reason": operation.reason,
        },
    )


async def write(cluster: Cluster, step: Step, operation: str) -> Json:
    """One write, exactly once however often it is tried."""
    gateway: Gateway[Json] = Gateway(cluster.api, KINDS[step.kind], _raw, step.namespace or cluster.namespace)
    match step.verb:
        case StepVerb.CREATE:
            return await _create(gateway, step, operation)
        case StepVerb.PATCH if hold.is_hold(step):
            return await _hold(gateway, step)
        case StepVerb.PATCH:
            await _same_uid(gateway, step)
            return await gateway.patch(step.name, step.manifest)
        case StepVerb.DELETE:
            return await _delete(gateway, step)


def _raw(source: Json) -> Json:
    return source


async def _hold(gateway: Gateway[Json], step: Step) -> Json:
    """A schedule that is gone needs no holding, and one that is held for longer none of ours."""
    there = await gateway.find(step.name)
    if there is None:
        return {"kind": step.kind, "metadata": {"name": step.name}}
    return there if hold.shortens(there, step) else await gateway.patch(step.name, step.manifest)


async def _create(gateway: Gateway[Json], step: Step, operation: str) -> Json:
    if step.kind in {DELETION.name, RESTORE.name} and step.uid:
        backups: Gateway[Json] = Gateway(gateway.api, BACKUP, _raw, gateway.namespace)
        await _same_uid(backups, replace(step, kind=BACKUP.name, name=str(step.manifest["spec"]["backupName"])))
    if not step.name:
        mine = await gateway.list(selector=f"{OPERATION}={operation}")
        same = [item for item in mine if _spec_digest(item) == _spec_digest(step.manifest)]
        if same:
            return same[0]
    try:
        return await gateway.create(step.manifest)
    except AlreadyThere:
        there = await gateway.find(step.name)
        meta = (there or {}).get("metadata") or {}
        marks = {(meta.get("labels") or {}).get(OPERATION), (meta.get("annotations") or {}).get(SCHEDULE_OPERATION)}
        if there is not None and operation in marks:
            return there
        raise


def _spec_digest(item: Json) -> str:
    return digest((item.get("spec") or {}).get("backupName") or item.get("spec"))


async def _same_uid(gateway: Gateway[Json], step: Step) -> None:
    if not step.uid:
        return
    there = await gateway.find(step.name)
    uid = ((there or {}).get("metadata") or {}).get("uid")
    if uid != step.uid:
        raise Stale(
            f"{step.kind} {step.name} is not the one that was planned any more.", why="It was deleted and made anew."
        )


async def _delete(gateway: Gateway[Json], step: Step) -> Json:
    try:
        await gateway.delete(step.name, uid=step.uid, propagation=str(step.manifest.get("propagationPolicy", "")))
    except NotThere:
        pass
    except Conflict as fault:
        raise Stale(f"{step.kind} {step.name} is not the one that was planned any more.", why=fault.text) from fault
    return {"metadata": {"name": step.name, "uid": step.uid}}
