"""Receivers of webhooks: the routes of the settings, and the callbacks of senders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bot.configuration.settings import Route, Sender, Settings
from bot.webhooks.completion import callback_address
from notifier.deliver.http_client import Receiver
from notifier.deliver.signature import key_of


def receivers(settings: Settings) -> Mapping[tuple[str, str], Receiver]:
    """Return the receivers by kind and address."""
    found = [_route(each) for each in settings.routes if each.kind != "slack"]
    found += [_callbacks(each) for each in settings.senders]
    return {(each.kind, each.name): each for each in found}


def _route(route: Route) -> Receiver:
    secrets, fault = ((), "") if route.kind == "alertmanager" else _read_secrets(lambda: (route.secret(),))
    return Receiver(route.name, route.kind, route.url, secrets, route.allow_addresses, route.timeout, fault)


def _callbacks(sender: Sender) -> Receiver:
    secrets, fault = _read_secrets(sender.secrets)
    return Receiver(callback_address(sender.name), "webhook", "", secrets, sender.callback_addresses, fault=fault)


def _read_secrets(read: Callable[[], Sequence[str]]) -> tuple[tuple[str, ...], str]:
    """Return the secrets, or why there are none. Without a secret nothing is sent: every request is signed."""
    try:
        secrets = tuple(each for each in read() if each)
    except OSError as error:
        return (), f"the secret can't be read: {error.strerror}"
    if not secrets:
        return (), "the secret isn't set"
    valid = tuple(each for each in secrets if key_of(each))
    return valid, "" if valid else "the secret must be whsec_ followed by the base64 of 16 to 64 bytes"
