"""Creating messages in Slack, each exactly once as far as Slack lets one tell.

A notice is drawn and has its token before it is claimed; claim → post with the notice's id as metadata → classify. So a
kill between claim and post is a matter of milliseconds, and no more is claimed than may leave. What may have arrived
unseen is looked for in the channel's history before it is sent again (`reconcile`).
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
FAULTS = (SlackApiError, aiohttp.ClientError, TimeoutError, OSError, ValueError)
LONGEST_REST_S = 5.0
RECHECK_S = 0.2
TOKEN_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Band:
    """Notices whose `priorities` lie between these; `room`: how many of them are under way at once."""

    priority: Priority
    priorities: tuple[int, int]
    room: int


BANDS = (
    Band(Priority.APPROVAL, (0, 0), 4),
    Band(Priority.URGENT, (1, 19), 8),
    Band(Priority.NEW, (20, 1_000_000), 8),
)
"""Each has room of its own: what asks for votes waits for nothing else, and nothing urgent for routine."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `hurry`: how soon a doubtful approval or failure is looked for and sent again."""

    timeout: float = 10.0
    quarantine: float = 90.0
    read_gap: float = 10.0
    sweep: float = 900.0
    hurry: float = 10.0
    skew: float = 5.0
    history: bool = True


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """What is posted, and where. `fallback`: who is written to directly if the channel is out of reach."""

    channel: str
    rendered: Rendered
    thread: str = ""
    revision: int = 0
    subject: str = ""
    role: str = ""
    fallback: str = ""


class BuildMessage(Protocol):
    """Draws a notice when it leaves; None when there is nothing to say any more."""

    async def build(self, notice: Notice, event: Event | None) -> OutgoingMessage | None: ...


class SlackDelivery:
    def __init__(
        self,
        store: Store,
        client: AsyncWebClient,
        writer: BuildMessage,
        limiter: RateLimiter,
        now: Callable[[], datetime],
        timing: Timing,
        wake_cards: Callable[[], None] = lambda: None,
        counted: Callable[[str], None] = lambda _outcome: None,
    ) -> None:
        self._store = store
        self._client = client
        self._writer = writer
        self._limiter = limiter
        self._now = now
        self._timing = timing
        self._wake_cards = wake_cards
        self._counted = counted
        self._busy: dict[str, tuple[Band, asyncio.Task[None]]] = {}

    async def round(self) -> float | None:
        """Begins what is due and has a token, lanes side by side; comes back when one is done, or soon."""
        rests = [await self._begin(band) for band in BANDS]
        if self._busy:
            tasks = [task for _, task in self._busy.values()]
            await asyncio.wait(tasks, timeout=RECHECK_S, return_when=asyncio.FIRST_COMPLETED)
            self._collect()
            return 0
        return min(rests)

    async def close(self) -> None:
        """What was claimed and not answered is looked for after the next start."""
        tasks = [task for _, task in self._busy.values()]
        self._busy.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _collect(self) -> None:
        done = {ident: task for ident, (_, task) in self._busy.items() if task.done()}
        for ident in done:
            del self._busy[ident]
        isolation.raise_all(UNRENDERABLE, isolation.faults_of(done.values()))

    async def _begin(self, band: Band) -> float:
        """Seconds until more of this band may leave. A channel without a token keeps no other waiting."""
        now, rest = self._now(), LONGEST_REST_S
        closed: set[str] = set()
        while room := band.room - sum(1 for each, _ in self._busy.values() if each is band):
            if wait := self._limiter.wait(POST, "", band.priority):
                return min(rest, wait)
            if not (found := await self._ready(now, band, room, closed)):
                return min(rest, await self._until_next(now))
            for notice, place in found:
                if (token := self._limiter.take(POST, place, band.priority)) is None:
                    closed.add(place)
                    rest = min(rest, self._limiter.wait(POST, place, band.priority))
                else:
                    task = asyncio.create_task(self._deliver(notice, place, band, token))
                    self._busy[notice.id] = (band, task)
        return rest

    async def _ready(self, now: datetime, band: Band, room: int, closed: set[str]) -> tuple[tuple[Notice, str], ...]:
        taken = tuple(self._busy)
        return await self._store.read(
            lambda tx: tx.notices.ready(now, "slack", band.priorities, room, closed=closed, taken=taken)
        )

    async def _until_next(self, now: datetime) -> float:
        """What is due already waits for a token: its bucket says how long."""
        due = await self._store.read(lambda tx: tx.notices.next_due(kind="slack", after=now))
        return LONGEST_REST_S if due is None else min(LONGEST_REST_S, max(0.05, (due - now).total_seconds()))

    async def _deliver(self, notice: Notice, place: str, band: Band, token: Token) -> None:
        """Raises what kept the notice from being drawn, once it is put aside."""
        try:
            letter = await isolation.run_one(self.draw(notice))
            if isinstance(letter, Exception):
                await self.aside(notice, letter)
                raise letter
            if letter is None:
                await self.settle(notice, lambda tx: tx.notices.suppress(notice, NOTHING_TO_SAY))
                return
            if letter.channel != place:
                token.give_back()
                token = await self._limiter.token(POST, letter.channel, band.priority, TOKEN_PATIENCE_S)
            now = self._now()
            claimed = await self._store.write(lambda tx: tx.notices.begin(notice, now))
            await self._send(claimed, letter, token)
        except (ConcurrentChange, NotAccepted) as error:
            log.info("notice %s waits: %s", notice.id, error.text)
        finally:
            token.give_back()

    async def draw(self, notice: Notice) -> OutgoingMessage | None:
        event = await self._store.read(lambda tx: tx.outbox.event(notice.event))
        return await self._writer.build(notice, event)

    async def aside(self, notice: Notice, fault: Exception) -> None:
        """A notice that we fail to draw must not hold up its lane; where others failed us it is tried again."""
        if isinstance(fault, (StoreError, NotAccepted)):
            asked = fault.retry_after if isinstance(fault, NotAccepted) else None
            soon = self._now() + timedelta(seconds=asked or self._timing.hurry)
            await self.settle(notice, lambda tx: tx.notices.again(notice, soon, fault.text))
            return
        self._counted("dead")
        why = f"the notification can't be rendered: {type(fault).__name__}"
        await self.settle(notice, lambda tx: tx.notices.dead(notice, why))

    async def _send(self, notice: Notice, letter: OutgoingMessage, token: Token) -> None:
        try:
            channel, ts = await self._post(notice, letter, token)
        except NotAccepted as error:
            await self._not_accepted(notice, error)
        except Undeliverable as error:
            await self._undeliverable(notice, letter, error)
        except Doubtful as error:
            self._counted("doubtful")
            why = error.code or error.text
            await self.settle(notice, lambda tx: tx.notices.unknown(notice, why))
        else:
            await self.sent(notice, letter, channel, ts)

    async def _post(self, notice: Notice, letter: OutgoingMessage, token: Token) -> tuple[str, str]:
        """(channel, ts). Raises DeliveryError. The client never tries again by itself."""
        arguments: dict[str, Any] = {
            "channel": letter.channel,
            "text": letter.rendered.text,
            "blocks": [*letter.rendered.blocks],
            "metadata": {"event_type": EVENT_TYPE, "event_payload": {"id": notice.id}},
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if letter.thread:
            arguments["thread_ts"] = letter.thread
        try:
            with use_token(token):
                answer = await asyncio.wait_for(self._client.chat_postMessage(**arguments), self._timing.timeout)
        except FAULTS as error:
            raise classify_error(error) from error
        finally:
            self._limiter.done(token)
        return str(answer.get("channel") or letter.channel), str(answer["ts"])

    async def sent(self, notice: Notice, letter: OutgoingMessage, channel: str, ts: str) -> None:
        now = self._now()
        sweep = now + timedelta(seconds=self._timing.sweep) if notice.ambiguous and notice.attempts > 1 else None
        self._counted("sent")

        def record(tx: Any) -> None:
            tx.notices.sent(notice, f"{channel}/{ts}", sweep_at=sweep)
            tx.messages.posted(Message(channel, ts, letter.subject, letter.role, letter.revision, now))

        await self.settle(notice, record)
        if letter.role == Role.CARD.value:
            self._wake_cards()

    async def _not_accepted(self, notice: Notice, fault: NotAccepted) -> None:
        wait = fault.retry_after or min(300.0, 2.0**notice.attempts)
        at = self._now() + timedelta(seconds=wait)
        self._counted("again")
        await self.settle(notice, lambda tx: tx.notices.again(notice, at, fault.code))

    async def _undeliverable(self, notice: Notice, letter: OutgoingMessage, fault: Undeliverable) -> None:
        """A channel out of reach: the person who asked is written to directly, with what to do."""
        if fault.code == "thread_not_found" and notice.body.get("thread"):
            # The message that was answered is gone: the channel itself, rather than nowhere.
            body = {**notice.body, "thread": ""}
            await self.settle(notice, lambda tx: self._instead(tx, notice, "channel", notice.address, body, fault.code))
            return
        if fault.code in CHANNEL_UNREACHABLE_ERRORS and letter.fallback and not notice.body.get("fallback"):
            body = {**notice.body, "fallback": letter.fallback, "why": fault.code}
            await self.settle(notice, lambda tx: self._instead(tx, notice, "dm", letter.fallback, body, fault.code))
            return
        self._counted("dead")
        log.error("a notice cannot be delivered", extra={"facts": {"notice": notice.id, "code": fault.code}})
        await self.settle(notice, lambda tx: tx.notices.dead(notice, fault.code))

    def _instead(self, tx: Any, notice: Notice, how: str, address: str, body: Mapping[str, Any], code: str) -> None:
        tx.notices.dead(notice, code)
        ident = f"{notice.id}-{how}"
        tx.notices.add(ident, notice.event, "slack", address, notice.lane, body, self._now(), priority=notice.priority)

    async def settle(self, notice: Notice, change: Callable[[Any], None]) -> None:
        try:
            await self._store.write(change)
        except ConcurrentChange:
            log.warning("notice %s was settled by somebody else", notice.id)
