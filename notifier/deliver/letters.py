"""Draws each notice when it leaves, from what is stored then: a card is never older than its operation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from domain.event import Event, Severity
from domain.operation import Operation
from notifier.deliver.projection import Drawn
from notifier.deliver.rate_limit import Priority
from notifier.deliver.slack import Letter
from notifier.render.answers import Rendered
from notifier.render.cards import History, card
from notifier.render.limits import context
from notifier.render.notices import notice as drawn
from notifier.route import Destination, Role
from store.notices import Notice
from store.transaction import Transaction
from store.writer import Store

Enrich = Callable[[Event], Awaitable[Mapping[str, Any]]]
"""First errors, a hint, volumes without data, the next run: found out beside the event, in time or not at all."""

Seen = Callable[[str, str, str], Mapping[str, Any]]
"""(cluster, kind, uid) → what tracking knows of the object now."""

Link = Callable[[str, str], Awaitable[str]]

WHY = {
    "not_in_channel": "I am not in that channel. Invite me there to see the card where you asked.",
    "channel_not_found": "I cannot see that channel. Invite me there to see the card where you asked.",
    "is_archived": "That channel is archived.",
}


def _person(event: Event) -> str:
    """Pipelines are not written to."""
    user = str(event.facts.get("user", ""))
    return user if user[:1] in {"U", "W"} else ""


class Letters:
    """`enrich_for` seconds are waited at the most before a failure is told without its reason."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        enrich: Enrich,
        seen: Seen,
        approval: Callable[[Event], Awaitable[Rendered | None]],
        link: Link,
        enrich_for: float = 3.0,
    ) -> None:
        self._store = store
        self._now = now
        self._enrich = enrich
        self._seen = seen
        self._approval = approval
        self._link = link
        self._enrich_for = enrich_for
        self._extras: dict[str, Mapping[str, Any]] = {}

    async def letter(self, notice: Notice, event: Event | None) -> Letter | None:
        if event is None:
            return None
        role = Role(str(notice.body.get("role", Role.NEWS.value)))
        match role:
            case Role.CARD:
                return await self._card(notice, event)
            case Role.APPROVAL:
                return await self._asks(notice, event)
            case Role.REPLY:
                return await self._reply(event)
            case Role.NEWS:
                return await self._news(notice, event)

    async def _card(self, notice: Notice, event: Event) -> Letter | None:
        found = await self.draw(event.operation)
        if found is None:
            return None
        return Letter(
            channel=notice.address,
            rendered=found.rendered,
            thread=str(notice.body.get("thread", "")) if not notice.body.get("fallback") else "",
            revision=found.revision,
            subject=event.operation,
            role=Role.CARD.value,
            fallback=_person(event),
        )

    async def draw(self, ident: str) -> Drawn | None:
        """The card as it is now."""

        def read(tx: Transaction) -> tuple[Operation, tuple[Event, ...], str] | None:
            operation = tx.operations.get(ident)
            events = tx.outbox.of_operation(ident)
            return (operation, events, _elsewhere(tx, events)) if operation else None

        found = await self._store.read(read)
        if found is None:
            return None
        operation, events, why = found
        started = next((each.facts for each in events if each.kind in {"operation.started", "approval.requested"}), {})
        ending = next(
            (each for each in reversed(events) if each.object_uid == operation.object_uid and operation.over), None
        )
        extra = await self._extra(ending) if ending else {}
        seen = self._seen(operation.cluster, operation.noun.capitalize(), operation.object_uid)
        history = History(started, seen, ending, extra, requester=operation.actor)
        drawn_now = card(operation, history, self._now())
        if why:
            drawn_now = replace(drawn_now, blocks=(*drawn_now.blocks, context(why)), text=f"{drawn_now.text}\n{why}")
        priority = Priority.URGENT if operation.over else Priority.PROGRESS
        return Drawn(operation.revision, drawn_now, priority)

    async def _asks(self, notice: Notice, event: Event) -> Letter | None:
        rendered = await self._approval(event)
        if rendered is None:
            return None
        return Letter(notice.address, rendered, subject=event.operation, role=Role.APPROVAL.value)

    async def _reply(self, event: Event) -> Letter | None:
        """Into the card's thread; where there is no card, to the person who asked."""
        cards = await self._store.read(lambda tx: tx.messages.of(event.operation, Role.CARD.value))
        operation = await self._store.read(lambda tx: tx.operations.get(event.operation))
        told = replace(event, facts={**event.facts, "user": operation.actor if operation else ""})
        rendered = drawn(told, Destination("slack", "", Role.REPLY, 0), await self._extra(event), "")
        if cards:
            return Letter(cards[0].channel, rendered, cards[0].ts, subject=event.operation, role=Role.REPLY.value)
        if operation and operation.actor[:1] in {"U", "W"}:
            return Letter(operation.actor, rendered, subject=event.operation, role=Role.REPLY.value)
        return None

    async def _news(self, notice: Notice, event: Event) -> Letter:
        to = Destination("slack", notice.address, Role.NEWS, 0, tuple(notice.body.get("mention") or ()))
        # First what takes a while: the card that the news links to may appear meanwhile.
        extra = await self._extra(event)
        cards = (
            await self._store.read(lambda tx: tx.messages.of(event.operation, Role.CARD.value))
            if event.operation
            else ()
        )
        link = await self._link(cards[0].channel, cards[0].ts) if cards else ""
        subject = event.operation or f"{event.cluster}/{event.object_kind}/{event.object_name}"
        rendered = drawn(event, to, extra, link)
        return Letter(notice.address, rendered, subject=subject, role=Role.NEWS.value)

    async def _extra(self, event: Event) -> Mapping[str, Any]:
        """Once found it is kept; not found in time, the message goes without it."""
        if event.id in self._extras:
            return self._extras[event.id]
        if event.kind.partition(".")[0] not in {"backup", "restore"} or event.severity is Severity.SECURITY:
            return {}
        try:
            found = await asyncio.wait_for(self._enrich(event), self._enrich_for)
        except TimeoutError:
            return {}
        self._extras[event.id] = found
        while len(self._extras) > 500:
            self._extras.pop(next(iter(self._extras)))
        return found


def _elsewhere(tx: Transaction, events: tuple[Event, ...]) -> str:
    """Why the card does not stand where it was asked for, and what to do; empty where it does."""
    opened = [event for event in events if event.kind in {"operation.started", "approval.requested"}]
    bodies = [notice.body for event in opened for notice in tx.notices.of_event(event.id)]
    return next((WHY.get(str(body["why"]), "") for body in bodies if body.get("why")), "")
