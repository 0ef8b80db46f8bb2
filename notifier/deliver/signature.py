"""Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp`, `webhook-signature`. Creates and checks them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
CLOCK_TOLERANCE_S = 300
PREFIX = "whsec_"
MAX_ID_LENGTH = 256
MAX_SIGNATURES = 8
MIN_KEY_BYTES, MAX_KEY_BYTES = 16, 64


class SignatureFault(StrEnum):
    UNSIGNED = "unsigned"
    MALFORMED = "malformed"
    STALE = "stale"
    FORGED = "forged"


def key_of(secret: str) -> bytes:
    """`whsec_` and base64, with or without its padding; empty for anything else and for keys that are too short."""
    text = secret.strip().removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return key if MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES else b""


def headers(secrets: Sequence[str], ident: str, at: datetime, body: bytes) -> dict[str, str]:
    """Signed with every secret, so that a receiver can rotate its secret without losing a notification."""
    timestamp = str(int(at.timestamp()))
    keys = [key for key in map(key_of, secrets) if key]
    signed = " ".join(f"v1,{_mac(key, ident, timestamp, body)}" for key in keys)
    return {ID: ident, TIMESTAMP: timestamp, **({SIGNATURE: signed} if signed else {})}


def check_headers(ident: str, timestamp: str, signature: str, now: float) -> SignatureFault | None:
    """Check what doesn't need the body, before the body is read."""
    if not (ident and timestamp and signature):
        return SignatureFault.UNSIGNED
    if len(ident) > MAX_ID_LENGTH or not ident.isascii() or not ident.isprintable() or " " in ident:
        return SignatureFault.MALFORMED
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return SignatureFault.MALFORMED
    if not _given(signature):
        return SignatureFault.MALFORMED
    return SignatureFault.STALE if abs(now - int(timestamp)) > CLOCK_TOLERANCE_S else None


def is_signed_by(ident: str, timestamp: str, signature: str, body: bytes, keys: Sequence[bytes]) -> bool:
    """Return whether one of the signatures was made with one of the keys."""
    given = _given(signature)
    found = False
    for key in keys:
        made = _mac(key, ident, timestamp, body)
        for one in given:
            found |= hmac.compare_digest(made, one)
    return found


def _given(signature: str) -> list[str]:
    if not signature.isascii():
        return []
    listed = [part.partition(",") for part in signature.split()[:MAX_SIGNATURES]]
    return [value for version, _, value in listed if version == "v1" and value]


def _mac(key: bytes, ident: str, timestamp: str, body: bytes) -> str:
    base = f"{ident}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, base, hashlib.sha256).digest()).decode()
