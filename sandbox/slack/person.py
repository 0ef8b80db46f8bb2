"""A person in the workspace, driven by a test or the demo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any

from domain.json_types import Json
from sandbox.slack.acts import Acts, chosen_value
from sandbox.slack.delivery import Ack
from sandbox.slack.journal import Journal, NotSeen
from sandbox.slack.mangle import as_a_phone_types
from sandbox.slack.records import Message, User
from sandbox.slack.site import Site
from sandbox.slack.views import View
from sandbox.slack.words import Control, controls, reading, words


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of an action: the bot's acknowledgement, and the messages that the person could read since."""

    person: Person
    ack: Ack
    since: int
    message: Message | None = None  # what the person wrote themself

    @property
    def status(self) -> int:
        return self.ack.status

    @property
    def body(self) -> Any:
        return self.ack.body

    @property
    def error(self) -> str:
        return self.ack.error

    @property
    def messages(self) -> list[Message]:
        """Return messages written or edited since, in their current state, oldest first."""
        return self.person.reads_since(self.since)

    @property
    def ephemerals(self) -> list[Message]:
        return [message for message in self.messages if message.ephemeral_for]

    @property
    def text(self) -> str:
        return "\n".join(reading(message) for message in self.messages)

    async def reply(self, containing: str = "", deadline: float = 5.0) -> Message:
        """Wait for the first message of the bot since."""
        return await self.person.hears(containing, deadline=deadline, since=self.since)


class Person:
    def __init__(self, site: Site, acts: Acts, journal: Journal, user_id: str, home: str) -> None:
        self._site, self._acts, self._journal = site, acts, journal
        self._home = home  # the channel that the person uses by default
        self.id = user_id

    @property
    def user(self) -> User:
        return self._site.workspace.users[self.id]

    # acts

    async def says(self, line: str, in_: str = "", *, phone: bool = False, raw: bool = False) -> Answer:
        """Send a slash command in a channel; `"@velero"` is the direct message with the bot."""
        since, channel = len(self._journal.entries), self._channel(in_)
        line = as_a_phone_types(line) if phone else line
        if raw:
            name, _, text = line.partition(" ")
            return Answer(self, await self._acts.raw_command(self.user, channel, name, text), since)
        return Answer(self, await self._acts.command(self.user, channel, line), since)

    async def mentions(self, text: str, in_: str = "", thread: str | Message | None = None) -> Answer:
        """Post an ordinary message; the bot gets an event if it is mentioned."""
        since = len(self._journal.entries)
        root = thread.thread_ts or thread.ts if isinstance(thread, Message) else thread
        message, ack = await self._acts.say(self.user, self._channel(in_), text, root)
        return Answer(self, ack, since, message)

    async def writes(self, text: str) -> Answer:
        """Send a direct message to the bot."""
        return await self.mentions(text, in_="@velero")

    async def edits(self, message: Message, text: str) -> Answer:
        since = len(self._journal.entries)
        return Answer(self, await self._acts.edit(message, text), since, message)

    async def clicks(
        self,
        label: str,
        on: Message | Answer | View | None = None,
        *,
        choose: Any = None,
        stale: bool = False,
        deadline: float = 5.0,
    ) -> Answer:
        """Press a button or menu, found by its text, action_id or value, as soon as it is visible.

        `stale` presses it in an old version of the message."""
        if stale and isinstance(on, Message):
            place: Message | View = on
            control = next(c for c in controls(on.blocks) if c.answers_to(label))
        else:
            place, control = await self._find(label, on, deadline)
        chosen = label if choose is None and control.offers(label) else choose
        since = len(self._journal.entries)
        return Answer(self, await self._acts.press(self.user, place, control, chosen), since)

    async def submits(self, view: View | None = None, values: Mapping[str, Any] | None = None) -> Answer:
        """Fill in a form, with inputs found by block_id, action_id or label, and submit it."""
        form = view or await self.sees_form()
        self.fills(form, values or {})
        if missing := unfilled(form):
            raise NotSeen(f"the form would not go: required and empty: {missing}")
        since = len(self._journal.entries)
        return Answer(self, await self._acts.submit(self.user, form), since)

    def fills(self, view: View, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            control = _field(view, name)
            kept = {"type": control.element["type"], **chosen_value(control.element, value)}
            view.values[control.block["block_id"]][control.action_id] = kept

    async def closes(self, view: View | None = None, *, everything: bool = False) -> None:
        await self._acts.close_view(self.user, view or await self.sees_form(), everything=everything)

    async def looks_up(self, name: str, typed: str, on: Message | View | None = None) -> list[Json]:
        """Return the options of an external select."""
        place, control = await self._find(name, on, 5.0)
        return await self._acts.suggest(self.user, place, control, typed)

    async def opens_home(self) -> View:
        since = len(self._journal.entries)
        await self._acts.open_home(self.user)
        await self._journal.eventually(lambda: any(e.kind == "view.updated" for e in self._journal.entries[since:]))
        return self._site.views.homes[self.id]

    async def takes_shortcut(self, callback_id: str, on: Message | None = None) -> Answer:
        since = len(self._journal.entries)
        return Answer(self, await self._acts.shortcut(self.user, callback_id, on), since)

    # what the person sees

    @property
    def form(self) -> View | None:
        """Return the open form."""
        return self._site.views.top(self.id)

    async def sees_form(self, title: str = "", deadline: float = 5.0) -> View:
        def shown() -> View | None:
            return self.form if self.form and title in self.form.title else None

        found = await self._journal.eventually(shown, deadline)
        assert found is not None
        return found

    def sees(self, channel: str = "") -> list[Message]:
        """Return all messages that this person can read (in one channel), oldest first."""
        workspace = self._site.workspace
        chosen = [self._channel(channel)] if channel else list(workspace.channels.values())
        visible = [c for c in chosen if self.id in c.members or not c.is_private]
        ids = {c.id for c in chosen}
        found = [message for c in visible for message in c.messages.values()]
        found += [m for m in workspace.ephemerals if m.ephemeral_for == self.id and m.channel in ids]
        return sorted(found, key=lambda message: float(message.ts))

    def reads_since(self, since: int) -> list[Message]:
        kinds = {"message.posted", "message.updated", "ephemeral.posted"}
        fresh = {(e.data["channel"], e.data["ts"]) for e in self._journal.entries[since:] if e.kind in kinds}
        return [message for message in self.sees() if (message.channel, message.ts) in fresh]

    def was_told(self, text: str) -> bool:
        """Return whether the bot or Slack showed this text, in a message or in the open form."""
        if self.form is not None and text in "\n".join(form_words(self.form)):
            return True
        return any(says(message, text) for message in self.sees() if from_app(message))

    async def hears(self, text: str = "", deadline: float = 5.0, since: int = 0) -> Message:
        """Wait for the first message of the bot, or of Slack itself, with this text."""

        def found() -> list[Message]:
            fresh = self.reads_since(since) if since else self.sees()
            return [m for m in fresh if from_app(m) and says(m, text)]

        return (await self._journal.eventually(found, deadline))[0]

    def _channel(self, name: str) -> Any:
        if name == "@velero":
            return self._site.workspace.direct(self.id)
        return self._site.workspace.channel(name or self._home)

    async def _find(
        self, label: str, on: Message | Answer | View | None, deadline: float
    ) -> tuple[Message | View, Control]:
        def found() -> list[tuple[Message | View, Control]]:
            return [(p, c) for p in self._places(on) for c in controls(_blocks(p)) if c.answers_to(label)]

        return (await self._journal.eventually(found, deadline))[-1]

    def _places(self, on: Message | Answer | View | None) -> Sequence[Message | View]:
        if isinstance(on, View):
            return [on]
        if isinstance(on, Message):
            now = self._site.workspace.find(on.channel, on.ts)
            return [now] if now else []
        if isinstance(on, Answer):
            return self.reads_since(on.since) + ([self.form] if self.form else [])
        return [*self.sees(), *([self.form] if self.form else [])]


def from_app(message: Message) -> bool:
    return message.by_bot or message.ephemeral_for is not None


def says(message: Message, text: str) -> bool:
    """Return whether the text occurs, as sent or as read, without escapes."""
    return text in reading(message) or text in unescape(reading(message))


def form_words(view: View) -> list[str]:
    return [view.title, *words(view.blocks), *view.errors.values(), view.trouble]


def _blocks(place: Message | View) -> Sequence[Json]:
    return place.blocks


def _field(view: View, name: str) -> Control:
    every = list(controls(view.blocks))
    for control in every:
        label = (control.block.get("label") or {}).get("text")
        if name in {control.block["block_id"], control.action_id, label}:
            return control
    raise LookupError(f"{view.title!r} has no field {name!r}; there are {[c.action_id for c in every]}")


def unfilled(view: View) -> list[str]:
    """Return the empty required inputs; Slack doesn't submit such a form."""
    empty = []
    for block in view.blocks:
        if block["type"] == "input" and not block.get("optional"):
            state = view.values.get(block["block_id"], {}).get(block["element"].get("action_id"), {})
            if not any(value for key, value in state.items() if key != "type"):
                empty.append(block["label"]["text"])
    return empty
