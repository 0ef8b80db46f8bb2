"""Checks Slack's request signature and its age. Failures are counted, never logged with the body."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import StrEnum

MAX_CLOCK_SKEW_S = 300
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")


class SignatureError(StrEnum):
    UNSIGNED = "unsigned"
    MALFORMED = "malformed"
    STALE = "stale"
    FORGED = "forged"


def check_headers(timestamp: str, signature: str, now: float) -> SignatureError | None:
    """Check the headers before the body is read. The timestamp may be five minutes off, past or future."""
    if not timestamp or not signature:
        return SignatureError.UNSIGNED
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return SignatureError.MALFORMED
    if not _SIGNATURE.fullmatch(signature):
        return SignatureError.MALFORMED
    return SignatureError.STALE if abs(now - int(timestamp)) > MAX_CLOCK_SKEW_S else None


def is_signed(timestamp: str, signature: str, body: bytes, secrets: Sequence[str]) -> bool:
    """Return whether one of the secrets signatures this signature."""
    base = b"v0:" + timestamp.encode() + b":" + body
    signatures = ("v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest() for secret in secrets)
    return any(hmac.compare_digest(each, signature) for each in signatures)
