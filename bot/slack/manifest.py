"""Builds the Slack app manifest from the settings: commands, scopes with their reasons, events, interactivity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.configuration.connections import Slack
from bot.configuration.settings import Settings
from bot.slack.shortcuts import SHORTCUTS, Shortcut
from commands.grammar.verb import Effect
from commands.registry import VERBS
from domain.errors import ConfigError
from domain.json_types import Json

APP_NAME = "Velero"
APP_DESCRIPTION = "Back up, restore and schedule Kubernetes clusters with Velero"
MAX_HINT_LENGTH = 1000
HINT_NOUNS = ("status", "backup", "restore", "schedule", "help")


@dataclass(frozen=True, slots=True)
class Scope:
    """`why` is for the person who approves the app. `without` says what doesn't work without it; empty if it is required."""

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
    """Return the scopes that the app needs with these settings."""
    return (*SCOPES, *(HISTORY if settings.delivery.history else ()), *([FILES] if settings.slack.files else []))


def build_manifest(settings: Settings) -> Json:
    """Raises ConfigError if Slack would have to call a URL that isn't set."""
    slack = settings.slack
    url = _url(slack)
    scopes = required_scopes(settings)
    features: Json = {
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "bot_user": {"display_name": APP_NAME.lower(), "always_online": True},
        "slash_commands": [
            _command(slack, name, noun, url) for name, noun in {slack.command: "", **slack.aliases}.items()
        ],
        "shortcuts": [_shortcut(each) for each in SHORTCUTS],
    }
    return {
        "_metadata": {"major_version": 2},
        "display_information": {"name": APP_NAME, "description": APP_DESCRIPTION},
        "features": features,
        "oauth_config": {
            "scopes": {
                "bot": [scope.name for scope in scopes],
                "bot_optional": [scope.name for scope in scopes if scope.without],
            }
        },
        "settings": {
            "event_subscriptions": {**_with_url("request_url", url), "bot_events": sorted(EVENTS)},
            "interactivity": {
                "is_enabled": True,
                **_with_url("request_url", url),
                **_with_url("message_menu_options_url", url),
            },
            "org_deploy_enabled": False,
            "socket_mode_enabled": slack.transport == "socket",
            "token_rotation_enabled": False,
        },
    }


def _url(slack: Slack) -> str:
    """Return the request URL; empty with Socket Mode, where the bot connects to Slack."""
    if slack.transport == "socket":
        return ""
    if not slack.public_url.startswith("https://"):
        raise ConfigError(
            "Slack needs the bot's public URL.",
            faults=('slack.public_url is missing: set an https:// URL, or set slack.transport = "socket"',),
        )
    return slack.public_url.rstrip("/") + slack.request_path


def _with_url(key: str, url: str) -> Json:
    return {key: url} if url else {}


def _command(slack: Slack, name: str, noun: str, url: str) -> Json:
    description = f"Same as {slack.command} {noun}" if noun else APP_DESCRIPTION
    return {
        "command": name,
        "description": description,
        "usage_hint": hint(noun),
        "should_escape": True,
        **_with_url("url", url),
    }


def hint(noun: str) -> str:
    """Return the verbs of a noun; for the main command, the nouns that people use most."""
    if not noun:
        return _alternatives(HINT_NOUNS)
    return _alternatives([verb.name for verb in VERBS if verb.noun == noun and verb.effect is not Effect.UNSUPPORTED])


def _alternatives(words: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(words))[:MAX_HINT_LENGTH]


def _shortcut(shortcut: Shortcut) -> Json:
    return {
        "name": shortcut.name,
        "type": shortcut.type,
        "callback_id": shortcut.callback_id,
        "description": shortcut.description,
    }
