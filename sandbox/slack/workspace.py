"""The workspace's state. All changes go through it and are written to the journal."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from domain.json_types import Json
from sandbox.slack.journal import Journal
from sandbox.slack.records import Channel, File, Message, User, UserGroup


class Workspace:
    def __init__(self, team_id: str, app_id: str, now: Callable[[], datetime], journal: Journal) -> None:
        self.team_id, self.app_id, self.domain = team_id, app_id, "sandbox"
        self.now, self.journal = now, journal
        self.users: dict[str, User] = {}
        self.groups: dict[str, UserGroup] = {}
        self.channels: dict[str, Channel] = {}
        self.files: dict[str, File] = {}
        self.ephemerals: list[Message] = []
        self.gone: list[Message] = []
        self.paid_plan = True
        self.edit_window: float | None = None  # seconds after which messages can no longer be edited
        self._numbers = itertools.count(1)
        self._last_stamp = 0
        self.bot = self.add_user("velero", real_name="Velero", is_bot=True)
        self.bot_id = self.new_id("B")

    def new_id(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers):09d}"

    def stamp(self) -> str:
        """Return a message timestamp from the clock; timestamps are unique and increase."""
        self._last_stamp = max(int(self.now().timestamp() * 1_000_000), self._last_stamp + 1)
        return f"{self._last_stamp // 1_000_000}.{self._last_stamp % 1_000_000:06d}"

    # people

    def add_user(self, name: str, **profile: Any) -> User:
        profile.setdefault("id", self.new_id("U"))
        profile.setdefault("team_id", self.team_id)
        profile.setdefault("real_name", name.capitalize())
        profile.setdefault("email", f"{name}@example.com")
        user = User(name=name, **profile)
        self.users[user.id] = user
        return user

    def change_user(self, user: str, **changes: Any) -> User:
        changed = replace(self.user(user), **changes)
        self.users[changed.id] = changed
        return changed

    def user(self, name: str) -> User:
        """Find a person by id or name."""
        if found := self.users.get(name):
            return found
        return next(user for user in self.users.values() if user.name == name.removeprefix("@"))

    def add_group(self, handle: str, users: Iterable[str], **more: Any) -> UserGroup:
        members = tuple(self.user(name).id for name in users)
        group = UserGroup(more.pop("id", None) or self.new_id("S"), handle, more.pop("name", handle), members, **more)
        self.groups[group.id] = group
        return group

    def set_group_users(self, handle: str, users: Iterable[str]) -> None:
        group = next(group for group in self.groups.values() if group.handle == handle)
        self.groups[group.id] = replace(group, users=tuple(self.user(name).id for name in users))

    # channels

    def add_channel(self, name: str, members: Iterable[str] = (), *, bot: bool = True, **more: Any) -> Channel:
        channel = Channel(more.pop("id", None) or self.new_id("C"), name.removeprefix("#"), **more)
        channel.members = {self.user(member).id for member in members} | ({self.bot.id} if bot else set())
        self.channels[channel.id] = channel
        self.journal.append("channel.added", channel=channel.id, name=channel.name)
        return channel

    def channel(self, name: str) -> Channel:
        """Find a channel by id, by name, or by @name of a direct message."""
        if found := self.channels.get(name):
            return found
        if name.startswith("@"):
            return self.direct(self.user(name).id)
        return next(c for c in self.channels.values() if c.name == name.removeprefix("#") and not c.is_im)

    def direct(self, user: str) -> Channel:
        """Return the direct message channel between the bot and a person."""
        for channel in self.channels.values():
            if channel.is_im and channel.user == user:
                return channel
        channel = Channel(self.new_id("D"), user, {user, self.bot.id}, is_private=True, is_im=True, user=user)
        self.channels[channel.id] = channel
        self.journal.append("channel.added", channel=channel.id, name=self.users[user].name)
        return channel

    # messages

    def post(self, channel: str, user: str, text: str, **more: Any) -> Message:
        message = Message(channel=channel, ts=self.stamp(), user=user, text=text, committed=self.now(), **more)
        self.channels[channel].messages[message.ts] = message
        if message.thread_ts and message.is_reply:
            self.channels[channel].threads.setdefault(message.thread_ts, []).append(message.ts)
        self.journal.append("message.posted", **_plain(message))
        return message

    def post_ephemeral(self, channel: str, reader: str, text: str, **more: Any) -> Message:
        author = more.pop("user", self.bot.id)
        message = Message(channel, self.stamp(), author, text, self.now(), ephemeral_for=reader, **more)
        self.ephemerals.append(message)
        self.journal.append("ephemeral.posted", **_plain(message))
        return message

    def update(self, message: Message, **changes: Any) -> Message:
        changed = replace(message, **changes)
        if message.ephemeral_for:
            self.ephemerals[self.ephemerals.index(message)] = changed
        else:
            self.channels[message.channel].messages[message.ts] = changed
        self.journal.append("message.updated", **_plain(changed))
        return changed

    def delete(self, message: Message) -> None:
        if message.ephemeral_for:
            self.ephemerals.remove(message)
        else:
            del self.channels[message.channel].messages[message.ts]
            if message.thread_ts and message.is_reply:
                self.channels[message.channel].threads[message.thread_ts].remove(message.ts)
        self.gone.append(message)
        self.journal.append("message.deleted", channel=message.channel, ts=message.ts)

    def find(self, channel: str, ts: str) -> Message | None:
        """Return the current message, ephemeral ones included."""
        kept = self.channels[channel].messages.get(ts) if channel in self.channels else None
        return kept or next((m for m in self.ephemerals if m.channel == channel and m.ts == ts), None)

    def messages(self, channel: str, *, thread: str | None = None) -> list[Message]:
        """Return the messages of a channel, replies included, or of one thread, oldest first."""
        kept: Sequence[Message] = list(self.channel(channel).messages.values())
        return [m for m in kept if thread is None or thread in {m.ts, m.thread_ts}]

    def posted_with_metadata(self, notice: str, *, deleted: bool = False) -> list[Message]:
        """Return the messages whose metadata has this id: none means lost, two means a duplicate."""
        standing = [m for channel in self.channels.values() for m in channel.messages.values()]
        return [m for m in standing + (self.gone if deleted else []) if _carries(m, notice)]

    def metadata_ids(self) -> Counter[str]:
        """Count the messages in the workspace by the ids in their metadata, for oracles over many messages."""
        standing = [m for channel in self.channels.values() for m in channel.messages.values() if m.metadata]
        payloads = [(m.metadata or {}).get("event_payload") or {} for m in standing]
        return Counter(str(value) for payload in payloads for value in payload.values())


def _carries(message: Message, notice: str) -> bool:
    payload = (message.metadata or {}).get("event_payload")
    return isinstance(payload, dict) and notice in payload.values()


def _plain(message: Message) -> Json:
    return {key: value for key, value in asdict(message).items() if value not in (None, (), False)}
