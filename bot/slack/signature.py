"""Is this request Slack's, and fresh? Pure: what fails here is a metric, never a log line with the body in it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from enum import StrEnum

TOLERANCE = 300


class Fault(StrEnum):
    UNSIGNED = "unsigned"
    MALFORMED = "malformed"
    STALE = "stale"
    FORGED = "forged"


def fault_of(timestamp: str, signature: str, body: bytes, secrets: Sequence[str], now: float) -> Fault | None:
    """None for a request signed with one of the secrets within five minutes, past or future."""
    if not timestamp or not signature:
        return Fault.UNSIGNED
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return Fault.MALFORMED
    if not signature.isascii() or not signature.startswith("v0="):
        return Fault.MALFORMED
    if abs(now - int(timestamp)) > TOLERANCE:
        return Fault.STALE
    base = b"v0:" + timestamp.encode() + b":" + body
    for secret in secrets:
        made = "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
        if hmac.compare_digest(made, signature):
            return None
    return Fault.FORGED
