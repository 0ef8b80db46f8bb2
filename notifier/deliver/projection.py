"""Keeps messages in step with what they show: whichever shows an older revision is drawn again and edited in place.

Cards and requests for approval are the same projection with two renderers. An edit may be repeated at will.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from slack_sdk.web.async_client import AsyncWebClient

from domain.errors import Undeliverable
from notifier.deliver import isolation
from notifier.deliver.outcome import classify_error
from notifier.deliver.rate_limit import EDIT, Priority, RateLimiter, Token, use_token
from notifier.deliver.slack import FAULTS
from notifier.render.answers import Rendered
from store.tables.messages import Message
from store.transaction import Transaction
from store.writer import Store

log = logging.getLogger(__name__)

PAUSE_AFTER_FAULT_S = 5.0
MAX_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """What a message should show. Only progress waits for the interval between two edits."""

    revision: int
    rendered: Rendered
    priority: Priority


RenderMessage = Callable[[Message], Awaitable[RenderedMessage | None]]
"""None where there is nothing to show any more."""

FindStale = Callable[[Transaction], Sequence[Message]]


class Projection:
    """`what` it keeps in step, for the log; `interval`: seconds between two edits that show progress of one message."""

    def __init__(
        self,
        what: str,
        store: Store,
        client: AsyncWebClient,
        limiter: RateLimiter,
        stale: FindStale,
        draw: RenderMessage,
        now: Callable[[], datetime],
        interval: float = 2.0,
        timeout: float = 10.0,
    ) -> None:
        self._what = what
        self._store = store
        self._client = client
        self._limiter = limiter
        self._stale = stale
        self._draw = draw
        self._now = now
        self._interval = timedelta(seconds=interval)
        self._timeout = timeout
        self._edited: dict[tuple[str, str], datetime] = {}

    async def round(self) -> float | None:
        """A message that we fail to draw, and an edit that hangs, hold up no other; the fault is the loop's."""
        messages = await self._store.read(self._stale)
        drawn = await isolation.run_each(self._draw(message) for message in messages)
        faults = [each for each in drawn if isinstance(each, Exception)]
        wanted = [
            (message, found) for message, found in zip(messages, drawn, strict=True) if not isinstance(found, Exception)
        ]
        rests = [PAUSE_AFTER_FAULT_S]
        edits = []
        # The most important takes its token first.
        for message, found in sorted(wanted, key=lambda each: each[1].priority if each[1] else Priority.PROGRESS):
            if found is None:
                edits.append(self._forget(message))
            elif rest := self._rest(message, found):
                rests.append(rest)
            elif token := self._limiter.take(EDIT, message.channel, found.priority):
                edits.append(self._edit(message, found, token))
            else:
                rests.append(self._limiter.wait(EDIT, message.channel, found.priority))
        faults += [each for each in await isolation.run_each(edits) if isinstance(each, Exception)]
        isolation.raise_all(f"{self._what} that cannot be drawn", faults)
        return min(rests)

    def _rest(self, message: Message, drawn: RenderedMessage) -> float:
        """Seconds until an edit of this message would not come too soon after the last."""
        last = self._edited.get((message.channel, message.ts))
        if drawn.priority is not Priority.PROGRESS or last is None:
            return 0.0
        return max(0.0, (last + self._interval - self._now()).total_seconds())

    async def _edit(self, message: Message, drawn: RenderedMessage, token: Token) -> None:
        self._edited[message.channel, message.ts] = self._now()
        while len(self._edited) > MAX_REMEMBERED:
            self._edited.pop(next(iter(self._edited)))
        shown = drawn.rendered
        try:
            with use_token(token):
                call = self._client.chat_update(
                    channel=message.channel, ts=message.ts, text=shown.text, blocks=[*shown.blocks]
                )
                await asyncio.wait_for(call, self._timeout)
        except FAULTS as error:
            await self._failed(message, error)
            return
        finally:
            self._limiter.done(token)
        await self._store.write(lambda tx: tx.messages.shows(message.channel, message.ts, drawn.revision))

    async def _failed(self, message: Message, fault: Exception) -> None:
        """What is not certain is tried again by a later round; a message that is gone is not edited any more."""
        said = classify_error(fault)
        if isinstance(said, Undeliverable):
            log.warning("one of the %s cannot be edited: %s", self._what, said.code)
            await self._forget(message)

    async def _forget(self, message: Message) -> None:
        await self._store.write(lambda tx: tx.messages.gone(message.channel, message.ts))
