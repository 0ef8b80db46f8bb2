"""Keeps status messages and approval requests up to date: a message with an older revision is edited in place.

Both are the same projection with two renderers. Edits are idempotent, so a doubtful edit is simply repeated.
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
from notifier.deliver.slack import CLIENT_ERRORS
from notifier.render.answers import Rendered
from store.tables.messages import Message
from store.transaction import Transaction
from store.writer import Store

log = logging.getLogger(__name__)

PAUSE_AFTER_ERROR_S = 5.0
MAX_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """The content that a message should show. Only progress waits for the interval between two edits."""

    revision: int
    rendered: Rendered
    priority: Priority


RenderMessage = Callable[[Message], Awaitable[RenderedMessage | None]]
"""None if there is nothing to show any more."""

FindStale = Callable[[Transaction], Sequence[Message]]


class Projection:
    """`what` names the messages in the log; `interval`: seconds between two edits that show progress of one message."""

    def __init__(
        self,
        what: str,
        store: Store,
        client: AsyncWebClient,
        limiter: RateLimiter,
        stale: FindStale,
        render: RenderMessage,
        now: Callable[[], datetime],
        interval: float = 2.0,
        timeout: float = 10.0,
    ) -> None:
        self._what = what
        self._store = store
        self._client = client
        self._limiter = limiter
        self._stale = stale
        self._render = render
        self._now = now
        self._interval = timedelta(seconds=interval)
        self._timeout = timeout
        self._edited: dict[tuple[str, str], datetime] = {}

    async def round(self) -> float | None:
        """Edit what is stale. A message that can't be rendered and an edit that hangs hold up no other."""
        messages = await self._store.read(self._stale)
        message_now = await isolation.run_each(self._render(message) for message in messages)
        errors = [each for each in message_now if isinstance(each, Exception)]
        wanted = [
            (message, shown)
            for message, shown in zip(messages, message_now, strict=True)
            if not isinstance(shown, Exception)
        ]
        rests = [PAUSE_AFTER_ERROR_S]
        edits = []
        # The most important message takes its token first.
        for message, shown in sorted(wanted, key=lambda each: each[1].priority if each[1] else Priority.PROGRESS):
            if shown is None:
                edits.append(self._forget(message))
            elif rest := self._rest(message, shown):
                rests.append(rest)
            elif token := self._limiter.take(EDIT, message.channel, shown.priority):
                edits.append(self._edit(message, shown, token))
            else:
                rests.append(self._limiter.wait(EDIT, message.channel, shown.priority))
        errors += [each for each in await isolation.run_each(edits) if isinstance(each, Exception)]
        isolation.raise_all(f"{self._what} that can't be rendered", errors)
        return min(rests)

    def _rest(self, message: Message, message_now: RenderedMessage) -> float:
        """Return the seconds until this message may be edited again."""
        last = self._edited.get((message.channel, message.ts))
        if message_now.priority is not Priority.PROGRESS or last is None:
            return 0.0
        return max(0.0, (last + self._interval - self._now()).total_seconds())

    async def _edit(self, message: Message, message_now: RenderedMessage, token: Token) -> None:
        self._edited[message.channel, message.ts] = self._now()
        while len(self._edited) > MAX_REMEMBERED:
            self._edited.pop(next(iter(self._edited)))
        rendered = message_now.rendered
        try:
            with use_token(token):
                call = self._client.chat_update(
                    channel=message.channel, ts=message.ts, text=rendered.text, blocks=[*rendered.blocks]
                )
                await asyncio.wait_for(call, self._timeout)
        except CLIENT_ERRORS as error:
            await self._failed(message, error)
            return
        finally:
            self._limiter.done(token)
        await self._store.write(
            lambda tx: tx.messages.record_revision(message.channel, message.ts, message_now.revision)
        )

    async def _failed(self, message: Message, error: Exception) -> None:
        """A doubtful edit is repeated by a later round; a deleted message is forgotten."""
        said = classify_error(error)
        if isinstance(said, Undeliverable):
            log.warning("one of the %s can't be edited: %s", self._what, said.code)
            await self._forget(message)

    async def _forget(self, message: Message) -> None:
        await self._store.write(lambda tx: tx.messages.mark_gone(message.channel, message.ts))
