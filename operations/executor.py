"""Carries out a granted plan, step by step, so that a crash or a lost answer anywhere leaves nothing twice.

`execute` is the only way to a cluster: it takes a Grant, and looks in the store whether the operation may run now. A
step is marked before its write is sent. Where the answer is missing, be that through the network or a crash, the step
is looked for before it is sent again, and the operation is `unconfirmed` until that is known. It is never called
failed while a write may have been carried out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from weakref import WeakValueDictionary

from commands.restore import schedule_hold
from commands.schedule.horizon import refresh_horizon
from commands.schedule.intent import record_intent, requester_of
from domain.decision import Grant, recovered
from domain.errors import ClusterError, ConcurrentChange, Refused, Stale, Throttled, Unanswered, Unreachable
from domain.event import Event
from domain.json_types import Json
from domain.operation import GRANTED, Operation, State
from domain.plan import Plan, Step, StepVerb
from operations import execution_events as events
from operations.hold_renewal import remember_hold
from operations.write_step import TargetGone, find_written, not_carried_out_error, write_step
from store.tables.deadlines import Deadline
from store.tables.steps import StepState, StoredStep
from store.transaction import Transaction
from store.writer import Store
from velero.cluster import Cluster
from velero.kinds import CONFIG_MAP

WRITE_ATTEMPTS = 4
FIRST_RETRY_WAIT_S = 0.5
START_WINDOW = timedelta(minutes=15)
WRITE_MAY_ARRIVE_FOR = timedelta(seconds=90)
"""After the start of a write it may still be carried out for so long: our own 30 s, then an API server's 60 s."""
CONFIG_MAP_CLEANUP = "configmap.remove"
CONFIG_MAP_CLEANUP_AFTER = timedelta(minutes=10)
RUN_KINDS = frozenset({"Backup", "Restore", "DeleteBackupRequest"})
"""Kinds whose making only begins the deed; every other write is the whole of it."""
SEEN_BY_WATCH = "witnessed"
LAPSED_REASON = "It was granted too long ago to start now."


class ExecutionEntry(StrEnum):
    """What may be done for an operation now."""

    WRITE = "write"
    LOOK = "look"
    LAPSED = "lapsed"
    OVER = "over"


def check_entry(operation: Operation, plan: Plan, grant: Grant, now: datetime, window: timedelta) -> ExecutionEntry:
    """Raises Refused or Stale where the grant does not open it.

    `window`: how long after it was granted something may begin; what may be in the cluster is still looked for after that.
    """
    if not plan.fingerprint == grant.fingerprint == operation.fingerprint:
        raise Stale("The plan changed after it was approved.")
    if operation.is_over:
        return ExecutionEntry.OVER
    if operation.state not in GRANTED:
        raise Refused(f"Operation {operation.id} may not run: it is {operation.state}.")
    if operation.state in {State.SUBMITTED, State.RUNNING} or now - operation.changed_at <= window:
        return ExecutionEntry.WRITE
    return ExecutionEntry.LAPSED if operation.state is State.APPROVED else ExecutionEntry.LOOK


class CheckFailed(Unanswered):
    """It could not be looked whether an earlier write was carried out."""


class OutcomeUnknowable(Stale):
    """What would show whether our write was carried out is gone: looking on makes nobody wiser."""


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """How far it got: the operation after its last step that could be taken now."""

    operation: Operation
    objects: tuple[Json, ...] = ()


SettleDeletion = Callable[[Transaction, Operation, datetime], Operation | None]
"""Ends a delete operation whose backups are gone; None while one of them may still exist."""


class Executor:
    """`window`: see `entry`. `first_wait`: seconds before the second try of a write; it doubles."""

    def __init__(
        self,
        store: Store,
        clusters: Mapping[str, Cluster],
        now: Callable[[], datetime],
        window: Callable[[], timedelta] = lambda: START_WINDOW,
        first_wait: float = FIRST_RETRY_WAIT_S,
        settle_deletion: SettleDeletion | None = None,
    ) -> None:
        self._store = store
        self._clusters = clusters
        self._now = now
        self._window = window
        self._first_wait = first_wait
        self._settle_deletion = settle_deletion
        self._hands: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """After a restart the inbox and the recovery may both come to one operation: the second waits, and finds it done."""

    @property
    def clusters(self) -> Mapping[str, Cluster]:
        return self._clusters

    async def execute(self, grant: Grant) -> ExecutionResult:
        """The operation is `unconfirmed` afterwards where nobody can say yet what the cluster did.

        Raises ClusterError or UserError when the cluster certainly did not take it; the operation is then `failed`.
        """
        async with self._hands.setdefault(grant.operation, asyncio.Lock()):
            operation, plan = await self._store.read(
                lambda tx: (_load_operation(tx, grant.operation), tx.operations.load_plan(grant.operation))
            )
            may = check_entry(operation, plan, grant, self._now(), self._window())
            if may is ExecutionEntry.OVER:
                return ExecutionResult(operation)
            if may is ExecutionEntry.LAPSED:
                return ExecutionResult(await self._lapsed(operation))
            if operation.state is State.APPROVED:
                operation = await self._advance(operation, State.SUBMITTING)
            return await self._run_steps(operation, plan, writes=may is ExecutionEntry.WRITE)

    async def recover(self, operation: Operation) -> ExecutionResult:
        """For what was granted before: after a restart, a lost answer, or when the next step of its plan is due."""
        plan = await self._store.read(lambda tx: tx.operations.load_plan(operation.id))
        return await self.execute(recovered(operation, plan))

    async def _run_steps(self, operation: Operation, plan: Plan, *, writes: bool) -> ExecutionResult:
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
                made.append(await self._run_step(operation, place, step, writes=writes))
                if step.wait:
                    break
            else:
                whole = True
        except Unanswered as error:
            return ExecutionResult(await self._unconfirmed(operation, error), tuple(made))
        except OutcomeUnknowable as error:
            return ExecutionResult(await self._untraced(operation, error), tuple(made))
        except (ClusterError, Refused, Stale) as error:
            await self._record_failed(operation, error)
            raise
        return ExecutionResult(await self._record_submitted(operation, plan, made, whole=whole), tuple(made))

    async def _run_step(self, operation: Operation, place: StoredStep, step: Step, *, writes: bool) -> Json:
        sent = place.changed_at if place.state is StepState.SUBMITTING else None
        if sent is None and not writes:
            raise Stale(LAPSED_REASON, why="What was to follow did not start.", fix="Ask again.")
        if sent is None:
            await self._begin(operation, place, StepState.PENDING)
        step = schedule_hold.refresh_hold(refresh_horizon(step, self._now()), self._now())
        result = await self._write_with_retries(operation, place, step, sent, writes=writes)
        meta = result.get("metadata") or {}
        ends = StepState.SUBMITTED if step.wait else StepState.DONE
        uid, name, now = str(meta.get("uid", "")), str(meta.get("name", "")), self._now()

        def taken(tx: Transaction) -> None:
            tx.steps.move(operation.id, place.position, StepState.SUBMITTING, ends, now, uid=uid, name=name)
            lasting = operation.noun == "schedule"  # its backups go on to need it
            if step.kind == CONFIG_MAP.name and step.verb is StepVerb.CREATE and not lasting:
                tx.deadlines.put(config_map_cleanup(operation.id, name, uid, now))
            if schedule_hold.is_hold(step) and uid:
                remember_hold(tx, operation.cluster, name, schedule_hold.until_of(step))
                holder = schedule_hold.holder(step, operation.id)
                tx.deadlines.put(
                    schedule_hold.renewal(
                        holder, name, schedule_hold.until_of(step), now + schedule_hold.RENEW_INTERVAL
                    )
                )

        await self._store.write(taken)
        return result

    async def delete_config_map(self, cluster: str, configmap: str, uid: str) -> None:
        await self._clusters[cluster].config_maps.delete(configmap, uid=uid)

    async def _write_with_retries(
        self, operation: Operation, place: StoredStep, step: Step, sent: datetime | None, *, writes: bool
    ) -> Json:
        """`sent`: when a write was last begun of which nobody knows what became of it.

        Raises Unanswered while that is not known; any other error means that the step was certainly not carried out.
        """
        wait = self._first_wait
        for left in reversed(range(WRITE_ATTEMPTS)):
            try:
                return await self._once(operation, place, step, sent, writes=writes)
            except (Unreachable, Throttled) as error:
                if isinstance(error, Unanswered) and not isinstance(error, CheckFailed):
                    sent = self._now()
                if not left or _timed_out(error):
                    if sent is None:
                        raise
                    raise _in_doubt(error) from error
                await asyncio.sleep(min(error.retry_after or wait, 5.0))
                wait *= 2
            except (ClusterError, Stale) as error:
                if sent is not None and self._now() - sent < WRITE_MAY_ARRIVE_FOR:
                    raise _in_doubt(error) from error
                if sent is not None and isinstance(error, TargetGone):
                    raise OutcomeUnknowable(error.text, why=error.why) from error
                raise
        raise AssertionError("unreachable")

    async def _once(
        self, operation: Operation, place: StoredStep, step: Step, sent: datetime | None, *, writes: bool
    ) -> Json:
        cluster = self._clusters[operation.cluster]
        if sent is not None:
            try:
                found = await self._found(operation, cluster, step)
            except ClusterError as error:
                raise CheckFailed(error.cluster, error.text, why=error.why, retry_after=error.retry_after) from error
            if found is not None:
                return found
            if not writes:
                raise not_carried_out_error(cluster.name, step)
            await self._begin(operation, place, StepState.SUBMITTING)
        return await write_step(cluster, step, operation.id)

    async def _found(self, operation: Operation, cluster: Cluster, step: Step) -> Json | None:
        """In the cluster, or seen there before it went: Velero removes a request that it has processed."""
        if (there := await find_written(cluster, step, operation.id)) is not None:
            return there
        return await self._store.read(lambda tx: _witnessed(tx, operation, step))

    async def _begin(self, operation: Operation, place: StoredStep, before: StepState) -> None:
        """Marks, before it is sent, that a write may be under way from now on."""
        now, to = self._now(), StepState.SUBMITTING
        await self._store.write(lambda tx: tx.steps.move(operation.id, place.position, before, to, now))

    async def _advance(self, operation: Operation, to: State, **changes: str) -> Operation:
        moved = operation.advance(to, self._now(), **changes)
        await self._store.write(lambda tx: tx.operations.advance(moved, operation.revision))
        return moved

    async def _record_submitted(self, operation: Operation, plan: Plan, made: list[Json], *, whole: bool) -> Operation:
        """Records the outcome of submitting. What runs in Velero is followed by track; a patch is done when it is made."""
        now = self._now()

        def record(tx: Transaction) -> Operation:
            current = _load_operation(tx, operation.id)
            last = tx.steps.of(operation.id)[-1] if whole else None
            if current.state is State.SUBMITTED and last is not None and not current.object_uid:
                return _moved(tx, current, current.state, now, object_uid=last.uid, object_name=last.name)
            if current.state not in {State.SUBMITTING, State.UNCONFIRMED}:
                return current
            uid, name = (last.uid, last.name) if last is not None else ("", "")
            sent = _moved(tx, current, State.SUBMITTED, now, object_uid=uid, object_name=name or plan.subject)
            events.append_audit(tx, sent, "submitted", "done", now)
            if plan.noun == "schedule":
                record_intent(tx, sent, plan, now, made)
            if has_run(plan):
                return self._settled(tx, sent, made, now)
            over = _moved(tx, sent, State.SUCCEEDED, now)
            tx.outbox.add(events.changed_event(over, plan, now, requester_of(tx, over)))
            return over

        return await self._store.write(record)

    def _settled(self, tx: Transaction, operation: Operation, made: list[Json], now: datetime) -> Operation:
        """A deletion request that is gone already brings no more news: what is left of its backups decides."""
        if not made or SEEN_BY_WATCH not in made[-1] or self._settle_deletion is None:
            return operation
        return self._settle_deletion(tx, operation, now) or operation

    async def _unconfirmed(self, operation: Operation, fault: Unanswered) -> Operation:
        now = self._now()

        def record(tx: Transaction) -> Operation:
            current = _load_operation(tx, operation.id)
            if current.state is State.UNCONFIRMED or current.is_over or current.object_uid:
                return current  # known already, or seen by the watch before the answer was missed
            doubtful = _moved(tx, current, State.UNCONFIRMED, now)
            why = " ".join(part for part in (fault.text, fault.why) if part)
            events.append_audit(tx, doubtful, "submitted", "unconfirmed", now, why)
            tx.outbox.add(events.unconfirmed_event(doubtful, why, now))
            return doubtful

        return await self._store.write(record)

    async def _record_failed(self, operation: Operation, error: ClusterError | Refused | Stale) -> Operation:
        return await self._ended(operation, State.FAILED, error.text, events.failed_event)

    async def _lapsed(self, operation: Operation) -> Operation:
        return await self._ended(operation, State.FAILED, f"{LAPSED_REASON} Ask again.", events.lapsed_event)

    async def _untraced(self, operation: Operation, fault: OutcomeUnknowable) -> Operation:
        return await self._ended(operation, State.LOST, fault.text, events.lost_event)

    async def _ended(
        self, operation: Operation, to: State, reason: str, told: Callable[[Operation, datetime], Event]
    ) -> Operation:
        now = self._now()

        def record(tx: Transaction) -> Operation:
            current = _load_operation(tx, operation.id)
            if current.is_over:
                return current
            ended = _moved(tx, current, to, now, reason=reason)
            events.append_audit(tx, ended, "submitted", to.value, now)
            tx.outbox.add(told(ended, now))
            return ended

        return await self._store.write(record)


def has_run(plan: Plan) -> bool:
    return any(step.verb is StepVerb.CREATE and step.kind in RUN_KINDS for step in plan.steps)


def config_map_cleanup(operation: str, name: str, uid: str, now: datetime) -> Deadline:
    """A ConfigMap that we made for one run is looked at again, and removed when that is over."""
    payload = {"operation": operation, "name": name, "uid": uid}
    return Deadline(f"{CONFIG_MAP_CLEANUP}:{operation}", now + CONFIG_MAP_CLEANUP_AFTER, CONFIG_MAP_CLEANUP, payload)


def _load_operation(tx: Transaction, ident: str) -> Operation:
    operation = tx.operations.get(ident)
    if operation is None:
        raise ConcurrentChange(f"Operation {ident} doesn't exist.")
    return operation


def _moved(tx: Transaction, operation: Operation, to: State, now: datetime, **changes: str) -> Operation:
    moved = operation.advance(to, now, **changes)
    tx.operations.advance(moved, operation.revision)
    return moved


def _witnessed(tx: Transaction, operation: Operation, step: Step) -> Json | None:
    """The watch saw our object, which may be gone since."""
    if step.verb is not StepVerb.CREATE or step.kind not in RUN_KINDS:
        return None
    current = _load_operation(tx, operation.id)
    if step.name and current.object_uid and current.object_name == step.name:
        return {"metadata": {"name": step.name, "uid": current.object_uid}}
    backup = (step.manifest.get("spec") or {}).get("backupName")
    for row in tx.observed.load(operation.cluster, step.kind).values():
        same = row.name == step.name if step.name else row.facts.get("backup") == backup
        if same and row.facts.get("operation") == operation.id:
            return {"metadata": {"name": row.name, "uid": row.uid}, SEEN_BY_WATCH: True}
    return None


def _in_doubt(error: ClusterError | Stale) -> Unanswered:
    if isinstance(error, Unanswered):
        return error
    return Unanswered(getattr(error, "cluster", ""), error.text, why=error.why)


def _timed_out(fault: BaseException | None) -> bool:
    """Who let the longest time pass once is not asked again at once."""
    return fault is not None and (isinstance(fault, TimeoutError) or _timed_out(fault.__cause__))
