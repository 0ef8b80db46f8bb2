"""Keeps calls within Slack's rate limits, so that Slack has no reason to answer 429.

Slack counts calls per method and minute, and new messages per channel. Each count has a bucket here. The token of a
call comes back one period after the call *ended*: Slack counted the call before that, so Slack can never count more
calls in a period than the bucket has tokens, however slow the network is. Less important calls leave a share of every
bucket to more important ones. Only a 429 for a bucket's own method or channel may close it.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum

from domain.errors import NotAccepted

Now = Callable[[], datetime]
Sleep = Callable[[float], Awaitable[object]]

POST = "chat.postMessage"
EDIT = "chat.update"
HISTORY, REPLIES = "conversations.history", "conversations.replies"
RESPONSE = "response_url"
"""An answer to the address that came with a request: Slack gives no figure, it is counted like an ephemeral message."""

MINUTE_S = 60.0
CHANNEL_WINDOW_S = 5.0
POSTS_PER_MINUTE = 300
POSTS_PER_CHANNEL = 5
MAX_CHANNELS = 1000
RECHECK_S = 0.1


class Priority(IntEnum):
    APPROVAL = 0
    URGENT = 1
    NEW = 2
    PROGRESS = 3


RESERVED_SHARE: Mapping[Priority, float] = {
    Priority.APPROVAL: 0.0,
    Priority.URGENT: 0.2,
    Priority.NEW: 0.2,
    Priority.PROGRESS: 0.5,
}
"""The share of a bucket's tokens that a call of this priority leaves to those above it."""


@dataclass(frozen=True, slots=True)
class MethodLimit:
    """`priority` is that of a call whose caller named none."""

    per_minute: int
    priority: Priority = Priority.NEW


TIER_2, TIER_3, TIER_4, SPECIAL = 20, 50, 100, 600
METHODS: Mapping[str, MethodLimit] = {
    "auth.test": MethodLimit(SPECIAL, Priority.URGENT),
    "chat.getPermalink": MethodLimit(SPECIAL),
    EDIT: MethodLimit(TIER_3, Priority.PROGRESS),
    "chat.delete": MethodLimit(TIER_3, Priority.PROGRESS),
    "chat.postEphemeral": MethodLimit(TIER_4, Priority.URGENT),
    RESPONSE: MethodLimit(TIER_4, Priority.URGENT),
    # A trigger expires after three seconds while a person waits: a form may take the last token.
    "views.open": MethodLimit(TIER_4, Priority.APPROVAL),
    "views.push": MethodLimit(TIER_4, Priority.APPROVAL),
    "views.update": MethodLimit(TIER_4, Priority.APPROVAL),
    "views.publish": MethodLimit(TIER_4),
    "users.info": MethodLimit(TIER_4, Priority.APPROVAL),
    "users.lookupByEmail": MethodLimit(TIER_3, Priority.APPROVAL),
    "usergroups.list": MethodLimit(TIER_2, Priority.APPROVAL),
    "conversations.open": MethodLimit(TIER_3, Priority.URGENT),
    "conversations.info": MethodLimit(TIER_3),
    "conversations.members": MethodLimit(TIER_4),
    HISTORY: MethodLimit(TIER_3),
    REPLIES: MethodLimit(TIER_3),
    "files.getUploadURLExternal": MethodLimit(TIER_4),
    "files.completeUploadExternal": MethodLimit(TIER_4),
    "apps.connections.open": MethodLimit(TIER_3, Priority.APPROVAL),
}
"""Slack's published figures for an app of one workspace."""
DEFAULT_LIMIT = MethodLimit(TIER_2)
"""For a method whose tier is not named here: the slowest that Slack has for what we may call."""


@dataclass(slots=True)
class TokenBucket:
    """`size` tokens; one that was taken comes back `period` seconds after the call that took it ended."""

    size: int
    period: float
    _under_way: int = 0
    _back_at: deque[datetime] = field(default_factory=deque)
    _closed_until: datetime | None = None

    def wait(self, now: datetime, priority: Priority) -> float:
        """0 when a call of this priority may take a token now; else in how many seconds to ask again."""
        if self._closed_until is not None and now < self._closed_until:
            return (self._closed_until - now).total_seconds()
        while self._back_at and self._back_at[0] <= now:
            self._back_at.popleft()
        free = self.size - self._under_way - len(self._back_at)
        missing = 1 + min(self.size - 1, math.ceil(self.size * RESERVED_SHARE[priority])) - free
        if missing <= 0:
            return 0.0
        if missing > len(self._back_at):
            return RECHECK_S  # the missing tokens belong to calls in progress, whose end isn't known
        return max(RECHECK_S, (self._back_at[missing - 1] - now).total_seconds())

    def take(self) -> None:
        self._under_way += 1

    def finish(self, now: datetime) -> None:
        self._under_way -= 1
        self._back_at.append(now + timedelta(seconds=self.period))

    def give_back(self) -> None:
        self._under_way -= 1

    def close(self, now: datetime, seconds: float) -> None:
        until = now + timedelta(seconds=seconds)
        self._closed_until = until if self._closed_until is None else max(until, self._closed_until)

    def is_idle(self, now: datetime) -> bool:
        busy = self._under_way or (self._back_at and self._back_at[-1] > now)
        return not busy and (self._closed_until is None or self._closed_until <= now)


@dataclass(slots=True, eq=False)
class Token:
    """The right to make one call. `done` once it was made, `give_back` when it was not; whichever comes first counts."""

    method: str
    buckets: Sequence[TokenBucket]
    begun: bool = False
    _settled: bool = False

    def done(self, now: datetime) -> None:
        if not self._settled:
            self._settled = True
            for bucket in self.buckets:
                bucket.finish(now)

    def give_back(self) -> None:
        if not self._settled:
            self._settled = True
            for bucket in self.buckets:
                bucket.give_back()


_HELD: ContextVar[Token | None] = ContextVar("rate_limit_token", default=None)


@contextmanager
def use_token(token: Token) -> Iterator[None]:
    """The client's next call of the token's method is made with this token, instead of taking another."""
    reset = _HELD.set(token)
    try:
        yield
    finally:
        _HELD.reset(reset)


def held_token(method: str) -> Token | None:
    token = _HELD.get()
    if token is None or token.method != method or token.begun:
        return None
    token.begun = True
    return token


class RateLimiter:
    """All buckets of one workspace.

    `posts_per_minute` bounds new messages in the workspace, `posts_per_channel` those in one channel within five seconds.
    """

    def __init__(
        self,
        now: Now,
        posts_per_minute: int = POSTS_PER_MINUTE,
        posts_per_channel: int = POSTS_PER_CHANNEL,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._now = now
        self._posts_per_channel = posts_per_channel
        self._sleep = sleep
        self._methods: dict[str, TokenBucket] = {POST: TokenBucket(posts_per_minute, MINUTE_S)}
        self._channels: dict[str, TokenBucket] = {}

    def wait(self, method: str, channel: str, priority: Priority | None = None) -> float:
        """Seconds until such a call may be made; 0: now."""
        now, wanted = self._now(), priority_of(method, priority)
        return max(bucket.wait(now, wanted) for bucket in self._buckets(method, channel))

    def take(self, method: str, channel: str, priority: Priority | None = None) -> Token | None:
        """None where the call has to wait; then no bucket has lost anything."""
        if self.wait(method, channel, priority):
            return None
        token = Token(method, self._buckets(method, channel))
        for bucket in token.buckets:
            bucket.take()
        return token

    async def token(
        self, method: str, channel: str = "", priority: Priority | None = None, patience: float = 30.0
    ) -> Token:
        """Waits for it. Raises NotAccepted where that would take longer than `patience` seconds."""
        waited = 0.0
        while (token := self.take(method, channel, priority)) is None:
            wait = min(1.0, self.wait(method, channel, priority))
            if waited + wait > patience:
                raise NotAccepted(
                    f"Slack's limit for {method} is used up.",
                    code="ratelimited",
                    retry_after=self.wait(method, channel, priority),
                )
            await self._sleep(wait)
            waited += wait
        return token

    def close(self, method: str, channel: str, seconds: float) -> None:
        """Slack answered 429: for a new message that closes its channel, for everything else the method."""
        bucket = self._channel(channel) if method == POST and channel else self._method(method)
        bucket.close(self._now(), seconds)

    def done(self, token: Token) -> None:
        token.done(self._now())

    def _buckets(self, method: str, channel: str) -> tuple[TokenBucket, ...]:
        if method == POST and channel:
            return (self._method(method), self._channel(channel))
        return (self._method(method),)

    def _method(self, method: str) -> TokenBucket:
        if method not in self._methods:
            self._methods[method] = TokenBucket(METHODS.get(method, DEFAULT_LIMIT).per_minute, MINUTE_S)
        return self._methods[method]

    def _channel(self, channel: str) -> TokenBucket:
        if channel not in self._channels:
            if len(self._channels) >= MAX_CHANNELS:
                now = self._now()
                self._channels = {name: each for name, each in self._channels.items() if not each.is_idle(now)}
            self._channels[channel] = TokenBucket(self._posts_per_channel, CHANNEL_WINDOW_S)
        return self._channels[channel]


def priority_of(method: str, named: Priority | None) -> Priority:
    return METHODS.get(method, DEFAULT_LIMIT).priority if named is None else named
