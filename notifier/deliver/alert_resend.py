"""Alerts are said again while they last, as Prometheus does: an Alertmanager holds them in memory only, and one that was
started anew knows of none.
"""

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
EVERY = 60.0
AT_ONCE = 100
"""Alerts in one call."""

Key = tuple[str, str]
Alone = Callable[[Key, Callable[[], Coroutine[Any, Any, None]]], bool]
"""Whether the work was begun: nothing else is sent to that receiver meanwhile, so that no repetition overtakes an end."""


def record_alert(tx: Transaction, notice: Notice) -> None:
    """What stands at the receiver once a notice is settled. An end is an end even where it could not be delivered."""
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
        alone: Alone,
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
            await self._tidy(now, told - (receivers.keys() - disabled))
        for name in sorted(told & receivers.keys() - disabled):
            self._alone((KIND, name), lambda receiver=receivers[name]: self._say(receiver))  # type: ignore[misc]
        return EVERY

    async def _tidy(self, now: datetime, gone: frozenset[str]) -> None:
        def clear(tx: Transaction) -> None:
            tx.alerts.expire(now)
            for address in gone:
                tx.alerts.forget(address)

        await self._store.write(clear)

    async def _say(self, receiver: Receiver) -> None:
        now = self._now()
        standing = await self._store.read(lambda tx: _due(tx, receiver.name, now))
        for begin in range(0, len(standing), AT_ONCE):
            taken = await self._taken(receiver, standing[begin : begin + AT_ONCE], now)
            self._counted(KIND, "repeated" if taken else "unrepeated")
            if not taken:
                return

    async def _taken(self, receiver: Receiver, some: Sequence[Mapping[str, Any]], now: datetime) -> bool:
        """What fails is not put off: the next round says it anyway."""
        try:
            reply = await call(json_request(receiver.url, some), receiver.allow, receiver.timeout, self._resolve, now)
        except DeliveryError:
            return False
        return reply.is_accepted


def _due(tx: Transaction, address: str, now: datetime) -> Sequence[Mapping[str, Any]]:
    """Nothing while news is on its way: it may be an end that has arrived without our knowing."""
    none = timedelta()
    if tx.notices.waiting(KIND, address) or tx.notices.to_reconcile(now, none, none, 1, kind=KIND):
        return ()
    return tx.alerts.standing(address, now)
