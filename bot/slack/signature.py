"""Is this request Slack's, and fresh? Pure: what fails here is a metric, never a log line with the body in it."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import StrEnum

TOLERANCE = 300
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")


class SignatureError(StrEnum):
    UNSIGNED = "unsigned"
    MALFORMED = "malformed"
    STALE = "stale"
    FORGED = "forged"


def head_fault(timestamp: str, signature: str, now: float) -> SignatureError | None:
    """What the headers alone tell: whether the body is worth reading. Within five minutes, past or future."""
    if not timestamp or not signature:
        return SignatureError.UNSIGNED
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return SignatureError.MALFORMED
    if not _SIGNATURE.fullmatch(signature):
        return SignatureError.MALFORMED
    return SignatureError.STALE if abs(now - int(timestamp)) > TOLERANCE else None


def is_signed(timestamp: str, signature: str, body: bytes, secrets: Sequence[str]) -> bool:
    """Whether one of the secrets made this signature."""
    base = b"v0:" + timestamp.encode() + b":" + body
    made = ("v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest() for secret in secrets)
    return any(hmac.compare_digest(each, signature) for each in made)
