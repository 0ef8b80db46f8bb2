"""When a pipeline's operation is over: its gate is judged, the answer fixed, the callback put on its way. Once."""

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
from bot.webhooks.status import KINDS, CallStatus, gate_failure, recorded_rows, status_document, status_summary
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

EVERY = 2.0
BAD = frozenset({"refused", "rejected", "expired", "withdrawn", "stale", "partial", "failed", "lost"})


def pipeline(sender: Sender) -> Actor:
    return Actor(ActorKind.PIPELINE, sender.name, sender.name, groups=frozenset(sender.groups))


class Completion:
    """`base` is how the bot is reached, for the status address."""

    def __init__(
        self,
        store: Store,
        senders: Senders,
        protection: DeployGateReader,
        base: Callable[[], str],
        now: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._senders = senders
        self._protection = protection
        self._base = base
        self._now = now
        self._wake = wake
        self._isolation = Isolation(store, ItemKind.REQUEST, now)

    async def round(self) -> float | None:
        """A request that cannot be settled holds up no other."""
        hooks = await self._store.read(lambda tx: tx.hooks.unsettled())
        requests = (
            (hook.operation, f"request {hook.operation}", partial(self.complete_due, hook.operation)) for hook in hooks
        )
        await self._isolation.run_each(requests)
        return EVERY

    async def complete_due(self, ident: str) -> CallStatus | None:
        """As it is now, settled if it is over."""
        standing = await self._standing(ident)
        if standing is None or not await self.complete(standing):
            return standing
        return await self._standing(ident)

    async def _standing(self, ident: str) -> CallStatus | None:
        def read(tx: Transaction) -> CallStatus | None:
            hook = tx.hooks.get(ident)
            return operation_status(tx, hook) if hook is not None else None

        return await self._store.read(read)

    async def complete(self, standing: CallStatus) -> bool:
        """Whether it is settled by this call, or was in the meantime."""
        hook, now = standing.hook, self._now()
        if hook.settled_at is not None:
            return False
        gate = "gate" in hook.asked
        if not standing.is_final and not (gate and standing.is_late(now)):
            return False
        answer, verdict = dict(hook.answer), None
        if gate:
            verdict = await self._verdict(standing, now)
            if verdict is None:
                return False
            answer["gate"] = verdict.as_json()
        with suppress(ConcurrentChange):
            await self._store.write(lambda tx: self._settled(tx, standing, answer, verdict, now))
            self._wake()
        return True

    async def _verdict(self, standing: CallStatus, now: datetime) -> GateVerdict | None:
        """None while the cluster does not answer and there is time left."""
        if (failed := gate_failure(standing, now)) is not None:
            return failed
        asked = GateBody.model_validate(standing.hook.asked["gate"])
        names = tuple(standing.hook.asked["namespaces"])
        sender = self._senders.named(standing.hook.sender)
        if sender is None:
            return GateVerdict(False, GateReason.NOT_ALLOWED, "This sender is no longer configured.")
        cluster = str(standing.hook.asked["cluster"])
        # What was taken for it is young enough, however long it ran.
        age = asked.age + (now - standing.hook.received_at)
        try:
            return await self._protection.judge(
                pipeline(sender), cluster, GateRequest(names, age, asked.require_volumes)
            )
        except UserError as error:
            return GateVerdict(False, GateReason.NOT_ALLOWED, error.text)
        except ClusterError as error:
            return (
                GateVerdict(False, GateReason.TIMEOUT, f"The verdict can't be determined: {error.text}")
                if standing.is_late(now)
                else None
            )

    def _settled(
        self, tx: Transaction, standing: CallStatus, answer: Json, verdict: GateVerdict | None, now: datetime
    ) -> None:
        hook = standing.hook
        tx.hooks.settled(hook.operation, answer, now)
        if verdict is not None:
            tx.audit.append(recorded_rows(hook, verdict, now))
        if not hook.callback:
            return
        told = status_document(replace(standing, hook=replace(hook, answer=answer, settled_at=now)), self._base())
        event = has_ended(hook, status_summary(told), now)
        tx.outbox.add(event)
        tx.outbox.routed(event.id)
        address = callback_address(hook.sender)
        ident = event.notice_id(address)
        lane = f"webhook:{address}:{hook.operation}"
        tx.notices.add(ident, event.id, "webhook", address, lane, {"callback": hook.callback}, now, priority=10)


def callback_address(sender: str) -> str:
    return f"callback:{sender}"


def operation_status(tx: Transaction, hook: PipelineCall) -> CallStatus:
    operation = tx.operations.get(hook.operation)
    if operation is None or not operation.object_uid or operation.noun not in KINDS:
        return CallStatus(hook, operation)
    seen = tx.observed.get(operation.cluster, KINDS[operation.noun], operation.object_uid)
    return CallStatus(hook, operation, seen.facts if seen else {})


def has_ended(hook: PipelineCall, told: Json, now: datetime) -> Event:
    passed = (told.get("gate") or {}).get("passed")
    bad = passed is False or (passed is None and told["state"] in BAD)
    return Event(
        kind="operation.answered",
        cluster=str(told.get("cluster", "")),
        cluster_uid="",
        object_kind="Operation",
        object_uid=hook.operation,
        object_name=hook.operation,
        transition="answered",
        at=now,
        severity=Severity.FAILURE if bad else Severity.INFO,
        operation=hook.operation,
        facts={"result": told},
    )


def refusal_answer(error: UserError | ClusterError) -> Json:
    return {"problem": problems.problem_of_error(error)}
