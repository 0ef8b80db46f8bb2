"""Sends alerts again while they fire, as Prometheus does: an Alertmanager keeps them in memory and forgets them when it restarts."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.errors import DeliveryError
from notifier.deliver.addresses import Resolve
from notifier.deliver.http_client import Receiver, call, json_request
from notifier.render.alerts import alert_end, alerts_of, is_firing
from store.tables.notices import Notice, NoticeState
from store.transaction import Transaction
from store.writer import Store

KIND = "alertmanager"
RESEND_INTERVAL_S = 60.0
ALERTS_PER_CALL = 100

Key = tuple[str, str]
RunAlone = Callable[[Key, Callable[[], Coroutine[Any, Any, None]]], bool]
"""Starts the work unless something is being sent to the receiver: a repetition must not overtake an end."""


def record_alert(tx: Transaction, notice: Notice) -> None:
    """Record what fires at the receiver once a notice is settled. An end counts even if it couldn't be delivered."""
    now = tx.notices.get(notice.id) if notice.kind == KIND else None
    if now is None or now.state not in {NoticeState.SENT, NoticeState.DEAD}:
        return
    event = tx.outbox.event(notice.event)
    for each in alerts_of(event) if event is not None else ():
        if not is_firing(each):
            tx.alerts.end(notice.address, each["labels"])
        elif now.state is NoticeState.SENT:
            tx.alerts.put(notice.address, each["labels"], each, alert_end(each))


class AlertResend:
    """`counted` takes (kind, outcome)."""

    def __init__(
        self,
        store: Store,
        receivers: Callable[[], Mapping[Key, Receiver]],
        alone: RunAlone,
        now: Callable[[], datetime],
        resolve: Resolve,
        counted: Callable[[str, str], None],
    ) -> None:
        self._store = store
        self._receivers = receivers
        self._alone = alone
        self._now = now
        self._resolve = resolve
        self._counted = counted

    async def round(self) -> float | None:
        now = self._now()
        told, disabled = await self._store.read(
            lambda tx: (tx.alerts.addresses(), {each.address for each in tx.receivers.all() if each.kind == KIND})
        )
        receivers = {name: each for (kind, name), each in self._receivers().items() if kind == KIND}
        if told:
            await self._remove_ended(now, told - (receivers.keys() - disabled))
        for name in sorted(told & receivers.keys() - disabled):
            self._alone((KIND, name), lambda receiver=receivers[name]: self._resend_due(receiver))  # type: ignore[misc]
        return RESEND_INTERVAL_S

    async def _remove_ended(self, now: datetime, gone: frozenset[str]) -> None:
        def clear(tx: Transaction) -> None:
            tx.alerts.expire(now)
            for address in gone:
                tx.alerts.forget(address)

        await self._store.write(clear)

    async def _resend_due(self, receiver: Receiver) -> None:
        now = self._now()
        standing = await self._store.read(lambda tx: _due(tx, receiver.name, now))
        for begin in range(0, len(standing), ALERTS_PER_CALL):
            taken = await self._is_accepted(receiver, standing[begin : begin + ALERTS_PER_CALL], now)
            self._counted(KIND, "repeated" if taken else "unrepeated")
            if not taken:
                return

    async def _is_accepted(self, receiver: Receiver, some: Sequence[Mapping[str, Any]], now: datetime) -> bool:
        """A failed call isn't retried: the next round sends the alerts anyway."""
        try:
            reply = await call(json_request(receiver.url, some), receiver.allow, receiver.timeout, self._resolve, now)
        except DeliveryError:
            return False
        return reply.is_accepted


def _due(tx: Transaction, address: str, now: datetime) -> Sequence[Mapping[str, Any]]:
    """Nothing while a notice is being sent: it may be an end that arrived although its answer was lost."""
    none = timedelta()
    if tx.notices.waiting(KIND, address) or tx.notices.to_reconcile(now, none, none, 1, kind=KIND):
        return ()
    return tx.alerts.active(address, now)
