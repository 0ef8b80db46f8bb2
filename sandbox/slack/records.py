"""The records of a workspace: people, channels, messages, files."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.json_types import Json
from sandbox.slack.words import reading


@dataclass(frozen=True, slots=True)
class User:
    id: str
    name: str
    team_id: str
    real_name: str = ""
    email: str = ""
    tz: str = "Etc/UTC"
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class UserGroup:
    id: str
    handle: str
    name: str
    users: tuple[str, ...]
    disabled: bool = False


@dataclass(slots=True)
class Channel:
    id: str
    name: str
    members: set[str] = field(default_factory=set)
    is_private: bool = False
    is_im: bool = False
    is_archived: bool = False
    is_ext_shared: bool = False
    user: str = ""  # the person of a direct message
    messages: dict[str, Message] = field(default_factory=dict)
    threads: dict[str, list[str]] = field(default_factory=dict)  # root -> replies

    @property
    def kind(self) -> str:
        """Return the prefix of the OAuth scopes for this kind of channel."""
        if self.is_im:
            return "im"
        return "groups" if self.is_private else "channels"


@dataclass(frozen=True, slots=True)
class Message:
    channel: str
    ts: str
    user: str
    text: str
    committed: datetime
    blocks: tuple[Json, ...] = ()
    attachments: tuple[Json, ...] = ()
    thread_ts: str | None = None
    broadcast: bool = False
    metadata: Json | None = None
    edited: str | None = None
    by_bot: bool = False
    files: tuple[str, ...] = ()
    reactions: tuple[tuple[str, str], ...] = ()  # (name, user)
    ephemeral_for: str | None = None
    via_hook: bool = False

    @property
    def is_reply(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def full_text(self) -> str:
        """The visible content: fallback text, blocks and attachments."""
        return reading(self)


@dataclass(slots=True)
class File:
    id: str
    name: str
    length: int
    user: str
    content: bytes | None = None
    title: str = ""
    completed: bool = False
    shares: list[tuple[str, str]] = field(default_factory=list)  # (channel, ts)
