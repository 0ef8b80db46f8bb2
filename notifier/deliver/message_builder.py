"""Renders each notice when it is sent, from what is stored then: a status message is never older than its operation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from domain.actor import is_slack_user_id
from domain.event import Event, Severity
from domain.operation import Operation
from domain.reach import Reach
from notifier.audience import OPEN_KINDS, reach_of, redact_event, redact_extra, redact_history, visibility_for
from notifier.deliver.projection import RenderedMessage
from notifier.deliver.rate_limit import Priority
from notifier.deliver.slack import OutgoingMessage
from notifier.render.answers import Rendered
from notifier.render.cards import History, render_card
from notifier.render.limits import context
from notifier.render.notices import render_notice
from notifier.route import Destination, Role
from policy.visible import View, Visibility
from store.tables.messages import Message
from store.tables.notices import Notice
from store.transaction import Transaction
from store.writer import Store

Enrich = Callable[[Event], Awaitable[Mapping[str, Any]]]
"""First errors, a hint, volumes without data, the next run; read in time or left out."""

Watched = Callable[[str, str, str], Mapping[str, Any]]
"""(cluster, kind, uid) → what tracking knows about the object now."""

Link = Callable[[str, str], Awaitable[str]]

ReceiverView = Callable[[str, str, str], Awaitable[View]]
"""(channel or person, cluster, noun) → what may be shown there. Raises NotAccepted if that isn't known now."""

CHANNEL_ERRORS = {
    "not_in_channel": "Updates go here because the bot isn't in the channel where you ran the command. Invite it with /invite.",
    "channel_not_found": "Updates go here because the bot can't access the channel where you ran the command. Invite it with /invite.",
    "is_archived": "Updates go here because the channel where you ran the command is archived.",
}


def _person(event: Event) -> str:
    """The requester, if they can get a direct message; pipelines can't."""
    user = str(event.facts.get("user", ""))
    return user if is_slack_user_id(user) else ""


class MessageBuilder:
    """A failure waits at most `enrich_for` seconds for its reason, then it is sent without."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        enrich: Enrich,
        watched: Watched,
        approval: Callable[[Event], Awaitable[Rendered | None]],
        link: Link,
        view: ReceiverView,
        enrich_for: float = 3.0,
    ) -> None:
        self._store = store
        self._now = now
        self._enrich = enrich
        self._watched = watched
        self._approval = approval
        self._link = link
        self._view = view
        self._enrich_for = enrich_for
        self._extras: dict[str, Mapping[str, Any]] = {}

    async def build(self, notice: Notice, event: Event | None) -> OutgoingMessage | None:
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

    async def _card(self, notice: Notice, event: Event) -> OutgoingMessage | None:
        found = await self._drawn(event.operation, notice.address)
        if found is None:
            return None
        return OutgoingMessage(
            channel=notice.address,
            rendered=found.rendered,
            thread=str(notice.body.get("thread", "")) if not notice.body.get("fallback") else "",
            revision=found.revision,
            subject=event.operation,
            role=Role.CARD.value,
            fallback=_person(event),
        )

    async def draw_card(self, message: Message) -> RenderedMessage | None:
        """The status message as it should look now in its channel."""
        return await self._drawn(message.subject, message.channel)

    async def _drawn(self, ident: str, channel: str) -> RenderedMessage | None:
        def read(tx: Transaction) -> tuple[Operation, tuple[Event, ...], str, Reach] | None:
            operation = tx.operations.get(ident)
            if operation is None:
                return None
            events = tx.outbox.of_operation(ident)
            return operation, events, _elsewhere(tx, events), tx.operations.load_plan(ident).reach

        found = await self._store.read(read)
        if found is None:
            return None
        operation, events, why, reach = found
        started = next((each.facts for each in events if each.kind in {"operation.started", "approval.requested"}), {})
        ending = next(
            (each for each in reversed(events) if each.object_uid == operation.object_uid and operation.is_over), None
        )
        extra = await self._extra(ending) if ending else {}
        seen = self._watched(operation.cluster, operation.noun.capitalize(), operation.object_uid)
        history = History(started, seen, ending, extra, requester=operation.actor)
        views = [await self._view(_reader(channel, operation), operation.cluster, operation.noun)]
        bounded = visibility_for(views, reach) is not Visibility.FULL
        shown = redact_history(operation, history, views) if bounded else (operation, history)
        drawn_now = render_card(*shown, self._now())
        if why:
            drawn_now = replace(drawn_now, blocks=(*drawn_now.blocks, context(why)), text=f"{drawn_now.text}\n{why}")
        priority = Priority.URGENT if operation.is_over else Priority.PROGRESS
        return RenderedMessage(operation.revision, drawn_now, priority)

    async def _asks(self, notice: Notice, event: Event) -> OutgoingMessage | None:
        rendered = await self._approval(event)
        if rendered is None:
            return None
        return OutgoingMessage(notice.address, rendered, subject=event.operation, role=Role.APPROVAL.value)

    async def _reply(self, event: Event) -> OutgoingMessage | None:
        """A reply in the thread of the status message; without one, a direct message to the requester."""
        cards = await self._store.read(lambda tx: tx.messages.of(event.operation, Role.CARD.value))
        operation = await self._store.read(lambda tx: tx.operations.get(event.operation))
        if operation is None or not (cards or is_slack_user_id(operation.actor)):
            return None
        channel, thread = (cards[0].channel, cards[0].ts) if cards else (operation.actor, "")
        views = [await self._view(_reader(channel, operation), event.cluster, _noun(event))]
        told, extra, _ = await self._bounded(event, views)
        told = replace(told, facts={**told.facts, "user": operation.actor})
        rendered = render_notice(told, Destination("slack", "", Role.REPLY, 0), extra, "", self._now())
        return OutgoingMessage(channel, rendered, thread, subject=event.operation, role=Role.REPLY.value)

    async def _news(self, notice: Notice, event: Event) -> OutgoingMessage | None:
        to = Destination("slack", notice.address, Role.NEWS, 0, tuple(notice.body.get("mention") or ()))
        receivers = dict.fromkeys(each for each in (notice.address, str(notice.body.get("viewer") or "")) if each)
        views = [await self._view(each, event.cluster, _noun(event)) for each in receivers]
        # The slow part comes first: the status message that the notification links to may appear in the meantime.
        told, extra, verdict = await self._bounded(event, views)
        if verdict is Visibility.HIDDEN:
            return None
        cards = (
            await self._store.read(lambda tx: tx.messages.of(event.operation, Role.CARD.value))
            if event.operation
            else ()
        )
        link = await self._link(cards[0].channel, cards[0].ts) if cards else ""
        subject = event.operation or f"{event.cluster}/{event.object_kind}/{event.object_name}"
        return OutgoingMessage(
            notice.address, render_notice(told, to, extra, link, self._now()), subject=subject, role=Role.NEWS.value
        )

    async def _bounded(self, event: Event, views: Sequence[View]) -> tuple[Event, Mapping[str, Any], Visibility]:
        """The event and its details as all these viewers may see them, and how much that is."""
        extra = await self._extra(event)
        if event.kind in OPEN_KINDS:
            return event, extra, Visibility.FULL
        planned = await self._store.read(lambda tx: _planned(tx, event.operation))
        verdict = visibility_for(views, reach_of(event, planned))
        if verdict is Visibility.FULL:
            return event, extra, verdict
        return redact_event(event, views), redact_extra(extra, views), verdict

    async def _extra(self, event: Event) -> Mapping[str, Any]:
        """Read once and kept; if it isn't read in time, the message is sent without it."""
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


def _reader(channel: str, operation: Operation) -> str:
    """A direct message is read by the requester."""
    return operation.actor if channel[:1] == "D" and is_slack_user_id(operation.actor) else channel


def _noun(event: Event) -> str:
    return event.kind.partition(".")[0]


def _planned(tx: Transaction, operation: str) -> Reach | None:
    known = tx.operations.get(operation) if operation else None
    return tx.operations.load_plan(operation).reach if known is not None else None


def _elsewhere(tx: Transaction, events: tuple[Event, ...]) -> str:
    """Why the status message isn't in the channel of the command, and what to do; empty if it is."""
    opened = [event for event in events if event.kind in {"operation.started", "approval.requested"}]
    bodies = [notice.body for event in opened for notice in tx.notices.of_event(event.id)]
    return next((CHANNEL_ERRORS.get(str(body["why"]), "") for body in bodies if body.get("why")), "")
