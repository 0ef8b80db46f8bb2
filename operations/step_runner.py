"""Plans of several steps: what waits for an object goes on when that object has reached its phase, or ends there.

Level-triggered: what is stored of steps and of observed objects says what is due, whatever was missed in between.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from commands.restore.schedule_hold import RENEW_KIND
from domain.errors import ClusterError, ConcurrentChange, Conflict, ObjectNotFound, UserError
from domain.event import Event, Severity
from domain.operation import Operation, State
from domain.plan import Plan, Step
from operations.executor import CONFIG_MAP_CLEANUP, Executor, config_map_cleanup
from operations.hold_renewal import HoldRenewal
from store.isolation import Isolation
from store.tables.audit import AuditEntry
from store.tables.deadlines import Deadline
from store.tables.failed_items import ItemKind
from store.tables.steps import StepState, StoredStep
from store.transaction import Transaction
from store.writer import Store

TERMINAL_PHASES = frozenset({"Completed", "PartiallyFailed", "Failed", "FailedValidation"})
CONTINUABLE_STATES = frozenset({State.SUBMITTED, State.RUNNING})
OPEN_STEP_STATES = frozenset({StepState.PENDING, StepState.SUBMITTING, StepState.SUBMITTED})

DEADLINE_KINDS = frozenset({CONFIG_MAP_CLEANUP, RENEW_KIND})
"""Of deadlines that are seen to here."""


class StepRunner:
    def __init__(self, store: Store, executor: Executor, now: Callable[[], datetime]) -> None:
        self._store = store
        self._executor = executor
        self._now = now
        self._holding = HoldRenewal(store, executor.clusters, now)
        self._operations = Isolation(store, ItemKind.OPERATION, now)
        self._timers = Isolation(store, ItemKind.TIMER, now)

    async def round(self) -> float | None:
        """Comes back when woken by tracking, or soon by itself."""
        opened = await self._store.read(_open)
        await self._operations.run_each(
            (operation.id, f"operation {operation.id}", partial(self._go_on, operation, place))
            for operation, place in opened
        )
        due = await self._store.read(lambda tx: tx.deadlines.due(self._now(), DEADLINE_KINDS))
        await self._timers.run_each((one.id, f"timer {one.kind}", partial(self._due, one)) for one in due)
        return 2.0

    async def _go_on(self, operation: Operation, place: StoredStep) -> None:
        if place.state is not StepState.SUBMITTED:
            await self._resume(operation)
        elif phase := await self._phase(operation, place):
            await self.continue_after(operation.id, place.uid, phase)

    async def _due(self, deadline: Deadline) -> None:
        if deadline.kind == CONFIG_MAP_CLEANUP:
            await self._tidied(deadline)
        elif deadline.kind == RENEW_KIND:
            await self._holding.renew(deadline)

    async def _tidied(self, deadline: Deadline) -> None:
        """Our own ConfigMap goes when the run that read it is over."""
        ident, name, uid = (str(deadline.payload[key]) for key in ("operation", "name", "uid"))
        operation = await self._store.read(lambda tx: tx.operations.get(ident))
        later = config_map_cleanup(ident, name, uid, self._now())
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
        await self._store.write(lambda tx: tx.deadlines.done(deadline.id))

    async def continue_after(self, ident: str, uid: str, phase: str) -> None:
        """The object with this uid has this phase: the next step runs, or none ever does. Anything else is no news."""
        operation, plan, steps = await self._store.read(
            lambda tx: (tx.operations.get(ident), tx.operations.load_plan(ident), tx.steps.of(ident))
        )
        place = next((one for one in steps if one.uid == uid and one.state is StepState.SUBMITTED), None)
        if operation is None or place is None or operation.state not in CONTINUABLE_STATES:
            return
        step = plan.steps[place.position]
        if phase in step.wait:
            try:
                await self._store.write(lambda tx: self._moved(tx, place, StepState.DONE))
            except ConcurrentChange:
                return
            await self._resume(operation)
        elif phase in TERMINAL_PHASES:
            await self._stopped(operation, plan, place, step, phase)

    async def _resume(self, operation: Operation) -> None:
        try:
            await self._executor.recover(operation)
        except (ClusterError, UserError, ConcurrentChange):
            return

    async def _stopped(self, operation: Operation, plan: Plan, place: StoredStep, step: Step, phase: str) -> None:
        now = self._now()
        why = f"{step.kind} {place.name} ended with {phase}. The next step wasn't started."

        def write(tx: Transaction) -> None:
            current = tx.operations.get(operation.id)
            if current is None or current.is_over:
                return
            self._moved(tx, place, StepState.FAILED)
            for later in tx.steps.of(operation.id):
                if later.state is StepState.PENDING:
                    self._moved(tx, later, StepState.SKIPPED)
            failed = current.advance(State.FAILED, now, reason=why)
            tx.operations.advance(failed, current.revision)
            tx.audit.append(_row(failed, why, now))
            tx.outbox.add(_event(failed, plan, why, now))

        await self._store.write(write)

    def _moved(self, tx: Transaction, place: StoredStep, to: StepState) -> None:
        tx.steps.move(place.operation, place.position, place.state, to, self._now())

    async def _phase(self, operation: Operation, place: StoredStep) -> str:
        seen = await self._store.read(lambda tx: tx.observed.get(operation.cluster, place.kind, place.uid))
        return seen.phase if seen is not None else ""


def _open(tx: Transaction) -> tuple[tuple[Operation, StoredStep], ...]:
    """Operations with a step that is not yet behind them, and that step."""
    found: list[tuple[Operation, StoredStep]] = []
    for operation in tx.operations.open():
        if operation.state in CONTINUABLE_STATES:
            steps = tx.steps.of(operation.id)
            first = next((step for step in steps if step.state in OPEN_STEP_STATES), None)
            if first is not None:
                found.append((operation, first))
    return tuple(found)


def _row(operation: Operation, why: str, now: datetime) -> AuditEntry:
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


def _event(operation: Operation, plan: Plan, why: str, now: datetime) -> Event:
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
