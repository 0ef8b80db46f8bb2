"""Processes requests from Slack: command lines, and clicks and forms that stand for one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from bot.refused_attempts import RefusedAttempts
from bot.slack.forms import WORD, metadata
from bot.slack.identity import Identity
from bot.slack.payloads import Received, from_stored
from bot.slack.shortcuts import lookup_line
from bot.slack.votes import Click, Clicks
from bot.worker import MAX_ATTEMPTS, reference
from commands.correction import Typed, correct_line, find_place, is_shown
from domain.actor import Actor, ActorKind, Origin, Way
from domain.answer import Answer, Code, Part, Text, Tone
from domain.errors import ChatopsError, ClusterError, IdentityUnknown, Refused, UsageError, UserError
from operations.pipeline import CommandPipeline
from operations.request import CommandRequest
from store.tables.inbox import Item

log = logging.getLogger(__name__)

SendAnswer = Callable[[Origin, Actor, Answer], Awaitable[None]]
"""Sends an answer to the person alone."""

WAYS = {
    "command": Way.SLASH,
    "mention": Way.MENTION,
    "action": Way.BUTTON,
    "form": Way.FORM,
    "shortcut": Way.BUTTON,
    "home": Way.HOME,
}

CLICK_IDENTITY_TIMEOUT_S = 1.3
"""How long a click waits for Slack to report who clicked."""


class SlackItemProcessor:
    """`cluster_of` takes a channel; `subject_of` a thread and returns what its status message is about."""

    def __init__(
        self,
        identity: Identity,
        pipeline: CommandPipeline,
        say: SendAnswer,
        cluster_of: Callable[[str], str],
        subject_of: Callable[[str, str], Awaitable[tuple[str, str, str]]],
        clicks: Clicks,
        attempts: RefusedAttempts | None = None,
    ) -> None:
        self._attempts = attempts or RefusedAttempts()
        self._identity = identity
        self._pipeline = pipeline
        self._say = say
        self._cluster_of = cluster_of
        self._subject_of = subject_of
        self._clicks = clicks

    async def process(self, item: Item) -> str:
        received = from_stored(item.payload, item.response_url)
        origin = origin_of(received)
        unverified = Actor(ActorKind.PERSON, received.user, received.user, team=received.team)
        click = _click_of(self._clicks.known, received)
        try:
            async with asyncio.timeout(CLICK_IDENTITY_TIMEOUT_S if click is not None else None):
                actor = await self._identity.actor(received.user, received.team)
        except (IdentityUnknown, TimeoutError) as error:
            if (deferred := _click_of(self._clicks.unsure, received)) is not None:
                return await self._run_click(deferred, received, unverified, origin, item)
            await self._say(origin, unverified, error_answer(_identity_error(error), "", reference(item)))
            return "refused"
        except UserError as error:
            self._attempts.add(received.user, line_of(received) or "", received.lead, origin.way.value)
            await self._say(origin, unverified, error_answer(error, "", reference(item)))
            return "refused"
        if click is not None:
            return await self._run_click(click, received, actor, origin, item)
        return await self._run_line(received, actor, origin, item)

    async def _run_click(self, click: Click, received: Received, actor: Actor, origin: Origin, item: Item) -> str:
        try:
            return await click(received, actor, origin, item.key)
        except ChatopsError as error:
            if isinstance(error, Refused):
                self._attempts.add(actor.id, action_of(received).partition(":")[0], way=origin.way.value)
            await self._say(origin, actor, error_answer(error, "", reference(item)))
            return "refused"

    async def _run_line(self, received: Received, actor: Actor, origin: Origin, item: Item) -> str:
        cluster, noun, name = await self._subject(received)
        line = lookup_line(cluster, noun, name) if received.kind == "shortcut" else line_of(received)
        if line is None:
            await self._say(origin, actor, error_answer(unknown_action(received), "", reference(item)))
            return "stale"
        request = CommandRequest(
            key=item.key,
            line=line,
            actor=actor,
            origin=origin,
            lead=received.lead,
            channel_cluster=cluster or self._cluster_of(received.channel),
            subject=(noun, name),
        )
        try:
            result = await self._pipeline.run(request)
        except (UserError, ClusterError) as error:
            if isinstance(error, Refused):
                self._attempts.add(actor.id, line, received.lead, origin.way.value)
            typed = Typed(line, request.lead, request.subject)
            better = correct_line(error, typed)
            if better and not await self._pipeline.accepts(replace(request, line=better)):
                better = ""
            await self._say(origin, actor, error_answer(error, line, reference(item), better))
            return "refused"
        if result.answer is not None:
            await self._say(origin, actor, replace(result.answer, reference=reference(item)))
        return "done"

    async def _subject(self, received: Received) -> tuple[str, str, str]:
        """Return what the thread is about; for a message shortcut, what that message is about, else its thread."""
        if received.kind == "shortcut":
            found = await self._subject_of(received.channel, received.message)
            if found[1]:
                return found
        return await self._subject_of(received.channel, received.thread)


def _click_of(clicks: Mapping[str, Click], received: Received) -> Click | None:
    action = action_of(received)
    return next((click for prefix, click in clicks.items() if action.startswith(prefix)), None)


def _identity_error(error: IdentityUnknown | TimeoutError) -> IdentityUnknown:
    if isinstance(error, IdentityUnknown):
        return error
    return IdentityUnknown(
        "Your identity can't be verified right now. Nothing was done.",
        why="Slack doesn't respond.",
        fix="Try again in a moment.",
    )


def unknown_action(received: Received) -> UsageError:
    if received.kind == "shortcut":
        return UsageError(
            "This message isn't about a backup, restore, schedule or storage location of a configured cluster."
        )
    return UsageError("This button no longer works.", fix="Run the command again.")


def action_of(received: Received) -> str:
    """Return the action id; for a form, that of the button that opened it."""
    return metadata(received.value).get("action", received.action) if received.kind == "form" else received.action


def line_of(received: Received) -> str | None:
    """Return the command line of a message, a button or a form; None for a button that this version doesn't know."""
    if received.kind in {"command", "mention"}:
        return received.line
    if received.kind == "home":
        return "status"
    if received.kind == "form" and received.line:
        return received.line
    value = metadata(received.value)
    if WORD in value and received.kind != "form":
        return None  # its button opens a form, which compares the typed name
    return value.get("line")


def origin_of(received: Received) -> Origin:
    return Origin(
        way=WAYS[received.kind],
        channel=received.channel or metadata(received.value).get("channel", ""),
        thread=received.thread or metadata(received.value).get("thread", ""),
        message=received.message,
        response_url=received.response_url,
    )


def error_answer(error: ChatopsError, line: str, ref: str, better: str | None = None) -> Answer:
    """Show an error: the wrong part underlined, the reason, the nearest valid values, one corrected command to copy.

    `better` is that command if it was already checked; empty if it wouldn't be accepted.
    """
    better = correct_line(error, Typed(line)) if better is None else better
    parts: list[Part] = []
    if part := find_place(error, line):
        start, end = part
        parts.append(Code(f"{line}\n{' ' * start}{'^' * max(1, end - start)}"))
    if error.why:
        parts.append(Text(error.why))
    if error.nearest:
        parts.append(Text(f"Did you mean {', '.join(error.nearest)}?"))
    if better:
        parts.append(Code(better))
    elif error.fix and is_shown(error.fix, line):
        parts.append(Text(error.fix))
    return Answer(error.text, tuple(parts), Tone.BAD, reference=ref)


def failure_answer(item: Item, ref: str) -> tuple[Origin, Actor, Answer]:
    """Return the answer for the person whose item failed."""
    user = str(item.payload.get("user", ""))
    text = Text(f"The bot tried {MAX_ATTEMPTS} times. Give reference `{ref}` to the team that runs the bot.")
    return (
        Origin(Way.SLASH, str(item.payload.get("channel", "")), response_url=item.response_url),
        Actor(ActorKind.PERSON, user, user),
        Answer("Internal error. The command may not have completed.", (text,), Tone.BAD, reference=ref),
    )
