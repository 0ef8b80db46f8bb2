"""Reads a channel's history: one read serves every doubtful notice of the channel.

After a refused read the next one waits for Slack's Retry-After, and longer with each refusal in a row.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from domain.actor import is_slack_user_id
from domain.errors import DeliveryError, NotAccepted
from notifier.deliver.outcome import classify_error
from notifier.deliver.rate_limit import HISTORY, REPLIES, RateLimiter, use_token
from notifier.deliver.slack import CLIENT_ERRORS

MAX_PAUSE_S = 600.0
MAX_PLACES = 1000
PAGE = 200

UNREADABLE = frozenset({"missing_scope", "not_in_channel", "channel_not_found", "is_archived", "thread_not_found"})
"""The history stays unreadable, however long the bot waits."""


@dataclass(frozen=True, slots=True)
class HistoryPlace:
    """The messages of a channel, or with `thread` the replies to one of them."""

    channel: str
    thread: str = ""


Copies = Mapping[str, tuple[str, ...]]
"""Notice id → the ts of every message that carries it, oldest first."""


class ChannelHistory:
    """`gap`: the shortest wait in seconds after a first refusal."""

    def __init__(
        self,
        client: AsyncWebClient,
        limiter: RateLimiter,
        now: Callable[[], datetime],
        gap: float,
        timeout: float,
    ) -> None:
        self._client = client
        self._limiter = limiter
        self._now = now
        self._gap = gap
        self._timeout = timeout
        self._rests: dict[HistoryPlace, tuple[int, datetime]] = {}
        self._direct: dict[str, str] = {}

    def wait(self, place: HistoryPlace) -> float:
        """Return the seconds until this place may be read."""
        _, until = self._rests.get(place, (0, self._now()))
        rest = max(0.0, (until - self._now()).total_seconds())
        return max(rest, self._limiter.wait(_method(place), place.channel))

    async def find_copies(self, place: HistoryPlace, since: datetime) -> Copies:
        """Raises DeliveryError; NotAccepted before the place may be read again."""
        if wait := self.wait(place):
            raise NotAccepted("The history can't be read again yet.", code="ratelimited", retry_after=wait)
        try:
            found = await self._all(place, since)
        except DeliveryError as error:
            self._refused(place, requested_wait(error))
            raise
        self._rests.pop(place, None)
        return {ident: tuple(sorted(each, key=float)) for ident, each in found.items()}

    def _refused(self, place: HistoryPlace, asked: float) -> None:
        failures = self._rests.get(place, (0, None))[0] + 1
        grown: float = min(MAX_PAUSE_S, self._gap * 2.0 ** (failures - 1))
        self._rests[place] = (failures, self._now() + timedelta(seconds=max(asked, grown)))
        while len(self._rests) > MAX_PLACES:
            self._rests.pop(next(iter(self._rests)))

    async def _all(self, place: HistoryPlace, since: datetime) -> Mapping[str, set[str]]:
        channel = await self.channel_of(place.channel)
        found: dict[str, set[str]] = defaultdict(set)
        cursor = ""
        while True:
            answer = await self._page(HistoryPlace(channel, place.thread), since, cursor)
            for message in answer.get("messages") or []:
                ident = ((message.get("metadata") or {}).get("event_payload") or {}).get("id")
                if ident:
                    found[str(ident)].add(str(message["ts"]))
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return found

    async def _page(self, place: HistoryPlace, since: datetime, cursor: str) -> Mapping[str, Any]:
        arguments: dict[str, Any] = {
            "channel": place.channel,
            "oldest": f"{since.timestamp():.6f}",
            "include_all_metadata": True,
            "limit": PAGE,
        }
        if cursor:
            arguments["cursor"] = cursor
        call: Callable[..., Any] = self._client.conversations_history
        if place.thread:
            call, arguments["ts"] = self._client.conversations_replies, place.thread
        token = await self._limiter.token(_method(place), place.channel)
        try:
            with use_token(token):
                answer = await asyncio.wait_for(call(**arguments), self._timeout)
        except CLIENT_ERRORS as error:
            raise classify_error(error) from error
        finally:
            self._limiter.done(token)
        return answer.data if isinstance(answer.data, dict) else {}

    async def channel_of(self, address: str) -> str:
        """A person's direct messages have a channel of their own."""
        if not is_slack_user_id(address):
            return address
        if address not in self._direct:
            try:
                opened = await asyncio.wait_for(self._client.conversations_open(users=[address]), self._timeout)
            except CLIENT_ERRORS as error:
                raise classify_error(error) from error
            self._direct[address] = str((opened.get("channel") or {}).get("id") or address)
            while len(self._direct) > MAX_PLACES:
                self._direct.pop(next(iter(self._direct)))
        return self._direct[address]


def requested_wait(error: DeliveryError) -> float:
    """Seconds that Slack, or our own bucket, asks to wait; 0 where it asks for nothing."""
    return (error.retry_after or 0.0) if isinstance(error, NotAccepted) else 0.0


def _method(place: HistoryPlace) -> str:
    return REPLIES if place.thread else HISTORY
