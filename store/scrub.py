"""Takes secrets out of what is kept: tokens, signing secrets, signed URLs, response URLs.

Two ways in: by the name of a field, and by the look of a value inside any text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from store.encode import storable

GONE = "[scrubbed]"

_SECRET_NAMES = frozenset(
    {
        "access_token",
        "api_key",
        "apikey",
        "api_token",
        "app_token",
        "authorization",
        "bot_token",
        "client_secret",
        "cookie",
        "passphrase",
        "passwd",
        "password",
        "private_key",
        "refresh_token",
        "response_url",
        "response_urls",
        "secret",
        "secret_access_key",
        "secret_key",
        "session_token",
        "signing_secret",
        "token",
        "upload_url",
        "webhook_secret",
        "x-slack-signature",
    }
)

_QUERY_SECRET = (
    r"(?:x-amz-signature|x-amz-credential|x-amz-security-token|x-goog-signature|x-goog-credential|awsaccesskeyid"
    r"|signature|sig|token|access_token|secret|password|key)"
)
_LOOKS = re.compile(
    r"\b(?:xox[a-z](?:\.xox[a-z])?|xapp|xwfp)-[A-Za-z0-9-]{8,}"
    r"|\bwhsec_[A-Za-z0-9+/=]{8,}"
    r"|https?://hooks\.slack(?:-gov)?\.com/[^\s\"'<>|\\]*"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{0,10000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
    r"|(?i:(?P<scheme>\bbearer|\bbasic)\s+[A-Za-z0-9._~+/=-]{8,})"
    r"|(?i:(?P<name>\b(?:signing[_-]secret|client[_-]secret|secret[_-]access[_-]key|password|passwd|api[_-]?key"
    r"|(?:bot|app|access|refresh)[_-]token)\b[\"']?\s{0,4}[:=]\s{0,4}[\"']?)[^\s\"'&,;]{4,})"
    rf"|(?i:(?P<query>[?&]{_QUERY_SECRET}=)[^\s&\"'<>|\\#]+)"
    r"|(?P<userinfo>://[^\s/@:\"'<>]{0,200}:)[^\s/@\"'<>]{1,200}(?=@)"
)
_KEPT = ("scheme", "name", "query", "userinfo")
# One of these stands in whatever _LOOKS matches: most texts are let through without the long search.
_HINTS = (
    "xox",
    "xapp-",
    "xwfp-",
    "whsec_",
    "://",
    "akia",
    "asia",
    "eyj",
    "private key",
    "bearer",
    "basic",
    "secret",
    "passw",
    "api",
    "token",
    "sig",
    "credential",
    "key",
)
_SHORTEST = 6
"""Nothing shorter is matched by _LOOKS: `?sig=1`."""


def scrub(text: str) -> str:
    """The text with everything that looks like a secret replaced; safe to store and to log."""
    if len(text) >= _SHORTEST and _hinted(text.lower()):
        text = _LOOKS.sub(_replaced, text)
    return storable(text)


def _hinted(lowered: str) -> bool:
    # A plain loop: a third of any() over a generator, a tenth of one pattern. Every payload passes here.
    for hint in _HINTS:  # noqa: SIM110
        if hint in lowered:
            return True
    return False


def scrub_json(value: Any) -> Any:
    """The same for a JSON value; a text under a secret name is replaced whatever it looks like."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {_name(str(name)): _field(str(name), inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [scrub_json(inner) for inner in value]
    return value


@lru_cache(maxsize=1024)
def _name(name: str) -> str:
    """Names recur: the same few in every payload."""
    return scrub(name)


def _field(name: str, value: Any) -> Any:
    if name.lower() not in _SECRET_NAMES or value is None or value == "":
        return scrub_json(value)
    # A mapping under such a name is a form's block or a Kubernetes reference, not the secret itself.
    return scrub_json(value) if isinstance(value, Mapping) else GONE


def _replaced(found: re.Match[str]) -> str:
    for kept in _KEPT:
        if prefix := found[kept]:
            return f"{prefix} {GONE}" if kept == "scheme" else f"{prefix}{GONE}"
    return GONE
