"""Identifies the sender of a request by signature or token, and limits its rate."""

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

KEYS_MAX_AGE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class _SenderKeys:
    sender: Sender
    keys: tuple[bytes, ...]
    token: bytes


class Senders:
    """Reads secrets from their files every few seconds, not with every forged request."""

    def __init__(self, settings: Callable[[], Settings], now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._cached: tuple[Settings, datetime, tuple[_SenderKeys, ...]] | None = None
        self._buckets: dict[tuple[str, str, int], TokenBucket] = {}

    def by_name(self, name: str) -> Sender | None:
        return next((each for each in self._settings().senders if each.name == name), None)

    def by_signature(self, request_id: str, timestamp: str, signature: str, body: bytes) -> Sender | None:
        found = [
            each for each in self._current_keys() if is_signed_by(request_id, timestamp, signature, body, each.keys)
        ]
        return found[0].sender if found else None

    def by_token(self, given: str) -> Sender | None:
        token = given.encode("utf-8", "replace")
        found = [each for each in self._current_keys() if each.token and hmac.compare_digest(each.token, token)]
        return found[0].sender if found else None

    def wait(self, sender: Sender, what: str) -> float:
        """Return the seconds until the next request is allowed; 0: now. Commands and polls are counted separately."""
        key = (sender.name, what, sender.per_minute)
        if key not in self._buckets:
            self._buckets[key] = TokenBucket(per_minute=sender.per_minute, burst=float(sender.per_minute))
        return self._buckets[key].take(self._now())

    def _current_keys(self) -> tuple[_SenderKeys, ...]:
        settings, now = self._settings(), self._now()
        if self._cached is None or self._cached[0] is not settings or now - self._cached[1] > KEYS_MAX_AGE:
            self._cached = (settings, now, tuple(_keys(each) for each in settings.senders))
        return self._cached[2]


def _keys(sender: Sender) -> _SenderKeys:
    try:
        secrets, token = sender.secrets(), sender.token()
    except OSError as error:
        log.warning("the secret of sender %s can't be read: %s", sender.name, error.strerror)
        return _SenderKeys(sender, (), b"")
    keys = tuple(key for key in map(key_of, secrets) if key)
    if len(keys) < len(secrets):
        log.warning("a secret of sender %s isn't whsec_ followed by the base64 of 16 to 64 bytes", sender.name)
    return _SenderKeys(sender, keys, token.encode())
