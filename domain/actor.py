"""Who sent a request, and through which channel."""

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
    """A requester. `id` is the Slack user id of a person, or the sender's name of a pipeline.

    `groups` are Slack user-group handles and configured group names, as resolved at the time of the request.
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
    """Where a command came from, and where to answer it."""

    way: Way
    channel: str = ""
    thread: str = ""
    message: str = ""
    response_url: str = ""
    trigger: str = ""
    link: str = ""
    """The web page of a pipeline's run."""
