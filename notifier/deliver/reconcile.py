"""Settles doubtful posts by the channel's history: a message that arrived is kept, one that didn't is sent again.

A doubtful notice is looked for before it is sent again: after the quarantine, or after the shorter `hurry` for approval
requests and failures, for which late is worse than twice. If the history can't be read in time, urgent notices are sent
again without it. A second copy that turns up later is deleted by `sweep`, which is repeated until it succeeds.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from domain.errors import DeliveryError, NotAccepted
from notifier.deliver import isolation
from notifier.deliver.history import UNREADABLE, ChannelHistory, Copies, HistoryPlace, requested_wait
from notifier.deliver.outcome import classify_error
from notifier.deliver.slack import CLIENT_ERRORS, NOTHING_TO_SAY, UNRENDERABLE, OutgoingMessage, SlackDelivery, Timing
from notifier.route import Role
from store.tables.notices import Notice
from store.transaction import Transaction
from store.writer import Store

log = logging.getLogger(__name__)

MAX_HISTORY_READS = 2
"""Complete reads without the notice before it is sent again; one read is enough for an urgent one."""
FIRST_RETRY_S, LONGEST_RETRY_S = 60.0, 6 * 3600.0
SECOND_SWEEP = timedelta(hours=24)
MESSAGE_GONE_ERRORS = frozenset({"message_not_found", "channel_not_found"})


class Reconciler:
    """`round` settles doubtful notices, `sweep` deletes second copies."""

    def __init__(
        self,
        store: Store,
        client: AsyncWebClient,
        delivery: SlackDelivery,
        history: ChannelHistory,
        now: Callable[[], datetime],
        timing: Timing,
    ) -> None:
        self._store = store
        self._client = client
        self._delivery = delivery
        self._history = history
        self._now = now
        self._timing = timing
        self._not_before: dict[str, datetime] = {}

    async def round(self) -> float | None:
        now, timing = self._now(), self._timing
        hurry = timedelta(seconds=timing.hurry)
        doubtful = await self._store.read(lambda tx: tx.notices.to_reconcile(now, hurry, timedelta(), kind="slack"))
        self._not_before = {each.id: self._not_before[each.id] for each in doubtful if each.id in self._not_before}
        due = [each for each in doubtful if self._is_due(each, now)]
        if not timing.history:
            for notice in due:
                await self._resend(notice)
            return min(5.0, timing.read_gap)
        groups, errors = await self._by_place(due)
        for place, group in groups.items():
            await self._search(place, group, now)
        isolation.raise_all(UNRENDERABLE, errors)
        return 1.0 if doubtful else min(5.0, timing.read_gap)

    def _is_due(self, notice: Notice, now: datetime) -> bool:
        if notice.id in self._not_before and now < self._not_before[notice.id]:
            return False
        if notice.read_at is not None and now - notice.read_at < timedelta(seconds=self._timing.read_gap):
            return False
        quarantine = timedelta(seconds=self._timing.quarantine)
        return is_urgent(notice) or notice.last_at is None or now - notice.last_at >= quarantine

    async def _by_place(
        self, notices: Sequence[Notice]
    ) -> tuple[Mapping[HistoryPlace, list[tuple[Notice, OutgoingMessage]]], list[Exception]]:
        """Group by channel and thread. A notice that can't be rendered is set set_aside and holds up no other."""
        messages = await isolation.run_each(self._delivery.draw(notice) for notice in notices)
        groups: dict[HistoryPlace, list[tuple[Notice, OutgoingMessage]]] = defaultdict(list)
        errors: list[Exception] = []
        for notice, message in zip(notices, messages, strict=True):
            if isinstance(message, Exception):
                if not isinstance(message, NotAccepted):
                    errors.append(message)
                    await self._delivery.set_aside(notice, message)
            elif message is None:
                await self._settle_silent(notice)
            else:
                groups[HistoryPlace(message.channel, message.thread)].append((notice, message))
        return groups, errors

    async def _settle_silent(self, notice: Notice) -> None:
        await self._delivery.settle(notice, lambda tx: tx.notices.suppress(notice, NOTHING_TO_SAY))

    async def _search(
        self, place: HistoryPlace, group: Sequence[tuple[Notice, OutgoingMessage]], now: datetime
    ) -> None:
        """One read serves the whole group."""
        since = min(self._since(notice) for notice, _ in group)
        try:
            channel = await self._history.channel_of(place.channel)
            copies = await self._history.find_copies(place, since)
        except DeliveryError as error:
            log.warning("history can't be read: %s", error.code)
            await self._unknown(place, [notice for notice, _ in group], error, now)
            return
        for notice, message in group:
            if found := copies.get(notice.id):
                # The revision that it shows isn't known any more. 0 makes the projection edit it once.
                await self._delivery.sent(notice, replace(message, revision=0), channel, found[0])
            else:
                await self._absent(notice, now)

    async def _unknown(
        self, place: HistoryPlace, notices: Sequence[Notice], error: DeliveryError, now: datetime
    ) -> None:
        again = now + timedelta(seconds=max(requested_wait(error), self._history.wait(place), self._timing.read_gap))
        for notice in notices:
            if error.code in UNREADABLE or (is_urgent(notice) and self._overdue(notice, again)):
                await self._resend(notice)
            else:
                self._not_before[notice.id] = again

    def _overdue(self, notice: Notice, again: datetime) -> bool:
        """Return whether the next read would come later than an urgent notice may wait: twice the hurry."""
        return notice.last_at is None or again - notice.last_at > 2 * timedelta(seconds=self._timing.hurry)

    def _since(self, notice: Notice) -> datetime:
        return (notice.first_at or notice.created_at) - timedelta(seconds=self._timing.skew)

    async def _absent(self, notice: Notice, now: datetime) -> None:
        enough = is_urgent(notice) or notice.reads + 1 >= MAX_HISTORY_READS

        def record(tx: Transaction) -> None:
            tx.notices.record_absence(notice, now)
            fresh = tx.notices.get(notice.id)
            if enough and fresh is not None:
                tx.notices.resend(fresh, now)

        await self._delivery.settle(notice, record)

    async def _resend(self, notice: Notice) -> None:
        now = self._now()
        await self._delivery.settle(notice, lambda tx: tx.notices.resend(notice, now))

    async def sweep(self) -> float | None:
        """Delete second copies, long after the posts; the older copy stays."""
        now = self._now()
        groups: dict[HistoryPlace, list[Notice]] = defaultdict(list)
        for notice, place in await self._store.read(lambda tx: _to_sweep(tx, now)):
            groups[place].append(notice)
        for place, group in groups.items():
            try:
                copies = await self._history.find_copies(place, min(map(self._since, group)))
            except DeliveryError as error:
                log.warning("a sweep has to wait: %s", error.code)
                for notice in group:
                    await self._postpone_sweep(notice, now, requested_wait(error))
            else:
                for notice in group:
                    await self._sweep_one(notice, place, copies, now)
        return 5.0

    async def _sweep_one(self, notice: Notice, place: HistoryPlace, copies: Copies, now: datetime) -> None:
        standing = copies.get(notice.id, ())
        for ts in standing[1:]:
            try:
                await self._client.chat_delete(channel=place.channel, ts=ts)
            except CLIENT_ERRORS as error:
                said = classify_error(error)
                if said.code not in MESSAGE_GONE_ERRORS:
                    log.warning("a second copy can't be deleted yet: %s", said.code)
                    await self._postpone_sweep(notice, now, requested_wait(said))
                    return
        receipt = f"{place.channel}/{standing[0]}" if standing else notice.receipt
        again = now + SECOND_SWEEP if notice.sweeps == 0 else None
        await self._delivery.settle(notice, lambda tx: tx.notices.record_sweep(notice, receipt, next_at=again))

    async def _postpone_sweep(self, notice: Notice, now: datetime, asked: float) -> None:
        at = now + timedelta(seconds=max(asked, sweep_retry_wait(notice.sweep_tries)))
        await self._delivery.settle(notice, lambda tx: tx.notices.postpone_sweep(notice, at))


def sweep_retry_wait(tries: int) -> float:
    """Return the seconds until a sweep is repeated that failed `tries` times before."""
    return min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(tries, 12))


def _to_sweep(tx: Transaction, now: datetime) -> list[tuple[Notice, HistoryPlace]]:
    found = []
    for notice in tx.notices.to_sweep(now):
        channel = notice.receipt.partition("/")[0]
        found.append((notice, HistoryPlace(channel, _thread(tx, notice, channel))))
    return found


def _thread(tx: Transaction, notice: Notice, channel: str) -> str:
    """The thread of a notice: replies are in the thread of the status message, status messages where they were requested."""
    body: Mapping[str, Any] = notice.body
    if body.get("role") == Role.REPLY.value:
        cards = tx.messages.of(str(body.get("operation", "")), Role.CARD.value)
        return next((card.ts for card in cards if card.channel == channel), "")
    fallback = body.get("fallback")
    return str(body.get("thread") or "") if body.get("role") == Role.CARD.value and not fallback else ""


def is_urgent(notice: Notice) -> bool:
    """Return whether a second copy is better than a late one: approval requests and failures that mention someone."""
    return notice.body.get("role") == Role.APPROVAL.value or (
        notice.body.get("role") == Role.NEWS.value and bool(notice.body.get("mention"))
    )
