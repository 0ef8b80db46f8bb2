"""Shared state of the Web API's methods: workspace, credentials, settings for tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.json_types import Json
from sandbox.slack.triggers import Hooks, Triggers
from sandbox.slack.views import Views
from sandbox.slack.workspace import Workspace

EVERY_SCOPE = frozenset(
    {
        "commands", "chat:write", "chat:write.public", "app_mentions:read", "users:read", "users:read.email",
        "usergroups:read", "channels:read", "groups:read", "im:read", "mpim:read", "channels:history",
        "groups:history", "im:history", "im:write", "channels:join", "files:write", "files:read", "reactions:write",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call of the Web API by the bot, and its answer."""

    at: datetime
    method: str
    args: Json
    status: int
    answer: Json
    fault: str = ""


@dataclass(slots=True)
class Site:
    workspace: Workspace
    bot_token: str
    app_token: str
    now: Callable[[], datetime]
    triggers: Triggers
    hooks: Hooks
    views: Views
    base_url: str = ""
    scopes: set[str] = field(default_factory=lambda: set(EVERY_SCOPE))
    token_trouble: str = ""  # token_revoked or account_inactive: the error of every call
    history_lag: timedelta = timedelta(0)
    uploads: dict[str, str] = field(default_factory=dict)  # token of an upload URL -> file
    tickets: dict[str, bool] = field(default_factory=dict)  # of Socket Mode -> debug_reconnects
    calls: deque[ApiCall] = field(default_factory=lambda: deque(maxlen=20_000))
