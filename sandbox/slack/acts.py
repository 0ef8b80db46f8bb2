"""Turns what people do in the workspace into the requests that Slack sends to the bot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from domain.json_types import Json
from sandbox.slack import payloads
from sandbox.slack.answers import apply_submission, show_command_answer, tell_failure
from sandbox.slack.delivery import COMMAND, EVENT, INTERACTION, Ack, Transport
from sandbox.slack.mangle import as_slack_sends
from sandbox.slack.records import Channel, Message, User
from sandbox.slack.site import Site
from sandbox.slack.views import VALUE_FIELDS, View
from sandbox.slack.words import Control

Sleep = Callable[[float], Awaitable[None]]


class Events:
    """Delivery of the Events API: three retries; tests can delay, duplicate or reorder events."""

    def __init__(self, transport: Callable[[], Transport], note: Callable[..., Any], sleep: Sleep) -> None:
        self._transport, self._note, self._sleep = transport, note, sleep
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[Json] | None = None
        self.copies = 1
        self.retry_after: Sequence[float] = (0, 60, 300)

    def hold(self) -> None:
        self._held = []

    async def release(self, *, reverse: bool = False) -> list[Ack]:
        held, self._held = self._held or [], None
        return [await self.deliver(event) for event in (reversed(held) if reverse else held)]

    async def deliver(self, event: Json) -> Ack:
        """Return the first attempt's answer; retries run in the background."""
        if self._held is not None:
            self._held.append(event)
            return Ack(0, reason="held back")
        ack = await self._transport().send(EVENT, event)
        for _ in range(self.copies - 1):
            await self._transport().send(EVENT, event)
        self._note("event.sent", event=event["event"]["type"], id=event["event_id"], error=ack.error)
        if ack.error:
            task = asyncio.create_task(self._again(event, ack))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return ack

    async def _again(self, event: Json, ack: Ack) -> None:
        for number, delay in enumerate(self.retry_after, 1):
            await self._sleep(delay)
            ack = await self._transport().send(EVENT, event, (number, ack.reason))
            self._note("event.retried", id=event["event_id"], number=number, error=ack.error)
            if not ack.error:
                return

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Acts:
    def __init__(self, site: Site, transport: Callable[[], Transport], events: Events) -> None:
        self._site, self._transport, self._events = site, transport, events

    # messages

    async def command(self, user: User, channel: Channel, line: str) -> Ack:
        name, _, text = line.strip().partition(" ")
        sent = as_slack_sends(text, self._site.workspace, names=True)
        return await self.raw_command(user, channel, name, sent)

    async def raw_command(self, user: User, channel: Channel, name: str, text: str) -> Ack:
        """Send the text exactly as given, without Slack's escaping."""
        payload = payloads.slash_command(self._site, user, channel, name, text)
        ack = await self._transport().send(COMMAND, payload)
        self._note("command.sent", user, ack, channel=channel.id, line=f"{name} {text}")
        show_command_answer(self._site, user.id, channel.id, name, ack)
        return ack

    async def say(self, user: User, channel: Channel, text: str, thread: str | None = None) -> tuple[Message, Ack]:
        """Post a message; the bot gets an event if it is mentioned or in a direct message."""
        sent = as_slack_sends(text, self._site.workspace, names=False)
        message = self._site.workspace.post(channel.id, user.id, sent, thread_ts=thread)
        return message, await self._tell(message)

    async def edit(self, message: Message, text: str) -> Ack:
        sent = as_slack_sends(text, self._site.workspace, names=False)
        return await self._tell(self._site.workspace.update(message, text=sent, edited=self._site.workspace.stamp()))

    async def _tell(self, message: Message) -> Ack:
        workspace = self._site.workspace
        channel = workspace.channels[message.channel]
        if workspace.bot.id not in channel.members:
            return Ack(0, reason="the bot isn't in this channel")
        if channel.is_im:
            return await self._events.deliver(payloads.said(self._site, message, "message"))
        if f"<@{workspace.bot.id}>" not in message.text:
            return Ack(0, reason="not addressed")
        return await self._events.deliver(payloads.said(self._site, message, "app_mention"))

    async def open_home(self, user: User, tab: str = "home") -> Ack:
        return await self._events.deliver(payloads.home_opened(self._site, user, tab))

    async def join(self, user: User, channel: Channel) -> Ack:
        channel.members.add(user.id)
        return await self._events.deliver(payloads.joined(self._site, user, channel))

    async def event(self, body: Json) -> Ack:
        """Send any other event, such as `{"type": "tokens_revoked", …}`."""
        return await self._events.deliver(payloads.event(self._site, body))

    # buttons and forms

    async def press(self, user: User, on: Message | View, control: Control, chosen: Any = None) -> Ack:
        value = chosen_value(control.element, chosen)
        if isinstance(on, View):
            self._remember(on, control, value)
        payload = payloads.block_actions(self._site, user, on, control, value)
        ack = await self._interact(user, payload, control.label or control.action_id)
        if ack.error and isinstance(on, Message):
            tell_failure(self._site, user.id, on.channel, control.label or control.action_id, ack.error)
        return ack

    def _remember(self, view: View, control: Control, value: Json) -> None:
        if control.element["type"] in VALUE_FIELDS:
            kept = {"type": control.element["type"], **value}
            view.values.setdefault(control.block["block_id"], {})[control.action_id] = kept

    async def submit(self, user: User, view: View) -> Ack:
        ack = await self._interact(user, payloads.view_submission(self._site, user, view), view.title)
        apply_submission(self._site, view, ack)
        return ack

    async def close_view(self, user: User, view: View, *, everything: bool = False) -> Ack | None:
        """Close a form; the bot gets an event only with `notify_on_close`."""
        self._site.views.close(view, everything=everything)
        if not view.given.get("notify_on_close"):
            return None
        payload = payloads.view_closed(self._site, user, view, cleared=everything)
        return await self._interact(user, payload, view.title)

    async def suggest(self, user: User, on: Message | View, control: Control, typed: str) -> list[Json]:
        """Return the options, of all groups, that the bot offers for the typed text."""
        payload = payloads.block_suggestion(self._site, user, on, control, typed)
        ack = await self._interact(user, payload, control.action_id)
        body = ack.body if isinstance(ack.body, dict) and not ack.error else {}
        groups = [group.get("options") or [] for group in body.get("option_groups") or []]
        return [*(body.get("options") or []), *(option for group in groups for option in group)]

    async def shortcut(self, user: User, callback_id: str, message: Message | None = None) -> Ack:
        if message is None:
            return await self._interact(user, payloads.global_shortcut(self._site, user, callback_id), callback_id)
        payload = payloads.message_shortcut(self._site, user, message, callback_id)
        return await self._interact(user, payload, callback_id)

    async def _interact(self, user: User, payload: Json, what: str) -> Ack:
        ack = await self._transport().send(INTERACTION, payload)
        self._note("interaction.sent", user, ack, type=payload["type"], what=what)
        return ack

    def _note(self, kind: str, user: User, ack: Ack, **more: Any) -> None:
        elapsed = round(ack.elapsed, 4)
        self._site.workspace.journal.append(
            kind, user=user.id, status=ack.status, error=ack.error, elapsed=elapsed, **more
        )


def chosen_value(element: Json, chosen: Any) -> Json:
    """Return a choice as in an action or a form's state: whole options for selects, else the value itself."""
    kind = element["type"]
    if kind == "overflow":
        return {"selected_option": option_of(element, chosen)}
    name = VALUE_FIELDS.get(kind)
    if name is None:
        return {}
    if name == "selected_option":
        return {name: None if chosen is None else option_of(element, chosen)}
    if name == "selected_options":
        return {name: [option_of(element, one) for one in chosen or []]}
    return {name: chosen}


def option_of(element: Json, chosen: Any) -> Json:
    """Find an option by its value or text; a complete one (from an external source) is returned unchanged."""
    if isinstance(chosen, dict):
        return chosen
    offered = list(element.get("options") or [])
    for group in element.get("option_groups") or []:
        offered += group["options"]
    for option in offered:
        if chosen in {option["value"], option["text"]["text"]}:
            return dict(option)
    raise LookupError(f"{chosen!r} is not offered; there are {[o['text']['text'] for o in offered]}")
