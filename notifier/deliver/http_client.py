"""One signed call to one receiver: judged address, pinned connection, no redirect, no proxy, a limit of time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from domain.errors import NotAccepted
from domain.event import Event
from notifier.deliver.addresses import Resolve, place_of, session_to
from notifier.deliver.signature import headers
from notifier.render.alerts import alerts_of
from notifier.render.cloudevents import encoded, envelope

MAX_TIMEOUT_S = 30.0
USER_AGENT = "velero-chatops"
ALERTS_PATH = "/api/v2/alerts"


@dataclass(frozen=True, slots=True)
class Receiver:
    """As the settings have it. Callbacks have no `url` of their own: each notice brings one."""

    name: str
    kind: str
    url: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    allow: tuple[str, ...] = ()
    timeout: float = 15.0
    fault: str = ""
    """Why nothing can be sent now: a secret that cannot be read."""


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WebhookReply:
    status: int
    retry_after: float = 0.0

    @property
    def is_accepted(self) -> bool:
        return 200 <= self.status < 300


Encoder = Callable[[Receiver, str, str, Event, datetime], WebhookRequest | None]
"""(receiver, url, id, event, now) → what is sent; None when there is nothing to say."""


def cloud_event(receiver: Receiver, url: str, ident: str, event: Event, now: datetime) -> WebhookRequest | None:
    body = encoded(envelope(ident, event))
    signed = headers(receiver.secrets, ident, now, body)
    return WebhookRequest(url, body, {"Content-Type": "application/cloudevents+json; charset=utf-8", **signed})


def alert(_receiver: Receiver, url: str, _ident: str, event: Event, _now: datetime) -> WebhookRequest | None:
    made = alerts_of(event)
    return json_request(url, made) if made else None


def json_request(url: str, made: Sequence[Mapping[str, Any]]) -> WebhookRequest:
    where = url.rstrip("/")
    where = where if where.endswith(ALERTS_PATH) else where + ALERTS_PATH
    return WebhookRequest(where, encoded(made), {"Content-Type": "application/json"})


ENCODERS: Mapping[str, Encoder] = {"webhook": cloud_event, "alertmanager": alert}


async def call(
    parcel: WebhookRequest, allow: Sequence[str], seconds: float, resolve: Resolve, now: datetime
) -> WebhookReply:
    """Raises NotAccepted if the receiver doesn't respond, Undeliverable if its address isn't allowed."""
    limit = min(seconds, MAX_TIMEOUT_S)
    try:
        async with asyncio.timeout(limit):
            place = await place_of(parcel.url, allow, resolve)
            async with (
                session_to(place, limit) as session,
                session.post(
                    place.url,
                    data=parcel.body,
                    headers={"User-Agent": USER_AGENT, **parcel.headers},
                    allow_redirects=False,
                ) as response,
            ):
                return WebhookReply(response.status, retry_after(response.headers.get("Retry-After", ""), now))
    except TimeoutError:
        raise NotAccepted(f"The receiver didn't respond within {limit:g} seconds.", code="timeout") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # The library's words quote the address, which may carry a secret.
        raise NotAccepted("The receiver can't be reached.", code=type(error).__name__) from None


def retry_after(value: str, now: datetime) -> float:
    """Seconds, or a date; 0 for anything else."""
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError):
        return 0.0
