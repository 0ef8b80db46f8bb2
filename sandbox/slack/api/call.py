"""One call of a method, and its errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from domain.json_types import Json
from sandbox.slack.blockkit.shapes import Problem
from sandbox.slack.records import Channel, User
from sandbox.slack.site import Site
from sandbox.slack.workspace import Workspace

T = TypeVar("T")


class ApiError(Exception):
    """Slack's `ok: false`."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.answer: Json = {"ok": False, "error": error, **more}


@dataclass(frozen=True, slots=True)
class Call:
    site: Site
    args: Mapping[str, Any]

    @property
    def workspace(self) -> Workspace:
        return self.site.workspace

    def get(self, name: str, default: Any = None) -> Any:
        value = self.args.get(name)
        return default if value is None else value

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.get(name, default)
        return value.lower() in {"true", "1"} if isinstance(value, str) else bool(value)

    def need(self, name: str, error: str = "invalid_arguments") -> Any:
        if (value := self.get(name)) in (None, ""):
            told = {"messages": [f"[ERROR] missing required field: {name}"]}
            raise ApiError(error, **({"response_metadata": told} if error == "invalid_arguments" else {}))
        return value

    def need_scope(self, scope: str) -> None:
        if scope not in self.site.scopes:
            provided = ",".join(sorted(self.site.scopes))
            raise ApiError("missing_scope", needed=scope, provided=provided)

    def channel(self, name: str = "channel") -> Channel:
        """Return a channel by id, if the bot can see it."""
        given = self.need(name, "channel_not_found")
        channel = self.workspace.channels.get(given)
        if channel is None or (channel.is_private and self.workspace.bot.id not in channel.members):
            raise ApiError("channel_not_found")
        return channel

    def member_channel(self, name: str = "channel") -> Channel:
        channel = self.channel(name)
        if self.workspace.bot.id not in channel.members:
            raise ApiError("not_in_channel")
        return channel

    def user(self, name: str = "user") -> User:
        if (user := self.workspace.users.get(self.need(name, "user_not_found"))) is None:
            raise ApiError("user_not_found")
        return user

    def page(self, everything: Sequence[T], usual: int, most: int = 1000) -> tuple[list[T], str]:
        """Return one page of a list and the next cursor."""
        try:
            limit, start = int(self.get("limit", usual)), _offset(self.get("cursor", ""))
        except ValueError:
            raise ApiError("invalid_cursor") from None
        end = start + max(1, min(limit, most))
        return list(everything[start:end]), (f"offset:{end}" if end < len(everything) else "")


def _offset(cursor: str) -> int:
    return int(cursor.removeprefix("offset:")) if cursor else 0


def refuse_problems(problems: Iterable[Problem], error: str) -> None:
    if told := [str(problem) for problem in problems]:
        raise ApiError(error, errors=told, response_metadata={"messages": told})


@dataclass(frozen=True, slots=True)
class Method:
    run: Callable[[Call], Json]
    scope: str = ""
    per_minute: int = 100  # Tier 1: 1, Tier 2: 20, Tier 3: 50, Tier 4: 100
    token: str = "bot"
