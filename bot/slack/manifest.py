"""The Slack app to these settings: commands, scopes with their reasons, events, interactivity. Pure; needs no secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.configuration.settings import Settings, Slack
from bot.slack.shortcuts import SHORTCUTS, Shortcut
from commands.grammar.verb import Effect
from commands.registry import VERBS
from domain.errors import ConfigError

Json = dict[str, Any]

NAME = "Velero"
DESCRIPTION = "Back up, restore and schedule Kubernetes clusters"
HINT_LIMIT = 1000
ESSENTIAL = ("status", "backup", "restore", "schedule", "help")


@dataclass(frozen=True, slots=True)
class Scope:
    """`why` is for whoever approves the app. `without`: how the bot does without it; empty where it cannot."""

    name: str
    why: str
    without: str = ""


SCOPES: tuple[Scope, ...] = (
    Scope("commands", "Slash commands and shortcuts are how people ask."),
    Scope("chat:write", "Answers, cards and notices, in channels that the bot was invited to."),
    Scope("app_mentions:read", "@velero in a thread is a command about what the thread is about."),
    Scope("users:read", "Whoever asks has to be a member, active, and no guest; their time zone."),
    Scope("users:read.email", "Groups may name people by e-mail; one person with two accounts votes once."),
    Scope("usergroups:read", "Rules and approvers may name Slack's user groups."),
    Scope("im:write", "What only one person may see goes to them directly."),
    Scope(
        "im:history", "Commands written to the bot directly; after a failure, which of its own messages arrived there."
    ),
    Scope("channels:read", "The doctor's look whether the bot is in the channels that the settings name."),
    Scope(
        "groups:read",
        "The same for private channels.",
        "the doctor cannot look into private channels",
    ),
)
HISTORY = (
    Scope(
        "channels:history",
        "After a failure: whether a notice arrived in a channel is read back, so that nothing is said twice.",
        "after a failure a notice may be said twice",
    ),
    Scope(
        "groups:history",
        "The same for private channels.",
        "after a failure a notice in a private channel may be said twice",
    ),
)
FILES = Scope("files:write", "Logs and long lists are files.", "logs and long lists cannot be given as files")

EVENTS: Mapping[str, str] = {
    "app_home_opened": "the home tab shows how things are",
    "app_mention": "@velero in a thread",
    "message.im": "commands written to the bot directly",
    "subteam_members_changed": "approvers changed: what was known of user groups is forgotten",
    "subteam_updated": "the same",
    "user_change": "somebody was deactivated or renamed",
}


def required_scopes(settings: Settings) -> tuple[Scope, ...]:
    """What the app has to be granted for these settings."""
    return (*SCOPES, *(HISTORY if settings.delivery.history else ()), *([FILES] if settings.slack.files else []))


def build_manifest(settings: Settings) -> Json:
    """Raises ConfigError where Slack would have to call an address that is not set."""
    slack = settings.slack
    url = _url(slack)
    wanted = required_scopes(settings)
    features: Json = {
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "bot_user": {"display_name": NAME.lower(), "always_online": True},
        "slash_commands": [
            _command(slack, name, noun, url) for name, noun in {slack.command: "", **slack.aliases}.items()
        ],
        "shortcuts": [_shortcut(each) for each in SHORTCUTS],
    }
    return {
        "_metadata": {"major_version": 2},
        "display_information": {"name": NAME, "description": DESCRIPTION},
        "features": features,
        "oauth_config": {
            "scopes": {
                "bot": [scope.name for scope in wanted],
                "bot_optional": [scope.name for scope in wanted if scope.without],
            }
        },
        "settings": {
            "event_subscriptions": {**_addressed("request_url", url), "bot_events": sorted(EVENTS)},
            "interactivity": {
                "is_enabled": True,
                **_addressed("request_url", url),
                **_addressed("message_menu_options_url", url),
            },
            "org_deploy_enabled": False,
            "socket_mode_enabled": slack.transport == "socket",
            "token_rotation_enabled": False,
        },
    }


def _url(slack: Slack) -> str:
    """Empty with Socket Mode: the bot calls Slack then."""
    if slack.transport == "socket":
        return ""
    if not slack.public_url.startswith("https://"):
        raise ConfigError(
            "Slack has to know where to send requests.",
            faults=('slack.public_url is missing: https://…, or set slack.transport = "socket"',),
        )
    return slack.public_url.rstrip("/") + slack.request_path


def _addressed(key: str, url: str) -> Json:
    return {key: url} if url else {}


def _command(slack: Slack, name: str, noun: str, url: str) -> Json:
    what = f"The same as {slack.command} {noun}" if noun else DESCRIPTION
    return {
        "command": name,
        "description": what,
        "usage_hint": hint(noun),
        "should_escape": True,
        **_addressed("url", url),
    }


def hint(noun: str) -> str:
    """The verbs of a noun; of the bare command the nouns that people use most."""
    if not noun:
        return _alternatives(ESSENTIAL)
    return _alternatives([verb.name for verb in VERBS if verb.noun == noun and verb.effect is not Effect.UNSUPPORTED])


def _alternatives(words: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(words))[:HINT_LIMIT]


def _shortcut(shortcut: Shortcut) -> Json:
    return {
        "name": shortcut.name,
        "type": shortcut.type,
        "callback_id": shortcut.callback_id,
        "description": shortcut.description,
    }
