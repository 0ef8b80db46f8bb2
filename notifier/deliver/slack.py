"""Creating messages in Slack, each exactly once as far as Slack lets one tell.

Write-ahead claim → post with the notice's id as metadata → classify. What may have arrived unseen is quarantined, looked
for in the channel's history, and only then sent again; a second copy that turns up late is swept away. Approvals and
news of failures do not wait: they are sent again soon and swept, since hearing twice is better than late.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from domain.errors import DeliveryError, Doubtful, Lost, NotAccepted, StoreError, Undeliverable
from domain.event import Event
from notifier.deliver import apart
from notifier.deliver.allowance import Allowance
from notifier.deliver.outcome import OUT_OF_REACH, of_fault
from notifier.render.answers import Rendered
from notifier.route import Role
from store.messages import Message
from store.notices import Notice
from store.writer import Store

log = logging.getLogger(__name__)

EVENT_TYPE = "velero_operation"
AT_ONCE = 8
UNDRAWN = "notices that cannot be drawn"
FAULTS = (SlackApiError, aiohttp.ClientError, TimeoutError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `hurry`: how soon a doubtful approval or failure is sent again."""

    timeout: float = 10.0
    quarantine: float = 90.0
    read_gap: float = 10.0
    sweep: float = 900.0
    hurry: float = 10.0
    skew: float = 5.0
    history: bool = True


@dataclass(frozen=True, slots=True)
class Letter:
    """What is posted, and where. `fallback`: who is written to directly if the channel is out of reach."""

    channel: str
    rendered: Rendered
    thread: str = ""
    revision: int = 0
    subject: str = ""
    role: str = ""
    fallback: str = ""


class Writer(Protocol):
    """Draws a notice when it leaves; None when there is nothing to say any more."""

    async def letter(self, notice: Notice, event: Event | None) -> Letter | None: ...


class SlackDelivery:
    def __init__(
        self,
        store: Store,
        client: AsyncWebClient,
        writer: Writer,
        allowance: Allowance,
        now: Callable[[], datetime],
        timing: Timing,
        wake_cards: Callable[[], None] = lambda: None,
        counted: Callable[[str], None] = lambda _outcome: None,
    ) -> None:
        self._store = store
        self._client = client
        self._writer = writer
        self._allowance = allowance
        self._now = now
        self._timing = timing
        self._wake_cards = wake_cards
        self._counted = counted

    async def round(self) -> float | None:
        """Claims what is due and sends it, lanes side by side."""
        now = self._now()
        wait = self._allowance.take(now)
        if wait:
            return min(wait, 5.0)
        claimed = await self._store.write(lambda tx: tx.notices.claim(now, AT_ONCE, kind="slack"))
        if not claimed:
            return await self._until_next(now)
        drawn, faults = await self._drawn(claimed)
        await asyncio.gather(*(self._send(notice, letter) for notice, letter in drawn))
        apart.told(UNDRAWN, faults)
        return 0

    async def _drawn(self, notices: Sequence[Notice]) -> tuple[list[tuple[Notice, Letter | None]], list[Exception]]:
        """A notice that we fail to draw goes aside: it must not hold up its lane, nor the others."""
        letters = await apart.each(self._draw(notice) for notice in notices)
        drawn: list[tuple[Notice, Letter | None]] = []
        faults: list[Exception] = []
        for notice, letter in zip(notices, letters, strict=True):
            if isinstance(letter, Exception):
                faults.append(letter)
                await self._aside(notice, letter)
            else:
                drawn.append((notice, letter))
        return drawn, faults

    async def _draw(self, notice: Notice) -> Letter | None:
        event = await self._store.read(lambda tx: tx.outbox.event(notice.event))
        return await self._writer.letter(notice, event)

    async def _aside(self, notice: Notice, fault: Exception) -> None:
        if isinstance(fault, StoreError):
            soon = self._now() + timedelta(seconds=self._timing.hurry)
            await self._settle(notice, lambda tx: tx.notices.again(notice, soon, fault.text))
            return
        self._counted("dead")
        why = f"it cannot be drawn: {type(fault).__name__}"
        await self._settle(notice, lambda tx: tx.notices.dead(notice, why))

    async def _until_next(self, now: datetime) -> float:
        due = await self._store.read(lambda tx: tx.notices.next_due(kind="slack"))
        return 5.0 if due is None else min(5.0, max(0.05, (due - now).total_seconds()))

    async def _send(self, notice: Notice, letter: Letter | None) -> None:
        if letter is None:
            await self._settle(notice, lambda tx: tx.notices.dead(notice, "there is nothing to say any more"))
            return
        try:
            channel, ts = await self._post(notice, letter)
        except NotAccepted as fault:
            await self._not_accepted(notice, fault)
        except Undeliverable as fault:
            await self._undeliverable(notice, letter, fault)
        except Doubtful as fault:
            self._counted("doubtful")
            why = fault.code or fault.text
            await self._settle(notice, lambda tx: tx.notices.unknown(notice, why))
        else:
            await self.sent(notice, letter, channel, ts)

    async def _post(self, notice: Notice, letter: Letter) -> tuple[str, str]:
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
            answer = await asyncio.wait_for(self._client.chat_postMessage(**arguments), self._timing.timeout)
        except FAULTS as fault:
            raise of_fault(fault) from fault
        return str(answer.get("channel") or letter.channel), str(answer["ts"])

    async def sent(self, notice: Notice, letter: Letter, channel: str, ts: str) -> None:
        now = self._now()
        sweep = now + timedelta(seconds=self._timing.sweep) if notice.ambiguous and notice.attempts > 1 else None
        self._counted("sent")

        def record(tx: Any) -> None:
            tx.notices.sent(notice, f"{channel}/{ts}", sweep_at=sweep)
            tx.messages.posted(Message(channel, ts, letter.subject, letter.role, letter.revision, now))

        await self._settle(notice, record)
        if letter.role == Role.CARD.value:
            self._wake_cards()

    async def _not_accepted(self, notice: Notice, fault: NotAccepted) -> None:
        now = self._now()
        wait = fault.retry_after or min(300.0, 2.0**notice.attempts)
        if fault.code == "ratelimited":
            self._allowance.closed(now, wait)
        self._counted("again")
        await self._settle(notice, lambda tx: tx.notices.again(notice, now + timedelta(seconds=wait), fault.code))

    async def _undeliverable(self, notice: Notice, letter: Letter, fault: Undeliverable) -> None:
        """A channel out of reach: the person who asked is written to directly, with what to do."""
        if fault.code == "thread_not_found" and notice.body.get("thread"):
            # The message that was answered is gone: the channel itself, rather than nowhere.
            body = {**notice.body, "thread": ""}
            await self._settle(
                notice, lambda tx: self._instead(tx, notice, "channel", notice.address, body, fault.code)
            )
            return
        if fault.code in OUT_OF_REACH and letter.fallback and not notice.body.get("fallback"):
            body = {**notice.body, "fallback": letter.fallback, "why": fault.code}
            await self._settle(notice, lambda tx: self._instead(tx, notice, "dm", letter.fallback, body, fault.code))
            return
        self._counted("dead")
        log.error("a notice cannot be delivered", extra={"facts": {"notice": notice.id, "code": fault.code}})
        await self._settle(notice, lambda tx: tx.notices.dead(notice, fault.code))

    def _instead(self, tx: Any, notice: Notice, how: str, address: str, body: Mapping[str, Any], code: str) -> None:
        tx.notices.dead(notice, code)
        ident = f"{notice.id}-{how}"
        tx.notices.add(ident, notice.event, "slack", address, notice.lane, body, self._now(), priority=notice.priority)

    async def _settle(self, notice: Notice, change: Callable[[Any], None]) -> None:
        try:
            await self._store.write(change)
        except Lost:
            log.warning("notice %s was settled by somebody else", notice.id)

    async def reconcile(self) -> float | None:
        """What may have arrived: history decides, after the quarantine; the urgent is sent again without waiting."""
        now, timing = self._now(), self._timing
        gap = timedelta(seconds=timing.read_gap)
        hurry = timedelta(seconds=timing.hurry)
        hurried = await self._store.read(lambda tx: tx.notices.to_reconcile(now, hurry, gap, kind="slack"))
        ripe = now - timedelta(seconds=timing.quarantine)
        looked_for: list[Notice] = []
        for notice in hurried:
            if urgent(notice) or (not timing.history and notice.last_at and notice.last_at <= ripe):
                await self._settle(notice, lambda tx, one=notice: tx.notices.resend(one, now))  # type: ignore[misc]
            elif notice.last_at is None or notice.last_at <= ripe:
                looked_for.append(notice)
        drawn, faults = await self._drawn(looked_for)
        for notice, letter in drawn:
            await self._look(notice, letter, now)
        apart.told(UNDRAWN, faults)
        return 1.0 if hurried else min(5.0, timing.read_gap)

    async def _look(self, notice: Notice, letter: Letter | None, now: datetime) -> None:
        if letter is None:
            await self._settle(notice, lambda tx: tx.notices.dead(notice, "there is nothing to say any more"))
            return
        try:
            found = await self._copies(notice, letter)
        except DeliveryError as fault:
            log.warning("history cannot be read: %s", fault.code)
            if fault.code in {"missing_scope", "not_in_channel", "channel_not_found", "is_archived"}:
                await self._settle(notice, lambda tx: tx.notices.resend(notice, now))
            return
        if found:
            channel, ts = found[0]
            # What it was drawn from is not known any more: it is taken for the oldest, so that a card is drawn again.
            await self.sent(notice, replace(letter, revision=0), channel, ts)
            return
        reads = notice.reads + 1
        await self._settle(notice, lambda tx: self._absent(tx, notice, reads, now))

    def _absent(self, tx: Any, notice: Notice, reads: int, now: datetime) -> None:
        tx.notices.absent(notice, now)
        if reads >= 2:
            fresh = tx.notices.get(notice.id)
            tx.notices.resend(fresh, now)

    async def _copies(self, notice: Notice, letter: Letter) -> list[tuple[str, str]]:
        """(channel, ts) of every message with this notice's id, oldest first. Raises DeliveryError."""
        channel = await self._channel(letter.channel)
        begun = (notice.first_at or notice.created_at) - timedelta(seconds=self._timing.skew)
        found: list[tuple[str, str]] = []
        cursor = ""
        while True:
            answer = await self._read(channel, letter.thread, begun, cursor)
            for message in answer.get("messages") or []:
                metadata = message.get("metadata") or {}
                if (metadata.get("event_payload") or {}).get("id") == notice.id:
                    found.append((channel, str(message["ts"])))
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return sorted(set(found), key=lambda one: float(one[1]))

    async def _read(self, channel: str, thread: str, begun: datetime, cursor: str) -> Mapping[str, Any]:
        arguments: dict[str, Any] = {
            "channel": channel,
            "oldest": f"{begun.timestamp():.6f}",
            "include_all_metadata": True,
            "limit": 200,
        }
        if cursor:
            arguments["cursor"] = cursor
        call: Callable[..., Awaitable[Any]] = self._client.conversations_history
        if thread:
            call, arguments["ts"] = self._client.conversations_replies, thread
        try:
            answer = await asyncio.wait_for(call(**arguments), self._timing.timeout)
        except FAULTS as fault:
            raise of_fault(fault) from fault
        return answer.data if isinstance(answer.data, dict) else {}

    async def _channel(self, address: str) -> str:
        """A person's direct messages have a channel of their own."""
        if address[:1] not in {"U", "W"}:
            return address
        try:
            opened = await self._client.conversations_open(users=[address])
        except FAULTS as fault:
            raise of_fault(fault) from fault
        return str((opened.get("channel") or {}).get("id") or address)

    async def sweep(self) -> float | None:
        """Long after: of two copies the older stays."""
        now = self._now()
        for notice in await self._store.read(lambda tx: tx.notices.to_sweep(now)):
            await self._sweep_one(notice, now)
        return 5.0

    async def _sweep_one(self, notice: Notice, now: datetime) -> None:
        channel, _, kept = notice.receipt.partition("/")
        letter = await apart.one(self._draw(notice))
        thread = letter.thread if isinstance(letter, Letter) else ""
        try:
            copies = await self._copies(notice, Letter(channel, Rendered("", ()), thread))
            for where, ts in copies[1:]:
                await self._client.chat_delete(channel=where, ts=ts)
            kept = copies[0][1] if copies else kept
        except (DeliveryError, *FAULTS) as fault:
            log.warning("a sweep has to wait: %s", type(fault).__name__)
        again = now + timedelta(hours=24) if notice.sweeps == 0 else None
        await self._settle(notice, lambda tx: tx.notices.swept(notice, f"{channel}/{kept}", next_at=again))


def urgent(notice: Notice) -> bool:
    """An approval request, or news of a failure: its buttons are idempotent, and late is worse than twice."""
    return notice.body.get("role") == Role.APPROVAL.value or (
        notice.body.get("role") == Role.NEWS.value and bool(notice.body.get("mention"))
    )
