"""Which pipeline signed this, and how much it may still ask. Who signed nothing is told nothing."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.configuration.settings import Sender, Settings
from notifier.deliver.signature import is_signed_by, key_of
from notifier.deliver.token_bucket import TokenBucket

log = logging.getLogger(__name__)

KEYS_LIVE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class _Keys:
    sender: Sender
    keys: tuple[bytes, ...]
    token: bytes


class Senders:
    """Secrets are read from their files again every few seconds, not with every forged request."""

    def __init__(self, settings: Callable[[], Settings], now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._read: tuple[Settings, datetime, tuple[_Keys, ...]] | None = None
        self._allowances: dict[tuple[str, str, int], TokenBucket] = {}

    def named(self, name: str) -> Sender | None:
        return next((each for each in self._settings().senders if each.name == name), None)

    def by_signature(self, ident: str, timestamp: str, signature: str, body: bytes) -> Sender | None:
        found = [each for each in self._known() if is_signed_by(ident, timestamp, signature, body, each.keys)]
        return found[0].sender if found else None

    def by_token(self, given: str) -> Sender | None:
        token = given.encode("utf-8", "replace")
        found = [each for each in self._known() if each.token and hmac.compare_digest(each.token, token)]
        return found[0].sender if found else None

    def wait(self, sender: Sender, what: str) -> float:
        """0 when it may go on; else in how many seconds. Asking and looking are counted apart."""
        key = (sender.name, what, sender.per_minute)
        if key not in self._allowances:
            self._allowances[key] = TokenBucket(per_minute=sender.per_minute, burst=float(sender.per_minute))
        return self._allowances[key].take(self._now())

    def _known(self) -> tuple[_Keys, ...]:
        settings, now = self._settings(), self._now()
        if self._read is None or self._read[0] is not settings or now - self._read[1] > KEYS_LIVE:
            self._read = (settings, now, tuple(_keys(each) for each in settings.senders))
        return self._read[2]


def _keys(sender: Sender) -> _Keys:
    try:
        secrets, token = sender.secrets(), sender.token()
    except OSError as error:
        log.warning("the secret of sender %s cannot be read: %s", sender.name, error.strerror)
        return _Keys(sender, (), b"")
    keys = tuple(key for key in map(key_of, secrets) if key)
    if len(keys) < len(secrets):
        log.warning("a secret of sender %s is not whsec_ and base64 of 16 to 64 bytes", sender.name)
    return _Keys(sender, keys, token.encode())
