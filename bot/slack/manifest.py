"""The Slack app to these settings: commands, scopes with their reasons, events, interactivity. Pure; needs no secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.configuration.settings import Settings, Slack
from bot.slack.shortcuts import SHORTCUTS, Shortcut
from commands.grammar.verb import Effect
from commands.registry import VERBS
from domain.errors import ConfigError
from domain.json_types import Json

NAME = "Velero"
DESCRIPTION = "Back up, restore and schedule Kubernetes clusters with Velero"
HINT_LIMIT = 1000
ESSENTIAL = ("status", "backup", "restore", "schedule", "help")


@dataclass(frozen=True, slots=True)
class Scope:
    """`why` is for whoever approves the app. `without`: how the bot does without it; empty where it cannot."""

    name: str
    why: str
    without: str = ""


SCOPES: tuple[Scope, ...] = (
    Scope("commands", "Slash commands and shortcuts."),
    Scope("chat:write", "Send replies, status messages and notifications to channels the bot is in."),
    Scope("app_mentions:read", "Run commands from mentions such as @velero in a thread."),
    Scope("users:read", "Check that the person is an active member and not a guest; read their time zone."),
    Scope("users:read.email", "Match group members by email; make sure a person with two accounts votes only once."),
    Scope("usergroups:read", "Use Slack user groups in rules and as approvers."),
    Scope("im:write", "Send private results in a direct message."),
    Scope(
        "im:history", "Read commands in direct messages; after an outage, check which of the bot's messages arrived."
    ),
    Scope("channels:read", "Let `doctor` check that the bot is in the configured channels."),
    Scope(
        "groups:read",
        "Same for private channels.",
        "`doctor` can't check private channels",
    ),
)
HISTORY = (
    Scope(
        "channels:history",
        "After an outage, check whether a notification arrived, so it isn't sent twice.",
        "notifications may be sent twice after an outage",
    ),
    Scope(
        "groups:history",
        "Same for private channels.",
        "notifications in private channels may be sent twice after an outage",
    ),
)
FILES = Scope("files:write", "Upload logs and long lists as files.", "logs and long lists can't be uploaded")

EVENTS: Mapping[str, str] = {
    "app_home_opened": "updates the App Home",
    "app_mention": "commands in mentions",
    "message.im": "commands in direct messages",
    "subteam_members_changed": "refreshes cached user groups when approvers change",
    "subteam_updated": "same as above",
    "user_change": "refreshes people who are deactivated or renamed",
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
            "Slack needs the bot's public URL.",
            faults=('slack.public_url is missing: set an https:// URL, or set slack.transport = "socket"',),
        )
    return slack.public_url.rstrip("/") + slack.request_path


def _addressed(key: str, url: str) -> Json:
    return {key: url} if url else {}


def _command(slack: Slack, name: str, noun: str, url: str) -> Json:
    what = f"Same as {slack.command} {noun}" if noun else DESCRIPTION
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
