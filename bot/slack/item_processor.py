"""The desks: a command that came as a line, and a click or form that stands for one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from bot.refused_attempts import RefusedAttempts
from bot.slack.forms import metadata
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
"""To the person alone."""

WAYS = {
    "command": Way.SLASH,
    "mention": Way.MENTION,
    "action": Way.BUTTON,
    "form": Way.FORM,
    "shortcut": Way.BUTTON,
    "home": Way.HOME,
}

LINE = "line:"
"""Action ids of buttons that stand for a command line."""

FAST_ANSWER_S = 1.3
"""Seconds that a click waits for Slack to say who it is from."""


class SlackItemProcessor:
    """`cluster_of` a channel; `subject_of` a thread: what its card is about; `clicks` by prefix of the action id."""

    def __init__(
        self,
        identity: Identity,
        conductor: CommandPipeline,
        say: SendAnswer,
        cluster_of: Callable[[str], str],
        subject_of: Callable[[str, str], Awaitable[tuple[str, str, str]]],
        clicks: Clicks,
        attempts: RefusedAttempts | None = None,
    ) -> None:
        self._attempts = attempts or RefusedAttempts()
        self._identity = identity
        self._conductor = conductor
        self._say = say
        self._cluster_of = cluster_of
        self._subject_of = subject_of
        self._clicks = clicks

    async def process(self, item: Item) -> str:
        received = from_stored(item.payload, item.response_url)
        origin = origin_of(received)
        nobody = Actor(ActorKind.PERSON, received.user, received.user, team=received.team)
        click = _of(self._clicks.known, received)
        try:
            async with asyncio.timeout(FAST_ANSWER_S if click is not None else None):
                actor = await self._identity.actor(received.user, received.team)
        except (IdentityUnknown, TimeoutError) as error:
            if (kept := _of(self._clicks.unsure, received)) is not None:
                return await self._clicked(kept, received, nobody, origin, item)
            await self._say(origin, nobody, error_answer(_unsure(error), "", reference(item)))
            return "refused"
        except UserError as error:
            self._attempts.add(received.user, line_of(received) or "", received.lead, origin.way.value)
            await self._say(origin, nobody, error_answer(error, "", reference(item)))
            return "refused"
        if click is not None:
            return await self._clicked(click, received, actor, origin, item)
        return await self._line(received, actor, origin, item)

    async def _clicked(self, click: Click, received: Received, actor: Actor, origin: Origin, item: Item) -> str:
        try:
            return await click(received, actor, origin, item.key)
        except ChatopsError as error:
            if isinstance(error, Refused):
                self._attempts.add(actor.id, action_of(received).partition(":")[0], way=origin.way.value)
            await self._say(origin, actor, error_answer(error, "", reference(item)))
            return "refused"

    async def _line(self, received: Received, actor: Actor, origin: Origin, item: Item) -> str:
        cluster, noun, name = await self._subject(received)
        line = lookup_line(cluster, noun, name) if received.kind == "shortcut" else line_of(received)
        if line is None:
            await self._say(origin, actor, error_answer(unknown_action(received), "", reference(item)))
            return "stale"
        asked = CommandRequest(
            key=item.key,
            line=line,
            actor=actor,
            origin=origin,
            lead=received.lead,
            channel_cluster=cluster or self._cluster_of(received.channel),
            subject=(noun, name),
        )
        try:
            done = await self._conductor.run(asked)
        except (UserError, ClusterError) as error:
            if isinstance(error, Refused):
                self._attempts.add(actor.id, line, received.lead, origin.way.value)
            typed = Typed(line, asked.lead, asked.subject)
            better = correct_line(error, typed)
            if better and not await self._conductor.accepts(replace(asked, line=better)):
                better = ""
            await self._say(origin, actor, error_answer(error, line, reference(item), better))
            return "refused"
        if done.answer is not None:
            await self._say(origin, actor, replace(done.answer, reference=reference(item)))
        return "done"

    async def _subject(self, received: Received) -> tuple[str, str, str]:
        """What the thread is about; for a look at one message that message itself, else its thread."""
        if received.kind == "shortcut":
            found = await self._subject_of(received.channel, received.message)
            if found[1]:
                return found
        return await self._subject_of(received.channel, received.thread)


def _of(clicks: Mapping[str, Click], received: Received) -> Click | None:
    action = action_of(received)
    return next((click for prefix, click in clicks.items() if action.startswith(prefix)), None)


def _unsure(error: IdentityUnknown | TimeoutError) -> IdentityUnknown:
    if isinstance(error, IdentityUnknown):
        return error
    return IdentityUnknown("Your identity can't be verified right now. Nothing was done.", why="Slack doesn't respond.")


def unknown_action(received: Received) -> UsageError:
    if received.kind == "shortcut":
        return UsageError(
            "This message isn't about a backup, restore, schedule or storage location of a configured cluster."
        )
    return UsageError("This button no longer works.", fix="Run the command again.")


def action_of(received: Received) -> str:
    """Of a form: the action that its button stood for."""
    return metadata(received.value).get("action", received.action) if received.kind == "form" else received.action


def line_of(received: Received) -> str | None:
    """The command line of a message, a button or a form; None for a button that this version does not know."""
    if received.kind in {"command", "mention"}:
        return received.line
    if received.kind == "home":
        return "status"
    if received.kind == "form" and received.line:
        return received.line
    return metadata(received.value).get("line")


def origin_of(received: Received) -> Origin:
    return Origin(
        way=WAYS[received.kind],
        channel=received.channel or metadata(received.value).get("channel", ""),
        thread=received.thread or metadata(received.value).get("thread", ""),
        message=received.message,
        response_url=received.response_url,
    )


def error_answer(error: ChatopsError, line: str, ref: str, better: str | None = None) -> Answer:
    """What failed with the part underlined, why, the nearest valid values, one corrected command to copy.

    `better`: that command where it was tried already; empty, if it would not be accepted.
    """
    better = correct_line(error, Typed(line)) if better is None else better
    parts: list[Part] = []
    if part := find_place(error, line):
        start, end = part
        parts.append(Code(f"{line}\n{' ' * start}{'^' * max(1, end - start)}"))
    if error.why:
        parts.append(Text(error.why, untrusted=True))
    if error.nearest:
        parts.append(Text(f"Did you mean {', '.join(error.nearest)}?", untrusted=True))
    if better:
        parts.append(Code(better))
    elif error.fix and is_shown(error.fix, line):
        parts.append(Text(error.fix))
    return Answer(error.text, tuple(parts), Tone.BAD, reference=ref)


def not_done(item: Item, ref: str) -> tuple[Origin, Actor, Answer]:
    """To the person of an item that was set aside."""
    user = str(item.payload.get("user", ""))
    words = Text(f"It was tried {MAX_ATTEMPTS} times. Give the reference {ref} to whoever runs this bot.")
    return (
        Origin(Way.SLASH, str(item.payload.get("channel", "")), response_url=item.response_url),
        Actor(ActorKind.PERSON, user, user),
        Answer("Something went wrong on my side.", (words,), Tone.BAD, reference=ref),
    )
