"""Posts messages to Slack, each exactly once as far as Slack can confirm it.

A post whose answer is lost may or may not have arrived. So each message carries the notice's id as metadata, and a
doubtful one is looked for in the channel's history before it is sent again (`reconcile`). A notice is rendered and has
its rate-limit token before it is claimed: a kill between claim and post is then a matter of milliseconds, and no more
is claimed than may be sent. A notice must never be sent again as long as it may have arrived, unless it is urgent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from domain.errors import ConcurrentChange, Doubtful, NotAccepted, StoreError, Undeliverable
from domain.event import Event
from notifier.deliver import isolation
from notifier.deliver.outcome import CHANNEL_UNREACHABLE_ERRORS, classify_error
from notifier.deliver.rate_limit import POST, Priority, RateLimiter, Token, use_token
from notifier.render.answers import Rendered
from notifier.route import Role
from store.tables.messages import Message
from store.tables.notices import Notice
from store.writer import Store

log = logging.getLogger(__name__)

EVENT_TYPE = "velero_operation"
UNRENDERABLE = "notifications that can't be rendered"
NOTHING_TO_SAY = "no longer relevant"
CLIENT_ERRORS = (SlackApiError, aiohttp.ClientError, TimeoutError, OSError, ValueError)
MAX_REST_S = 5.0
RECHECK_S = 0.2
TOKEN_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Band:
    """Notices whose priority lies within `priorities`; at most `room` of them are sent at once."""

    priority: Priority
    priorities: tuple[int, int]
    room: int


BANDS = (
    Band(Priority.APPROVAL, (0, 0), 4),
    Band(Priority.URGENT, (1, 19), 8),
    Band(Priority.NEW, (20, 1_000_000), 8),
)
"""Each band has room of its own: approval requests wait for nothing else, and urgent notices never for routine ones."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `hurry`: how soon a doubtful approval request or failure is looked for and sent again."""

    timeout: float = 10.0
    quarantine: float = 90.0
    read_gap: float = 10.0
    sweep: float = 900.0
    hurry: float = 10.0
    skew: float = 5.0
    history: bool = True


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A rendered message and its channel. `fallback`: the person who gets it if the channel can't be reached."""

    channel: str
    rendered: Rendered
    thread: str = ""
    revision: int = 0
    subject: str = ""
    role: str = ""
    fallback: str = ""


class BuildMessage(Protocol):
    """Renders a notice when it is sent; None if it is no longer relevant."""

    async def build(self, notice: Notice, event: Event | None) -> OutgoingMessage | None: ...


class SlackDelivery:
    def __init__(
        self,
        store: Store,
        client: AsyncWebClient,
        builder: BuildMessage,
        limiter: RateLimiter,
        now: Callable[[], datetime],
        timing: Timing,
        wake_cards: Callable[[], None] = lambda: None,
        counted: Callable[[str], None] = lambda _outcome: None,
    ) -> None:
        self._store = store
        self._client = client
        self._builder = builder
        self._limiter = limiter
        self._now = now
        self._timing = timing
        self._wake_cards = wake_cards
        self._counted = counted
        self._busy: dict[str, tuple[Band, asyncio.Task[None]]] = {}

    async def round(self) -> float | None:
        """Start sending what is due and has a token; return when one is done, or after a short wait."""
        rests = [await self._begin(band) for band in BANDS]
        if self._busy:
            tasks = [task for _, task in self._busy.values()]
            await asyncio.wait(tasks, timeout=RECHECK_S, return_when=asyncio.FIRST_COMPLETED)
            self._collect()
            return 0
        return min(rests)

    async def close(self) -> None:
        """Cancel what is being sent; it is looked for in Slack after the next start."""
        tasks = [task for _, task in self._busy.values()]
        self._busy.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _collect(self) -> None:
        done = {ident: task for ident, (_, task) in self._busy.items() if task.done()}
        for ident in done:
            del self._busy[ident]
        isolation.raise_all(UNRENDERABLE, isolation.errors_of(done.values()))

    async def _begin(self, band: Band) -> float:
        """Return the seconds until more of this band may be sent. A channel without a token holds up no other."""
        now, rest = self._now(), MAX_REST_S
        closed: set[str] = set()
        while room := band.room - sum(1 for each, _ in self._busy.values() if each is band):
            if wait := self._limiter.wait(POST, "", band.priority):
                return min(rest, wait)
            if not (found := await self._ready(now, band, room, closed)):
                return min(rest, await self._until_next(now))
            for notice, channel in found:
                if (token := self._limiter.take(POST, channel, band.priority)) is None:
                    closed.add(channel)
                    rest = min(rest, self._limiter.wait(POST, channel, band.priority))
                else:
                    task = asyncio.create_task(self._deliver(notice, channel, band, token))
                    self._busy[notice.id] = (band, task)
        return rest

    async def _ready(self, now: datetime, band: Band, room: int, closed: set[str]) -> tuple[tuple[Notice, str], ...]:
        taken = tuple(self._busy)
        return await self._store.read(
            lambda tx: tx.notices.ready(now, "slack", band.priorities, room, closed=closed, taken=taken)
        )

    async def _until_next(self, now: datetime) -> float:
        """Only notices that aren't due yet count: those that are due wait for a token."""
        due = await self._store.read(lambda tx: tx.notices.next_due(kind="slack", after=now))
        return MAX_REST_S if due is None else min(MAX_REST_S, max(0.05, (due - now).total_seconds()))

    async def _deliver(self, notice: Notice, channel: str, band: Band, token: Token) -> None:
        """Send one notice. An error of rendering is raised after the notice was set aside."""
        try:
            message = await isolation.run_one(self.draw(notice))
            if isinstance(message, Exception):
                await self.set_aside(notice, message)
                raise message
            if message is None:
                await self.settle(notice, lambda tx: tx.notices.suppress(notice, NOTHING_TO_SAY))
                return
            if message.channel != channel:
                token.give_back()
                token = await self._limiter.token(POST, message.channel, band.priority, TOKEN_TIMEOUT_S)
            now = self._now()
            claimed = await self._store.write(lambda tx: tx.notices.begin(notice, now))
            await self._send(claimed, message, token)
        except (ConcurrentChange, NotAccepted) as error:
            log.info("notice %s waits: %s", notice.id, error.text)
        finally:
            token.give_back()

    async def draw(self, notice: Notice) -> OutgoingMessage | None:
        event = await self._store.read(lambda tx: tx.outbox.event(notice.event))
        return await self._builder.build(notice, event)

    async def set_aside(self, notice: Notice, error: Exception) -> None:
        """Keep a notice that can't be rendered from holding up its lane; retry it where the cause is elsewhere."""
        if isinstance(error, (StoreError, NotAccepted)):
            asked = error.retry_after if isinstance(error, NotAccepted) else None
            soon = self._now() + timedelta(seconds=asked or self._timing.hurry)
            await self.settle(notice, lambda tx: tx.notices.postpone(notice, soon, error.text))
            return
        self._counted("dead")
        why = f"the notification can't be rendered: {type(error).__name__}"
        await self.settle(notice, lambda tx: tx.notices.mark_dead(notice, why))

    async def _send(self, notice: Notice, message: OutgoingMessage, token: Token) -> None:
        try:
            channel, ts = await self._post(notice, message, token)
        except NotAccepted as error:
            await self._not_accepted(notice, error)
        except Undeliverable as error:
            await self._undeliverable(notice, message, error)
        except Doubtful as error:
            self._counted("doubtful")
            why = error.code or error.text
            await self.settle(notice, lambda tx: tx.notices.mark_unknown(notice, why))
        else:
            await self.sent(notice, message, channel, ts)

    async def _post(self, notice: Notice, message: OutgoingMessage, token: Token) -> tuple[str, str]:
        """Return (channel, ts). Raises DeliveryError. The client itself never retries."""
        arguments: dict[str, Any] = {
            "channel": message.channel,
            "text": message.rendered.text,
            "blocks": [*message.rendered.blocks],
            "metadata": {"event_type": EVENT_TYPE, "event_payload": {"id": notice.id}},
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if message.thread:
            arguments["thread_ts"] = message.thread
        try:
            with use_token(token):
                answer = await asyncio.wait_for(self._client.chat_postMessage(**arguments), self._timing.timeout)
        except CLIENT_ERRORS as error:
            raise classify_error(error) from error
        finally:
            self._limiter.done(token)
        return str(answer.get("channel") or message.channel), str(answer["ts"])

    async def sent(self, notice: Notice, message: OutgoingMessage, channel: str, ts: str) -> None:
        now = self._now()
        sweep = now + timedelta(seconds=self._timing.sweep) if notice.ambiguous and notice.attempts > 1 else None
        self._counted("sent")

        def record(tx: Any) -> None:
            tx.notices.mark_sent(notice, f"{channel}/{ts}", sweep_at=sweep)
            tx.messages.record_posted(Message(channel, ts, message.subject, message.role, message.revision, now))

        await self.settle(notice, record)
        if message.role == Role.CARD.value:
            self._wake_cards()

    async def _not_accepted(self, notice: Notice, error: NotAccepted) -> None:
        wait = error.retry_after or min(300.0, 2.0**notice.attempts)
        at = self._now() + timedelta(seconds=wait)
        self._counted("again")
        await self.settle(notice, lambda tx: tx.notices.postpone(notice, at, error.code))

    async def _undeliverable(self, notice: Notice, message: OutgoingMessage, error: Undeliverable) -> None:
        """If the channel can't be reached, the requester gets the message directly, with what to do about it."""
        if error.code == "thread_not_found" and notice.body.get("thread"):
            # The thread's first message was deleted, so the reply goes to the channel itself.
            body = {**notice.body, "thread": ""}
            await self.settle(
                notice, lambda tx: self._redirect(tx, notice, "channel", notice.address, body, error.code)
            )
            return
        if error.code in CHANNEL_UNREACHABLE_ERRORS and message.fallback and not notice.body.get("fallback"):
            body = {**notice.body, "fallback": message.fallback, "why": error.code}
            await self.settle(notice, lambda tx: self._redirect(tx, notice, "dm", message.fallback, body, error.code))
            return
        self._counted("dead")
        log.error("a notification can't be delivered", extra={"facts": {"notice": notice.id, "code": error.code}})
        await self.settle(notice, lambda tx: tx.notices.mark_dead(notice, error.code))

    def _redirect(self, tx: Any, notice: Notice, how: str, address: str, body: Mapping[str, Any], code: str) -> None:
        tx.notices.mark_dead(notice, code)
        ident = f"{notice.id}-{how}"
        tx.notices.add(ident, notice.event, "slack", address, notice.lane, body, self._now(), priority=notice.priority)

    async def settle(self, notice: Notice, change: Callable[[Any], None]) -> None:
        try:
            await self._store.write(change)
        except ConcurrentChange:
            log.warning("notice %s was settled by another sender", notice.id)
