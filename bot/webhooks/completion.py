"""Completes a pipeline's call once its operation is over: gate verdict, final answer, callback.

A call is completed exactly once: the write fails with ConcurrentChange if another round was faster. An operation whose
result can't be read stays open until the time of its gate is up; it never blocks another call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from bot.configuration.settings import Sender
from bot.webhooks import problems
from bot.webhooks.bodies import GateBody
from bot.webhooks.senders import Senders
from bot.webhooks.status import (
    KIND_OF_NOUN,
    CallStatus,
    gate_audit_entry,
    gate_failure,
    status_document,
    status_summary,
)
from commands.deploy_gate import GateReason, GateRequest, GateVerdict
from domain.actor import Actor, ActorKind
from domain.errors import ClusterError, ConcurrentChange, UserError
from domain.event import Event, Severity
from domain.json_types import Json
from operations.deploy_gate_reader import DeployGateReader
from store.isolation import Isolation
from store.tables.failed_items import ItemKind
from store.tables.pipeline_calls import PipelineCall
from store.transaction import Transaction
from store.writer import Store

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 2.0
FAILED_STATES = frozenset({"refused", "rejected", "expired", "withdrawn", "stale", "partial", "failed", "lost"})


def pipeline(sender: Sender) -> Actor:
    return Actor(ActorKind.PIPELINE, sender.name, sender.name, groups=frozenset(sender.groups))


class Completion:
    """`base` returns the public URL of the bot, for status URLs."""

    def __init__(
        self,
        store: Store,
        senders: Senders,
        gate_reader: DeployGateReader,
        base: Callable[[], str],
        now: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._senders = senders
        self._gate_reader = gate_reader
        self._base = base
        self._now = now
        self._wake = wake
        self._isolation = Isolation(store, ItemKind.REQUEST, now)

    async def round(self) -> float | None:
        """Complete the calls that are due; one that fails doesn't block the others."""
        calls = await self._store.read(lambda tx: tx.pipeline_calls.incomplete())
        requests = (
            (call.operation, f"request {call.operation}", partial(self.complete_due, call.operation)) for call in calls
        )
        await self._isolation.run_each(requests)
        return CHECK_INTERVAL_S

    async def complete_due(self, operation_id: str) -> CallStatus | None:
        """Return the current status; complete the call first if it is due."""
        status = await self._read_status(operation_id)
        if status is None or not await self.complete(status):
            return status
        return await self._read_status(operation_id)

    async def _read_status(self, operation_id: str) -> CallStatus | None:
        def read(tx: Transaction) -> CallStatus | None:
            call = tx.pipeline_calls.get(operation_id)
            return operation_status(tx, call) if call is not None else None

        return await self._store.read(read)

    async def complete(self, status: CallStatus) -> bool:
        """Complete a call if it is due. Return whether it is complete now."""
        call, now = status.call, self._now()
        if call.completed_at is not None:
            return False
        gate = "gate" in call.request
        if not status.is_final and not (gate and status.is_late(now)):
            return False
        answer, verdict = dict(call.answer), None
        if gate:
            verdict = await self._verdict(status, now)
            if verdict is None:
                return False
            answer["gate"] = verdict.as_json()
        with suppress(ConcurrentChange):
            await self._store.write(lambda tx: self._record(tx, status, answer, verdict, now))
            self._wake()
        return True

    async def _verdict(self, status: CallStatus, now: datetime) -> GateVerdict | None:
        """Return the verdict; None while the cluster doesn't respond and time is left."""
        if (failed := gate_failure(status, now)) is not None:
            return failed
        request = GateBody.model_validate(status.call.request["gate"])
        names = tuple(status.call.request["namespaces"])
        sender = self._senders.by_name(status.call.sender)
        if sender is None:
            return GateVerdict(False, GateReason.NOT_ALLOWED, "This sender is no longer configured.")
        cluster = str(status.call.request["cluster"])
        # A backup that the gate created is recent enough, however long it ran.
        age = request.age + (now - status.call.received_at)
        try:
            return await self._gate_reader.judge(
                pipeline(sender), cluster, GateRequest(names, age, request.require_volumes)
            )
        except UserError as error:
            return GateVerdict(False, GateReason.NOT_ALLOWED, error.text)
        except ClusterError as error:
            return (
                GateVerdict(False, GateReason.TIMEOUT, f"The verdict can't be determined: {error.text}")
                if status.is_late(now)
                else None
            )

    def _record(
        self, tx: Transaction, status: CallStatus, answer: Json, verdict: GateVerdict | None, now: datetime
    ) -> None:
        call = status.call
        tx.pipeline_calls.complete(call.operation, answer, now)
        if verdict is not None:
            tx.audit.append(gate_audit_entry(call, verdict, now))
        if not call.callback:
            return
        document = status_document(replace(status, call=replace(call, answer=answer, completed_at=now)), self._base())
        event = callback_event(call, status_summary(document), now)
        tx.outbox.add(event)
        tx.outbox.mark_routed(event.id)
        address = callback_address(call.sender)
        notice_id = event.notice_id(address)
        lane = f"webhook:{address}:{call.operation}"
        tx.notices.add(notice_id, event.id, "webhook", address, lane, {"callback": call.callback}, now, priority=10)


def callback_address(sender: str) -> str:
    return f"callback:{sender}"


def operation_status(tx: Transaction, call: PipelineCall) -> CallStatus:
    operation = tx.operations.get(call.operation)
    if operation is None or not operation.object_uid or operation.noun not in KIND_OF_NOUN:
        return CallStatus(call, operation)
    observed = tx.observed.get(operation.cluster, KIND_OF_NOUN[operation.noun], operation.object_uid)
    return CallStatus(call, operation, observed.facts if observed else {})


def callback_event(call: PipelineCall, document: Json, now: datetime) -> Event:
    passed = (document.get("gate") or {}).get("passed")
    is_failure = passed is False or (passed is None and document["state"] in FAILED_STATES)
    return Event(
        kind="operation.answered",
        cluster=str(document.get("cluster", "")),
        cluster_uid="",
        object_kind="Operation",
        object_uid=call.operation,
        object_name=call.operation,
        transition="answered",
        at=now,
        severity=Severity.FAILURE if is_failure else Severity.INFO,
        operation=call.operation,
        facts={"result": document},
    )


def refusal_answer(error: UserError | ClusterError) -> Json:
    return {"problem": problems.problem_of_error(error)}
