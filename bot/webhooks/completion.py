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
from bot.webhooks.status import KINDS, Json, Standing, brief, document, failed_gate, on_record
from commands.deploy_gate import Reason, Request, Verdict
from domain.actor import Actor, ActorKind
from domain.errors import ClusterError, Lost, UserError
from domain.event import Event, Severity
from operations.deploy_gate_reader import Protection
from store.isolation import Isolation
from store.tables.failed_items import ItemKind
from store.tables.pipeline_calls import Hook
from store.transaction import Transaction
from store.writer import Store

log = logging.getLogger(__name__)

EVERY = 2.0
BAD = frozenset({"refused", "rejected", "expired", "withdrawn", "stale", "partial", "failed", "lost"})


def pipeline(sender: Sender) -> Actor:
    return Actor(ActorKind.PIPELINE, sender.name, sender.name, groups=frozenset(sender.groups))


class Settling:
    """`base` is how the bot is reached, for the status address."""

    def __init__(
        self,
        store: Store,
        senders: Senders,
        protection: Protection,
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
        requests = ((hook.operation, f"request {hook.operation}", partial(self.look, hook.operation)) for hook in hooks)
        await self._isolation.each(requests)
        return EVERY

    async def look(self, ident: str) -> Standing | None:
        """As it is now, settled if it is over."""
        standing = await self._standing(ident)
        if standing is None or not await self.settle(standing):
            return standing
        return await self._standing(ident)

    async def _standing(self, ident: str) -> Standing | None:
        def read(tx: Transaction) -> Standing | None:
            hook = tx.hooks.get(ident)
            return stand(tx, hook) if hook is not None else None

        return await self._store.read(read)

    async def settle(self, standing: Standing) -> bool:
        """Whether it is settled by this call, or was in the meantime."""
        hook, now = standing.hook, self._now()
        if hook.settled_at is not None:
            return False
        gate = "gate" in hook.asked
        if not standing.final and not (gate and standing.late(now)):
            return False
        answer, verdict = dict(hook.answer), None
        if gate:
            verdict = await self._verdict(standing, now)
            if verdict is None:
                return False
            answer["gate"] = verdict.as_json()
        with suppress(Lost):
            await self._store.write(lambda tx: self._settled(tx, standing, answer, verdict, now))
            self._wake()
        return True

    async def _verdict(self, standing: Standing, now: datetime) -> Verdict | None:
        """None while the cluster does not answer and there is time left."""
        if (failed := failed_gate(standing, now)) is not None:
            return failed
        asked = GateBody.model_validate(standing.hook.asked["gate"])
        names = tuple(standing.hook.asked["namespaces"])
        sender = self._senders.named(standing.hook.sender)
        if sender is None:
            return Verdict(False, Reason.NOT_ALLOWED, "This sender is not configured any more.")
        cluster = str(standing.hook.asked["cluster"])
        # What was taken for it is young enough, however long it ran.
        age = asked.age + (now - standing.hook.received_at)
        try:
            return await self._protection.judged(pipeline(sender), cluster, Request(names, age, asked.require_volumes))
        except UserError as error:
            return Verdict(False, Reason.NOT_ALLOWED, error.text)
        except ClusterError as error:
            return Verdict(False, Reason.TIMEOUT, f"It cannot be judged: {error.text}") if standing.late(now) else None

    def _settled(
        self, tx: Transaction, standing: Standing, answer: Json, verdict: Verdict | None, now: datetime
    ) -> None:
        hook = standing.hook
        tx.hooks.settled(hook.operation, answer, now)
        if verdict is not None:
            tx.audit.append(on_record(hook, verdict, now))
        if not hook.callback:
            return
        told = document(replace(standing, hook=replace(hook, answer=answer, settled_at=now)), self._base())
        event = ended(hook, brief(told), now)
        tx.outbox.add(event)
        tx.outbox.routed(event.id)
        address = callback_address(hook.sender)
        ident = event.notice_id(address)
        lane = f"webhook:{address}:{hook.operation}"
        tx.notices.add(ident, event.id, "webhook", address, lane, {"callback": hook.callback}, now, priority=10)


def callback_address(sender: str) -> str:
    return f"callback:{sender}"


def stand(tx: Transaction, hook: Hook) -> Standing:
    operation = tx.operations.get(hook.operation)
    if operation is None or not operation.object_uid or operation.noun not in KINDS:
        return Standing(hook, operation)
    seen = tx.observed.get(operation.cluster, KINDS[operation.noun], operation.object_uid)
    return Standing(hook, operation, seen.facts if seen else {})


def ended(hook: Hook, told: Json, now: datetime) -> Event:
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


def said_no(error: UserError | ClusterError) -> Json:
    return {"problem": problems.of_fault(error)}
