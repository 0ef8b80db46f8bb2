"""Continues plans of several steps: the next step starts when the object before it has reached its phase.

Level-triggered: the stored steps and the observed objects say what is due, whatever event was missed. The timers that
belong to running operations are handled here too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial

from domain.errors import ClusterError, ConcurrentChange, Conflict, ObjectNotFound, UserError
from domain.event import Event, Severity
from domain.operation import Operation, State
from domain.plan import Plan, Step
from operations.execution_records import OBJECT_CLEANUP, object_cleanup
from operations.executor import Executor
from store.isolation import Isolation
from store.tables.audit import AuditEntry
from store.tables.deadlines import Deadline
from store.tables.failed_items import ItemKind
from store.tables.steps import StepState, StoredStep
from store.transaction import Transaction
from store.writer import Store

TERMINAL_PHASES = frozenset({"Completed", "PartiallyFailed", "Failed", "FailedValidation"})
CONTINUABLE_STATES = frozenset({State.SUBMITTED, State.RUNNING})
ROUND_INTERVAL_S = 2.0
OPEN_STEP_STATES = frozenset({StepState.PENDING, StepState.SUBMITTING, StepState.SUBMITTED})

TimerHandler = Callable[[Deadline], Awaitable[None]]


class StepRunner:
    """`timers`: what else to do at deadlines of running operations, by kind."""

    def __init__(
        self,
        store: Store,
        executor: Executor,
        now: Callable[[], datetime],
        timers: Mapping[str, TimerHandler] | None = None,
    ) -> None:
        self._store = store
        self._executor = executor
        self._now = now
        self._handlers: dict[str, TimerHandler] = {OBJECT_CLEANUP: self._delete_object, **(timers or {})}
        self._operations = Isolation(store, ItemKind.OPERATION, now)
        self._timers = Isolation(store, ItemKind.TIMER, now)

    async def round(self) -> float:
        """Seconds until the next round; tracking may wake it earlier."""
        opened = await self._store.read(_open)
        await self._operations.run_each(
            (operation.id, f"operation {operation.id}", partial(self._continue, operation, stored))
            for operation, stored in opened
        )
        due = await self._store.read(lambda tx: tx.deadlines.due(self._now(), frozenset(self._handlers)))
        await self._timers.run_each(
            (deadline.id, f"timer {deadline.kind}", partial(self._handlers[deadline.kind], deadline))
            for deadline in due
        )
        return ROUND_INTERVAL_S

    async def _continue(self, operation: Operation, stored: StoredStep) -> None:
        if stored.state is not StepState.SUBMITTED:
            await self._resume(operation)
            return
        phase = await self._phase(operation, stored)
        if phase:
            await self.continue_after(operation.id, stored.uid, phase)

    async def _delete_object(self, deadline: Deadline) -> None:
        """Deletes a temporary ConfigMap once the run that reads it is over."""
        operation_id, name, uid = (str(deadline.payload[key]) for key in ("operation", "name", "uid"))
        operation = await self._store.read(lambda tx: tx.operations.get(operation_id))
        later = object_cleanup(operation_id, name, uid, self._now())
        if operation is not None and not operation.is_over:
            await self._store.write(lambda tx: tx.deadlines.put(later))
            return
        try:
            if operation is not None:
                await self._executor.delete_config_map(operation.cluster, name, uid)
        except (Conflict, ObjectNotFound):
            pass
        except ClusterError:
            await self._store.write(lambda tx: tx.deadlines.put(later))
            return
        await self._store.write(lambda tx: tx.deadlines.finish(deadline.id))

    async def continue_after(self, operation_id: str, uid: str, phase: str) -> None:
        """The object with this uid has this phase: starts the next step, or ends the plan. Other phases change nothing."""
        operation, plan, steps = await self._store.read(
            lambda tx: (
                tx.operations.get(operation_id),
                tx.operations.load_plan(operation_id),
                tx.steps.of(operation_id),
            )
        )
        stored = next((one for one in steps if one.uid == uid and one.state is StepState.SUBMITTED), None)
        if operation is None or stored is None or operation.state not in CONTINUABLE_STATES:
            return
        step = plan.steps[stored.position]
        if phase in step.wait:
            try:
                await self._store.write(lambda tx: self._move(tx, stored, StepState.DONE))
            except ConcurrentChange:
                return
            await self._resume(operation)
        elif phase in TERMINAL_PHASES:
            await self._stop(operation, plan, stored, step, phase)

    async def _resume(self, operation: Operation) -> None:
        try:
            await self._executor.recover(operation)
        except (ClusterError, UserError, ConcurrentChange):
            return

    async def _stop(self, operation: Operation, plan: Plan, stored: StoredStep, step: Step, phase: str) -> None:
        now = self._now()
        why = f"{step.kind} {stored.name} ended with {phase}. The next step wasn't started."

        def write(tx: Transaction) -> None:
            current = tx.operations.get(operation.id)
            if current is None or current.is_over:
                return
            self._move(tx, stored, StepState.FAILED)
            for later in tx.steps.of(operation.id):
                if later.state is StepState.PENDING:
                    self._move(tx, later, StepState.SKIPPED)
            failed = current.advance(State.FAILED, now, reason=why)
            tx.operations.advance(failed, current.revision)
            tx.audit.append(_stopped_entry(failed, why, now))
            tx.outbox.add(_stopped_event(failed, plan, why, now))

        await self._store.write(write)

    def _move(self, tx: Transaction, stored: StoredStep, to: StepState) -> None:
        tx.steps.move(stored.operation, stored.position, stored.state, to, self._now())

    async def _phase(self, operation: Operation, stored: StoredStep) -> str:
        observed = await self._store.read(lambda tx: tx.observed.get(operation.cluster, stored.kind, stored.uid))
        return observed.phase if observed is not None else ""


def _open(tx: Transaction) -> tuple[tuple[Operation, StoredStep], ...]:
    """Running operations, each with its first step that isn't finished."""
    found: list[tuple[Operation, StoredStep]] = []
    for operation in tx.operations.open():
        if operation.state in CONTINUABLE_STATES:
            steps = tx.steps.of(operation.id)
            first = next((step for step in steps if step.state in OPEN_STEP_STATES), None)
            if first is not None:
                found.append((operation, first))
    return tuple(found)


def _stopped_entry(operation: Operation, why: str, now: datetime) -> AuditEntry:
    return AuditEntry(
        at=now,
        actor=operation.actor,
        action=f"{operation.noun}.{operation.verb}.stopped",
        outcome="failed",
        subject=operation.subject,
        cluster=operation.cluster,
        operation=operation.id,
        detail={"reason": why},
    )


def _stopped_event(operation: Operation, plan: Plan, why: str, now: datetime) -> Event:
    headline = f"{plan.noun.capitalize()} {plan.subject} didn't start"
    return Event(
        kind=f"{plan.noun}.failed",
        cluster=operation.cluster,
        cluster_uid="",
        object_kind="operation",
        object_uid=operation.id,
        object_name=operation.subject,
        transition="stopped",
        at=now,
        severity=Severity.FAILURE,
        operation=operation.id,
        facts={"headline": headline, "message": why, "user": operation.actor},
    )
