"""Sends notices to webhooks and Alertmanager: at least once, under an id that stays the same, in order within a lane.

Each receiver has a sender of its own with few calls at a time, so a slow or dead receiver holds up no other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from domain.errors import ConcurrentChange, DeliveryError, NotFound, StoreError, Undeliverable
from domain.event import Event, Severity
from notifier.deliver import isolation
from notifier.deliver.addresses import Lookups, Resolve
from notifier.deliver.alert_resend import KIND as ALERTS_KIND
from notifier.deliver.alert_resend import AlertResend, record_alert
from notifier.deliver.http_client import ENCODERS, Receiver, WebhookReply, call
from store.tables.deliveries import Delivery
from store.tables.notices import Notice
from store.transaction import Transaction
from store.writer import Store

log = logging.getLogger(__name__)

NOTICES_PER_CLAIM = 4
RETRY_SCHEDULE_S = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""Seconds after each failure, as Standard Webhooks recommends; after the last one the notice has failed for good."""
ALERT_RETRY_SCHEDULE_S = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""The last wait repeats until the alert is a day old."""
ALERT_LIFETIME = timedelta(hours=24)
JITTER = 0.2
MAX_WAIT_S = 86400.0

Receivers = Callable[[], Mapping[tuple[str, str], Receiver]]
"""By kind and address; read each time, since they change with the settings."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of a test call; `text` is for people."""

    ok: bool
    code: str
    milliseconds: int
    text: str


def wait_before_next(notice: Notice, asked: float, now: datetime, random: Random) -> float | None:
    """Return the seconds until the next attempt, None after the last one. A receiver may ask for longer waits."""
    if notice.kind == ALERTS_KIND:
        if now - notice.created_at > ALERT_LIFETIME:
            return None
        planned = ALERT_RETRY_SCHEDULE_S[min(notice.attempts, len(ALERT_RETRY_SCHEDULE_S)) - 1]
    elif notice.attempts > len(RETRY_SCHEDULE_S):
        return None
    else:
        planned = RETRY_SCHEDULE_S[notice.attempts - 1]
    return max(planned * (1.0 + JITTER * random.random()), min(asked, MAX_WAIT_S))


class WebhookDelivery:
    """`counted` takes (kind, outcome)."""

    def __init__(
        self,
        store: Store,
        receivers: Receivers,
        now: Callable[[], datetime],
        random: Random,
        resolve: Resolve | None = None,
        counted: Callable[[str, str], None] = lambda _kind, _outcome: None,
    ) -> None:
        self._store = store
        self._receivers = receivers
        self._now = now
        self._random = random
        self._resolve = resolve or Lookups()
        self._counted = counted
        self._busy: dict[tuple[str, str], asyncio.Task[None]] = {}
        self.repeats = AlertResend(store, receivers, self._alone, now, self._resolve, counted)

    async def round(self) -> float | None:
        """Start a sender for each receiver with due notices; return when one is done, or after a second."""
        now = self._now()
        await self._resend_doubtful(now)
        due = await self._store.read(lambda tx: [(kind, one) for kind in ENCODERS for one in tx.notices.due(now, kind)])
        for key in due:
            self._alone(key, lambda key=key: self._serve(*key))  # type: ignore[misc]
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            self._collect()
            return 0
        return await self._until_next(now)

    def _alone(self, key: tuple[str, str], work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        if key in self._busy:
            return False
        self._busy[key] = asyncio.create_task(work())
        return True

    async def close(self) -> None:
        """Cancel what is being sent; it is sent again after the next start."""
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)
        self._busy.clear()

    def _collect(self) -> None:
        done = {key: task for key, task in self._busy.items() if task.done()}
        for key in done:
            del self._busy[key]
        isolation.raise_all("notifications that can't be sent", isolation.errors_of(done.values()))

    async def _until_next(self, now: datetime) -> float:
        times = await self._store.read(lambda tx: [tx.notices.next_due(kind=kind) for kind in ENCODERS])
        waits = [(due - now).total_seconds() for due in times if due is not None]
        return min(2.0, max(0.05, min(waits, default=2.0)))

    async def _resend_doubtful(self, now: datetime) -> None:
        none = timedelta()

        def resend(tx: Transaction) -> None:
            for kind in ENCODERS:
                for notice in tx.notices.to_reconcile(now, none, none, kind=kind):
                    tx.notices.resend(notice, now)

        unknown = await self._store.read(
            lambda tx: any(tx.notices.to_reconcile(now, none, none, 1, kind=kind) for kind in ENCODERS)
        )
        if unknown:
            await self._store.write(resend)

    async def _serve(self, kind: str, address: str) -> None:
        """Send everything that is due for one receiver, a few lanes at a time."""
        while claimed := await self._claim(kind, address):
            await self._set_aside(claimed, await isolation.run_each(self._send(notice) for notice in claimed))

    async def _set_aside(self, claimed: Sequence[Notice], ended: Sequence[Exception | None]) -> None:
        """A notice that fails by an error of the bot must not hold up its lane; errors of the store are retried."""
        errors = [(notice, fault) for notice, fault in zip(claimed, ended, strict=True) if fault is not None]
        for notice, fault in errors:
            if not isinstance(fault, StoreError):
                await self._dead(notice, f"the notification can't be sent: {type(fault).__name__}")
        isolation.raise_all("notifications that can't be sent", [fault for _, fault in errors])

    async def _claim(self, kind: str, address: str) -> tuple[Notice, ...]:
        now = self._now()
        return await self._store.write(lambda tx: tx.notices.claim(now, NOTICES_PER_CLAIM, kind=kind, address=address))

    async def _send(self, notice: Notice) -> None:
        event, disabled = await self._store.read(
            lambda tx: (tx.outbox.event(notice.event), tx.receivers.get_disabled(notice.kind, notice.address))
        )
        receiver = self._receivers().get((notice.kind, notice.address))
        if event is None or receiver is None:
            why = "the event is no longer stored" if event is None else "the receiver isn't configured"
            await self._dead(notice, why)
            return
        if disabled is not None:
            await self._dead(notice, f"the receiver has been disabled since {disabled.at:%Y-%m-%d %H:%M} UTC")
            return
        await self._call(notice, event, receiver)

    async def _call(self, notice: Notice, event: Event, receiver: Receiver) -> None:
        begun = self._now()
        if receiver.fault:
            await self._failed(notice, begun, "secret", receiver.fault, 0.0)
            return
        url = str(notice.body.get("callback") or receiver.url)
        request = ENCODERS[notice.kind](receiver, url, notice.id, event, begun)
        if request is None:
            await self._settle(notice, lambda tx: tx.notices.mark_sent(notice, "nothing to send"))
            return
        try:
            reply = await call(request, receiver.allow, receiver.timeout, self._resolve, begun)
        except Undeliverable as error:
            await self._dead(notice, error.text, self._tried(notice, begun, "dead", error.code, error.text))
        except DeliveryError as error:
            await self._failed(notice, begun, error.code, error.text, 0.0)
        else:
            await self._answered(notice, receiver, begun, reply)

    async def _answered(self, notice: Notice, receiver: Receiver, begun: datetime, reply: WebhookReply) -> None:
        code = str(reply.status)
        if reply.is_accepted:
            tried = self._tried(notice, begun, "sent", code)
            self._counted(notice.kind, "sent")
            await self._settle(notice, lambda tx: tx.notices.mark_sent(notice, code), tried)
        elif reply.status == 410 and notice.body.get("callback"):
            await self._dead(notice, "the callback URL returned 410 Gone", self._tried(notice, begun, "dead", code))
        elif reply.status == 410:
            await self._gone(notice, receiver, begun)
        else:
            await self._failed(notice, begun, code, f"The receiver returned HTTP {code}.", reply.retry_after)

    async def _gone(self, notice: Notice, receiver: Receiver, begun: datetime) -> None:
        now = self._now()
        tried = self._tried(notice, begun, "dead", "410")
        told = disabled_event(receiver, now)
        log.error("receiver %s said 410: it is disabled", receiver.name)

        def record(tx: Transaction) -> None:
            tx.notices.mark_dead(notice, "the receiver returned 410 Gone and is disabled")
            if tx.receivers.disable(receiver.kind, receiver.name, "the receiver returned 410 Gone", now):
                tx.outbox.add(told)

        self._counted(notice.kind, "disabled")
        await self._settle(notice, record, tried)

    async def _failed(self, notice: Notice, begun: datetime, code: str, text: str, asked: float) -> None:
        now = self._now()
        wait = wait_before_next(notice, asked, now, self._random)
        if wait is None:
            await self._dead(notice, f"{text} No more retries.", self._tried(notice, begun, "dead", code, text))
            return
        tried = self._tried(notice, begun, "pending", code, text)
        self._counted(notice.kind, "again")
        at = now + timedelta(seconds=wait)
        await self._settle(notice, lambda tx: tx.notices.postpone(notice, at, text), tried)

    async def _dead(self, notice: Notice, why: str, tried: Delivery | None = None) -> None:
        self._counted(notice.kind, "dead")
        log.error("a notice cannot be delivered", extra={"facts": {"notice": notice.id, "why": why}})
        await self._settle(notice, lambda tx: tx.notices.mark_dead(notice, why), tried)

    async def _settle(
        self, notice: Notice, change: Callable[[Transaction], None], tried: Delivery | None = None
    ) -> None:
        def record(tx: Transaction) -> None:
            change(tx)
            record_alert(tx, notice)
            if tried is not None:
                tx.deliveries.record(tried)

        with suppress(ConcurrentChange):
            await self._store.write(record)

    def _tried(self, notice: Notice, begun: datetime, outcome: str, code: str, detail: str = "") -> Delivery:
        spent = int((self._now() - begun).total_seconds() * 1000)
        return Delivery(notice.id, notice.attempts, begun, notice.kind, notice.address, outcome, code, spent, detail)

    async def test(self, name: str, ident: str) -> AttemptResult:
        """One call that tells nothing but that it is a test. Success enables a receiver that was disabled."""
        named = {receiver.name: receiver for receiver in self._receivers().values() if receiver.url}
        if name not in named:
            raise NotFound(f"Webhook `{name}` isn't configured.", nearest=tuple(sorted(named)))
        receiver, begun = named[name], self._now()
        if receiver.fault:
            return AttemptResult(False, "secret", 0, receiver.fault)
        event = tested_event(receiver, begun, ident)
        request = ENCODERS[receiver.kind](receiver, receiver.url, ident, event, begun)
        assert request is not None
        try:
            reply = await call(request, receiver.allow, receiver.timeout, self._resolve, begun)
        except DeliveryError as error:
            return AttemptResult(False, error.code, self._since(begun), error.text)
        if not reply.is_accepted:
            return AttemptResult(
                False, str(reply.status), self._since(begun), f"The receiver returned HTTP {reply.status}."
            )
        await self._store.write(lambda tx: tx.receivers.enable(receiver.kind, name))
        return AttemptResult(True, str(reply.status), self._since(begun), "The receiver accepted the test.")

    def _since(self, begun: datetime) -> int:
        return int((self._now() - begun).total_seconds() * 1000)


def disabled_event(receiver: Receiver, now: datetime) -> Event:
    facts = {
        "receiver": receiver.name,
        "status": 410,
        "message": "The receiver returned 410 Gone. No more notifications are sent to it. Enable it with `velero-chatops webhook enable NAME`.",
    }
    return _about(receiver, "receiver.disabled", now, now.isoformat(), Severity.FAILURE, facts)


def tested_event(receiver: Receiver, now: datetime, ident: str) -> Event:
    facts = {"receiver": receiver.name, "message": "Test notification. No action needed."}
    severity = Severity.FAILURE if receiver.kind == "alertmanager" else Severity.INFO
    return _about(receiver, "receiver.tested", now, ident, severity, facts)


def _about(
    receiver: Receiver, kind: str, now: datetime, transition: str, severity: Severity, facts: Mapping[str, object]
) -> Event:
    return Event(
        kind=kind,
        cluster="",
        cluster_uid="",
        object_kind="Receiver",
        object_uid=f"{receiver.kind}:{receiver.name}",
        object_name=receiver.name,
        transition=transition,
        at=now,
        severity=severity,
        facts=facts,
    )
