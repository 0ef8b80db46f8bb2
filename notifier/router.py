"""Events → notices: each event is routed once, in the transaction that makes its notices."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from domain.event import Event
from notifier.route import Destination, Role, RoutingTable, destinations
from store.isolation import attempt
from store.tables.failed_items import ItemKind, Subject
from store.tables.subscriptions import Subscription
from store.transaction import Transaction
from store.writer import Store

ROUTE_BATCH = 100


class EventRouter:
    """`wiring` is read each round: routes change with the settings."""

    def __init__(
        self, store: Store, wiring: Callable[[], RoutingTable], now: Callable[[], datetime], wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._wiring = wiring
        self._now = now
        self._wake = wake

    async def round(self) -> float | None:
        """Woken by commits that add events."""
        now = self._now()
        made = await self._store.write(lambda tx: self._route(tx, now))
        if made:
            self._wake()
        return 0 if made >= ROUTE_BATCH else 2.0

    def _route(self, tx: Transaction, now: datetime) -> int:
        """An event that can't be routed is set aside; the events after it are routed."""
        again = {item.key: item.subject for item in tx.failed_items.due(ItemKind.EVENT, now, ROUTE_BATCH)}
        fresh = {ident: f"event {kind}" for ident, kind in tx.outbox.unrouted_kinds(ROUTE_BATCH).items()}
        wiring = self._wiring()
        for ident, text in (again | fresh).items():
            subject = Subject(ItemKind.EVENT, ident, text)
            attempt(tx, subject, lambda ident=ident: _expanded(tx, ident, wiring, now), now)  # type: ignore[misc]
            tx.outbox.mark_routed(ident)
        return len(again) + len(fresh)


def _expanded(tx: Transaction, ident: str, wiring: RoutingTable, now: datetime) -> None:
    tx.failed_items.clear(ItemKind.EVENT, ident)
    if (event := tx.outbox.event(ident)) is None:
        return
    shown = _shown(tx, event)
    for to in destinations(event, wiring, _subscribed(tx, event)):
        if shown and to.kind == "slack" and to.role is Role.NEWS and to.address == shown:
            continue
        tx.notices.add(
            event.notice_id(to.key),
            event.id,
            to.kind,
            to.address,
            lane_of(event, to),
            notice_body(event, to),
            now,
            priority=to.priority,
        )


def _shown(tx: Transaction, event: Event) -> str:
    """The channel whose status message already shows the event: it gets one message, not two."""
    if not event.operation or not event.kind.endswith(".changed"):
        return ""
    started = (each for each in tx.outbox.of_operation(event.operation) if each.kind == "operation.started")
    return next((str(each.facts.get("channel") or "") for each in started), "")


def lane_of(event: Event, to: Destination) -> str:
    """One doubtful message holds back only its own story, at its own receiver.

    A recovery must not overtake its failure: both are other objects, so alerts keep the order of their cluster.
    """
    if to.kind == "alertmanager":
        return f"{to.kind}:{to.address}:{event.cluster}"
    story = event.operation or f"{event.cluster}/{event.object_kind}/{event.object_uid}"
    if to.role is Role.APPROVAL:
        # Behind its operation's card it would wait for everything that is told before cards.
        return f"{to.kind}:{to.role.value}:{story}"
    return f"{to.kind}:{to.address if to.role is Role.NEWS else ''}:{story}"


def notice_body(event: Event, to: Destination) -> dict[str, Any]:
    return {
        "role": to.role.value,
        "mention": list(to.mention),
        "route": to.route,
        **({"viewer": to.viewer} if to.viewer else {}),
        "operation": event.operation,
        "thread": str(event.facts.get("thread") or "") if to.role is Role.CARD else "",
    }


def _subscribed(tx: Transaction, event: Event) -> tuple[Subscription, ...]:
    """A run over all namespaces matches a subscription to any namespace."""
    subjects = [("backup", event.object_name), ("schedule", str(event.facts.get("schedule") or ""))]
    names = (
        [str(name) for name in event.facts.get("namespaces") or []]
        if event.object_kind in {"Backup", "Restore"}
        else []
    )
    subjects += [("namespace", name) for name in names]
    told = [one for kind, name in subjects if name for one in tx.subscriptions.to(event.cluster, kind, name)]
    if event.object_kind in {"Backup", "Restore"} and (not names or "*" in names):
        told += tx.subscriptions.to_any(event.cluster, "namespace")
    return tuple(told)
