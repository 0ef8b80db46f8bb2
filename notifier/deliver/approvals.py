"""Keeps requests for approval in step with their votes: whichever shows an older revision is drawn again and edited."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from slack_sdk.web.async_client import AsyncWebClient

from domain.approval import Approval
from domain.errors import NotAccepted, Undeliverable
from domain.event import Event
from domain.operation import Operation
from domain.plan import Plan
from notifier.deliver import apart
from notifier.deliver.allowance import Allowance
from notifier.deliver.outcome import of_fault
from notifier.deliver.slack import FAULTS
from notifier.render.answers import Rendered
from notifier.render.approvals import request, revision
from store.messages import Message
from store.transaction import Transaction
from store.writer import Store

log = logging.getLogger(__name__)


class Requests:
    """`rendered` draws one for its first post; `round` edits those that are behind."""

    def __init__(
        self,
        store: Store,
        client: AsyncWebClient,
        allowance: Allowance,
        now: Callable[[], datetime],
        timeout: float = 10.0,
    ) -> None:
        self._store = store
        self._client = client
        self._allowance = allowance
        self._now = now
        self._timeout = timeout

    async def rendered(self, event: Event) -> Rendered | None:
        found = await self._draw(event.operation)
        return found[1] if found else None

    async def round(self) -> float | None:
        """A request that we fail to draw holds up no other; its fault is the loop's."""
        faults = []
        for message in await self._store.read(lambda tx: tx.messages.stale_requests()):
            found = await apart.one(self._draw(message.subject))
            if isinstance(found, Exception):
                faults.append(found)
                continue
            if wait := self._allowance.take(self._now()):
                return wait
            await self._refresh(message, found)
        apart.told("requests for approval that cannot be drawn", faults)
        return 2.0

    async def _draw(self, operation: str) -> tuple[int, Rendered] | None:
        found = await self._store.read(lambda tx: _stored(tx, operation))
        if found is None:
            return None
        approval, about, plan, said = found
        return revision(approval, about), request(approval, about, plan, said)

    async def _refresh(self, message: Message, found: tuple[int, Rendered] | None) -> None:
        if found is None:
            await self._store.write(lambda tx: tx.messages.gone(message.channel, message.ts))
            return
        shown, drawn = found
        call = self._client.chat_update(channel=message.channel, ts=message.ts, text=drawn.text, blocks=[*drawn.blocks])
        try:
            await asyncio.wait_for(call, self._timeout)
        except FAULTS as fault:
            await self._failed(message, fault)
            return
        await self._store.write(lambda tx: tx.messages.shows(message.channel, message.ts, shown))

    async def _failed(self, message: Message, fault: Exception) -> None:
        said = of_fault(fault)
        if isinstance(said, NotAccepted) and said.retry_after:
            self._allowance.closed(self._now(), said.retry_after)
        elif isinstance(said, Undeliverable):
            log.warning("a request for approval cannot be edited: %s", said.code)
            await self._store.write(lambda tx: tx.messages.gone(message.channel, message.ts))


def _stored(tx: Transaction, ident: str) -> tuple[Approval, Operation, Plan, dict[str, str]] | None:
    operation = tx.operations.get(ident)
    approvals = tx.approvals.of_operation(ident)
    if operation is None or not approvals:
        return None
    last = approvals[0]
    told = [event for event in tx.outbox.of_operation(ident) if event.kind == f"approval.{last.state.value}"]
    said = {key: str(value) for key, value in (told[-1].facts if told else {}).items() if key == "message"}
    return last, operation, tx.operations.load_plan(ident), said
