"""Keeps cards in step: whichever shows an older revision than its operation is drawn again and edited in place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from slack_sdk.web.async_client import AsyncWebClient

from domain.errors import NotAccepted, Undeliverable
from domain.operation import Operation
from notifier.deliver import apart
from notifier.deliver.allowance import Allowance
from notifier.deliver.letters import Letters
from notifier.deliver.outcome import of_fault
from notifier.deliver.slack import FAULTS
from notifier.render.answers import Rendered
from store.messages import Message
from store.writer import Store

log = logging.getLogger(__name__)


class Cards:
    """`interval`: progress is not shown more often than this, per card; ends are shown at once."""

    def __init__(
        self,
        store: Store,
        client: AsyncWebClient,
        letters: Letters,
        allowance: Allowance,
        now: Callable[[], datetime],
        interval: float = 2.0,
        timeout: float = 10.0,
    ) -> None:
        self._store = store
        self._client = client
        self._letters = letters
        self._allowance = allowance
        self._now = now
        self._interval = interval
        self._timeout = timeout
        self._edited: dict[tuple[str, str], datetime] = {}

    async def round(self) -> float | None:
        """A card that we fail to draw holds up no other; its fault is the loop's."""
        soonest, faults = 5.0, []
        for message in await self._store.read(lambda tx: tx.messages.stale_cards()):
            found = await apart.one(self._letters.draw(message.subject))
            if isinstance(found, Exception):
                faults.append(found)
            else:
                soonest = min(soonest, await self._refresh(message, found))
        apart.told("cards that cannot be drawn", faults)
        return soonest

    async def _refresh(self, message: Message, found: tuple[Operation, Rendered] | None) -> float:
        """Seconds until this card is worth another look."""
        if found is None:
            await self._store.write(lambda tx: tx.messages.gone(message.channel, message.ts))
            return 5.0
        operation, rendered = found
        now = self._now()
        last = self._edited.get((message.channel, message.ts))
        if not operation.over and last is not None and now - last < timedelta(seconds=self._interval):
            return self._interval
        if wait := self._allowance.take(now, progress=not operation.over):
            return wait
        await self._edit(message, operation, rendered)
        return 5.0

    async def _edit(self, message: Message, operation: Operation, rendered: Rendered) -> None:
        now = self._now()
        self._edited[message.channel, message.ts] = now
        while len(self._edited) > 1000:
            self._edited.pop(next(iter(self._edited)))
        call = self._client.chat_update(
            channel=message.channel, ts=message.ts, text=rendered.text, blocks=[*rendered.blocks]
        )
        try:
            await asyncio.wait_for(call, self._timeout)
        except FAULTS as fault:
            await self._failed(message, fault)
            return
        await self._store.write(lambda tx: tx.messages.shows(message.channel, message.ts, operation.revision))

    async def _failed(self, message: Message, fault: Exception) -> None:
        """An edit may be repeated at will; a message that is gone is not edited any more."""
        said = of_fault(fault)
        if isinstance(said, Undeliverable):
            log.warning("a card cannot be edited: %s", said.code)
            await self._store.write(lambda tx: tx.messages.gone(message.channel, message.ts))
        elif isinstance(said, NotAccepted) and said.code == "ratelimited":
            self._allowance.closed(self._now(), said.retry_after or 1.0)
