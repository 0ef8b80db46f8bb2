"""Who asks, and by which way it came in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    PERSON = "person"
    PIPELINE = "pipeline"
    TERMINAL = "terminal"
    TIMER = "timer"


_SLACK_USER_ID = re.compile(r"[UW][A-Z0-9]+")


def is_slack_user_id(text: str) -> bool:
    """Channels, user groups, pipelines and timers have other ids."""
    return _SLACK_USER_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who may ask. `id` is Slack's user id for a person, the sender's name for a pipeline.

    `groups` holds Slack user-group handles and configured group names, as resolved when they asked.
    """

    kind: ActorKind
    id: str
    name: str
    team: str = ""
    email: str = ""
    groups: frozenset[str] = frozenset()
    timezone: str = "UTC"

    @property
    def mention(self) -> str:
        return f"<@{self.id}>" if self.kind is ActorKind.PERSON else self.name


class Way(StrEnum):
    SLASH = "slash"
    MENTION = "mention"
    BUTTON = "button"
    FORM = "form"
    HOME = "home"
    WEBHOOK = "webhook"
    TIMER = "timer"
    TERMINAL = "terminal"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a command came from: how to answer it, and what its thread already says about it."""

    way: Way
    channel: str = ""
    thread: str = ""
    message: str = ""
    response_url: str = ""
    trigger: str = ""
    link: str = ""
    """Of a pipeline: the page of its run."""
