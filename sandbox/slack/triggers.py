"""Trigger ids and response URLs of requests to the bot."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

TRIGGER_LIFE = timedelta(seconds=3)
HOOK_LIFE = timedelta(minutes=30)
HOOK_USES = 5


@dataclass(slots=True)
class Trigger:
    user: str
    made: datetime
    view: str | None = None  # the view it was pressed in
    used: bool = False


class Triggers:
    """Trigger ids; each opens one view within three seconds."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._made: dict[str, Trigger] = {}

    def new(self, user: str, view: str | None = None) -> str:
        name = f"{len(self._made) + 1}.{secrets.randbelow(10**9)}.{secrets.token_hex(16)}"
        self._made[name] = Trigger(user, self._now(), view)
        return name

    def use(self, name: str) -> Trigger | str:
        """Return the trigger, or Slack's error code."""
        trigger = self._made.get(name)
        if trigger is None:
            return "invalid_trigger_id"
        if self._now() - trigger.made > TRIGGER_LIFE:
            return "expired_trigger_id"
        if trigger.used:
            return "exchanged_trigger_id"
        trigger.used = True
        return trigger


@dataclass(slots=True)
class Hook:
    user: str
    channel: str
    made: datetime
    message_ts: str | None = None  # of the message whose button was pressed
    uses: int = 0


class Hooks:
    """Response URLs: five uses in thirty minutes."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._made: dict[str, Hook] = {}

    def new(self, kind: str, user: str, channel: str, message_ts: str | None = None) -> str:
        path = f"/{kind}/{len(self._made) + 1}/{secrets.token_urlsafe(18)}"
        self._made[path] = Hook(user, channel, self._now(), message_ts)
        return path

    def use(self, path: str) -> Hook | str | None:
        """Return the URL's record, the reason why it no longer works, or None for an unknown one."""
        hook = self._made.get(path)
        if hook is None:
            return None
        if self._now() - hook.made > HOOK_LIFE:
            return "expired_url"
        if hook.uses >= HOOK_USES:
            return "used_url"
        hook.uses += 1
        return hook
