"""Who is told by webhook: routes of the settings, and the senders that asked to be called back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bot.configuration.settings import Route, Sender, Settings
from bot.webhooks.completion import callback_address
from notifier.deliver.http_client import Receiver
from notifier.deliver.signature import key_of


def receivers(settings: Settings) -> Mapping[tuple[str, str], Receiver]:
    """By kind and address."""
    found = [_route(each) for each in settings.routes if each.kind != "slack"]
    found += [_callbacks(each) for each in settings.senders]
    return {(each.kind, each.name): each for each in found}


def _route(route: Route) -> Receiver:
    secrets, fault = ((), "") if route.kind == "alertmanager" else _sound(lambda: (route.secret(),))
    return Receiver(route.name, route.kind, route.url, secrets, route.allow_addresses, route.timeout, fault)


def _callbacks(sender: Sender) -> Receiver:
    secrets, fault = _sound(sender.secrets)
    return Receiver(callback_address(sender.name), "webhook", "", secrets, sender.callback_addresses, fault=fault)


def _sound(read: Callable[[], Sequence[str]]) -> tuple[tuple[str, ...], str]:
    """Nothing leaves unsigned: what is wrong with the secret is the reason why it waits."""
    try:
        secrets = tuple(each for each in read() if each)
    except OSError as error:
        return (), f"the secret can't be read: {error.strerror}"
    good = tuple(each for each in secrets if key_of(each))
    return good, "" if good else "the secret must be whsec_ followed by the base64 of 16 to 64 bytes"
