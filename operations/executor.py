"""Carries out a granted plan, step by step, so that a crash or a lost answer anywhere leaves nothing twice.

`execute` is the only way to a cluster: it takes a Grant, and reads in the store whether the operation may run now. A
step is marked before its write is sent. Where the answer is missing, because of the network or a crash, the write is
looked for before it is sent again, and the operation is `unconfirmed` until the outcome is known. An operation is never
called failed while a write of it may have been carried out.

A write that succeeds costs two transactions: one marks operation and step, one records the result and the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from weakref import WeakValueDictionary

from commands.step_modes import behavior_of
from domain.decision import Grant, recovered
from domain.errors import ClusterError, Refused, Stale, Throttled, Unanswered, Unreachable
from domain.event import Event
from domain.json_types import Json
from domain.operation import GRANTED, Operation, State
from domain.plan import Plan, Step
from operations import execution_events as events
from operations import execution_records as records
from operations.execution_records import SettleDeletion
from operations.write_step import TargetGone, find_written, not_carried_out_error, write_step
from store.tables.steps import StepState, StoredStep
from store.transaction import Transaction
from store.writer import Store
from velero.cluster import Cluster

WRITE_ATTEMPTS = 4
FIRST_RETRY_WAIT_S = 0.5
LONGEST_RETRY_WAIT_S = 5.0
START_WINDOW = timedelta(minutes=15)
WRITE_MAY_ARRIVE_FOR = timedelta(seconds=90)
"""How long after its start a write may still be carried out: the bot's own 30 s, then an API server's 60 s."""
LAPSED_REASON = "Too much time passed between the decision and the start."


class ExecutionEntry(StrEnum):
    """The next action that is safe for an operation."""

    WRITE = "write"
    LOOK = "look"
    LAPSED = "lapsed"
    OVER = "over"


def check_entry(operation: Operation, plan: Plan, grant: Grant, now: datetime, window: timedelta) -> ExecutionEntry:
    """Raises Refused or Stale where the grant doesn't open the operation.

    `window`: how long after the grant a write may start. What may be in the cluster is still looked for after that.
    """
    if not plan.fingerprint == grant.fingerprint == operation.fingerprint:
        raise Stale("The plan changed after it was approved.")
    if operation.is_over:
        return ExecutionEntry.OVER
    if operation.state not in GRANTED:
        raise Refused(f"Operation {operation.id} can't run: it is {operation.state}.")
    if operation.state in {State.SUBMITTED, State.RUNNING} or now - operation.changed_at <= window:
        return ExecutionEntry.WRITE
    return ExecutionEntry.LAPSED if operation.state is State.APPROVED else ExecutionEntry.LOOK


class CheckFailed(Unanswered):
    """The cluster couldn't be asked whether an earlier write was carried out."""


class OutcomeUnknowable(Stale):
    """The evidence of whether the write was carried out is gone; more checks can't answer it."""


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """The operation after its last step that could be taken now, and the objects as the cluster returned them."""

    operation: Operation
    objects: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class _Run:
    """An operation that was let in. `steps` are as stored before; `begun` is the step that was marked on entry."""

    operation: Operation
    plan: Plan
    steps: tuple[StoredStep, ...]
    entry: ExecutionEntry
    begun: int | None = None

    @property
    def may_write(self) -> bool:
        return self.entry is ExecutionEntry.WRITE


class Executor:
    """`window`: see `check_entry`. `first_wait`: seconds before the second try of a write; it doubles."""

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
        self._operation_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """After a restart the inbox and the recovery may both take an operation: the second waits, and finds it done."""

    @property
    def clusters(self) -> Mapping[str, Cluster]:
        return self._clusters

    async def execute(self, grant: Grant) -> ExecutionResult:
        """The operation is `unconfirmed` afterwards where the outcome isn't known yet.

        Raises ClusterError or UserError where the cluster certainly didn't carry it out; the operation is then `failed`.
        """
        async with self._operation_locks.setdefault(grant.operation, asyncio.Lock()):
            run = await self._store.write(lambda tx: self._enter(tx, grant))
            if run.entry is ExecutionEntry.OVER:
                return ExecutionResult(run.operation)
            if run.entry is ExecutionEntry.LAPSED:
                reason = f"{LAPSED_REASON} Run the command again."
                return ExecutionResult(await self._end(run.operation, State.FAILED, reason, events.lapsed_event))
            return await self._run_steps(run)

    async def recover(self, operation: Operation) -> ExecutionResult:
        """For an operation granted before: after a restart, a lost answer, or when the next step of its plan is due."""
        plan = await self._store.read(lambda tx: tx.operations.load_plan(operation.id))
        return await self.execute(recovered(operation, plan))

    async def delete_config_map(self, cluster: str, name: str, uid: str) -> None:
        await self._clusters[cluster].config_maps.delete(name, uid=uid)

    def _enter(self, tx: Transaction, grant: Grant) -> _Run:
        """Checks the grant against the store. An operation that wasn't started is marked, with its first step."""
        now = self._now()
        operation, plan = records.load_operation(tx, grant.operation), tx.operations.load_plan(grant.operation)
        steps = tx.steps.of(operation.id)
        entry = check_entry(operation, plan, grant, now, self._window())
        if entry is not ExecutionEntry.WRITE or operation.state is not State.APPROVED:
            return _Run(operation, plan, steps, entry)
        operation = records.advance(tx, operation, State.SUBMITTING, now)
        tx.steps.move(operation.id, steps[0].position, StepState.PENDING, StepState.SUBMITTING, now)
        return _Run(operation, plan, steps, entry, begun=steps[0].position)

    async def _run_steps(self, run: _Run) -> ExecutionResult:
        """Takes every step that can be taken; one that waits for a phase leaves the rest to `StepRunner`."""
        objects: list[Json] = []
        try:
            ended = await self._take_steps(run, objects)
        except Unanswered as error:
            why = " ".join(part for part in (error.text, error.why) if part)
            ended = await self._store.write(lambda tx: records.record_unconfirmed(tx, run.operation, why, self._now()))
        except OutcomeUnknowable as error:
            ended = await self._end(run.operation, State.LOST, error.text, events.lost_event)
        except (ClusterError, Refused, Stale) as error:
            await self._end(run.operation, State.FAILED, error.text, events.failed_event)
            raise
        return ExecutionResult(ended, tuple(objects))

    async def _take_steps(self, run: _Run, objects: list[Json]) -> Operation:
        """Adds to `objects` what each step wrote."""
        begun, is_complete = run.begun, True
        for stored, step in zip(run.steps, run.plan.steps, strict=True):
            if stored.state in {StepState.DONE, StepState.SKIPPED}:
                continue
            if stored.state is StepState.SUBMITTED:
                is_complete = False
                break
            sent_at = stored.changed_at if stored.state is StepState.SUBMITTING else None
            if sent_at is None and not run.may_write:
                raise Stale(LAPSED_REASON, why="The next step wasn't started.", fix="Run the command again.")
            if sent_at is None and stored.position != begun:
                await self._mark(stored, StepState.PENDING)
            refresh = behavior_of(step).refresh
            current = refresh(step, self._now()) if refresh is not None else step
            objects.append(await self._write_with_retries(run, stored, current, sent_at))
            ended = await self._store.write(self._recorder(run, stored, current, objects))
            if ended is not None:
                return ended
            begun = stored.position + 1
        return await self._store.write(lambda tx: self._record_submitted(tx, run, objects, is_complete=is_complete))

    def _recorder(
        self, run: _Run, stored: StoredStep, step: Step, objects: list[Json]
    ) -> Callable[[Transaction], Operation | None]:
        """Records a written step together with what follows: the end of what can be done now, or the next step's mark."""

        def record(tx: Transaction) -> Operation | None:
            now = self._now()
            records.record_step(tx, run.operation, stored, step, objects[-1], now)
            is_last = stored.position == len(run.steps) - 1
            if is_last or step.wait:
                return self._record_submitted(tx, run, objects, is_complete=is_last and not step.wait)
            if run.may_write:
                following = run.steps[stored.position + 1]
                tx.steps.move(following.operation, following.position, StepState.PENDING, StepState.SUBMITTING, now)
            return None

        return record

    def _record_submitted(self, tx: Transaction, run: _Run, objects: list[Json], *, is_complete: bool) -> Operation:
        return records.record_submitted(
            tx,
            run.operation,
            run.plan,
            objects,
            self._now(),
            is_complete=is_complete,
            settle_deletion=self._settle_deletion,
        )

    async def _write_with_retries(self, run: _Run, stored: StoredStep, step: Step, sent_at: datetime | None) -> Json:
        """`sent_at`: when the last write of unknown outcome was started.

        Raises Unanswered while the outcome isn't known. Any other error means that the step was certainly not carried out.
        """
        wait = self._first_wait
        for attempts_left in reversed(range(WRITE_ATTEMPTS)):
            try:
                return await self._write_once(run, stored, step, sent_at)
            except (Unreachable, Throttled) as error:
                if isinstance(error, Unanswered) and not isinstance(error, CheckFailed):
                    sent_at = self._now()
                if not attempts_left or _is_timeout(error):
                    if sent_at is None:
                        raise
                    raise _as_unanswered(error) from error
                await asyncio.sleep(min(error.retry_after or wait, LONGEST_RETRY_WAIT_S))
                wait *= 2
            except (ClusterError, Stale) as error:
                if sent_at is not None and self._now() - sent_at < WRITE_MAY_ARRIVE_FOR:
                    raise _as_unanswered(error) from error
                if sent_at is not None and isinstance(error, TargetGone):
                    raise OutcomeUnknowable(error.text, why=error.why) from error
                raise
        raise AssertionError("unreachable")

    async def _write_once(self, run: _Run, stored: StoredStep, step: Step, sent_at: datetime | None) -> Json:
        cluster = self._clusters[run.operation.cluster]
        if sent_at is not None:
            try:
                written = await self._find_written(run.operation, cluster, step)
            except ClusterError as error:
                raise CheckFailed(error.cluster, error.text, why=error.why, retry_after=error.retry_after) from error
            if written is not None:
                return written
            if not run.may_write:
                raise not_carried_out_error(cluster.name, step)
            await self._mark(stored, StepState.SUBMITTING)
        return await write_step(cluster, step, run.operation.id)

    async def _find_written(self, operation: Operation, cluster: Cluster, step: Step) -> Json | None:
        """In the cluster, or seen there by the watch: Velero deletes a request that it has processed."""
        written = await find_written(cluster, step, operation.id)
        if written is not None:
            return written
        return await self._store.read(lambda tx: records.find_observed(tx, operation, step))

    async def _mark(self, stored: StoredStep, before: StepState) -> None:
        """Records that a write may be under way from now on. Called before the write is sent."""
        now, to = self._now(), StepState.SUBMITTING
        await self._store.write(lambda tx: tx.steps.move(stored.operation, stored.position, before, to, now))

    async def _end(
        self, operation: Operation, to: State, reason: str, event_of: Callable[[Operation, datetime], Event]
    ) -> Operation:
        now = self._now()
        return await self._store.write(lambda tx: records.record_end(tx, operation, to, reason, event_of, now))


def _as_unanswered(error: ClusterError | Stale) -> Unanswered:
    if isinstance(error, Unanswered):
        return error
    return Unanswered(getattr(error, "cluster", ""), error.text, why=error.why)


def _is_timeout(error: BaseException | None) -> bool:
    """A call that used up the longest time isn't tried again at once."""
    return error is not None and (isinstance(error, TimeoutError) or _is_timeout(error.__cause__))
