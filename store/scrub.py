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

# What the name of a secret ends with. Kubernetes names references to secrets with hyphens (`image-pull-secret`),
# environments join with `_`, headers begin with x-: that tells a reference from the thing itself.
_WHOLLY = r"(?:password|passwd|passphrase|pwd)"
_SPECIAL = (
    r"(?:access|refresh|session|auth|id|bot|app|api|bearer|client|signing|webhook)[_-]?(?:token|secret)"
    r"|(?:secret[_-]?)?(?:api|access|secret|private|account|encryption|master)[_-]?key(?:[_-]?id)?"
)
_NAME = (
    rf"(?:[a-z0-9_.-]{{0,60}}{_WHOLLY}|(?:[a-z0-9]{{1,40}}[_.-]){{0,6}}(?:{_SPECIAL})"
    r"|(?:[a-z0-9]{1,40}_){1,6}(?:pass|secret|token)|x-[a-z0-9-]{1,60}(?:token|secret|key))"
)
_SECRET_NAME = re.compile(
    rf"{_NAME}|[a-z0-9]*(?:secret|token)|(?:set-)?cookie|authorization|apikey|response_urls?|upload_url|x-slack-signature",
    re.IGNORECASE,
)
"""Of a field. Lists of more than one name (`secrets`, `keys`) are no names of secrets."""

# Quoted as JSON or a shell does it, quoted inside a JSON text, never closed, or bare.
_VALUE = (
    r"""(?:"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*'|\\{1,3}["'].{0,300}?\\{1,3}["']|\\{0,3}["'][^\r\n]*"""
    r"""|(?:(?:bearer|basic)[ \t]+)?[^\s"'\\]+)"""
)
_IN_QUERY = r"(?:signature|sig|token|access_token|secret|password|key|awsaccesskeyid)"
_PRESIGNED = r"x-(?:amz|goog)-(?:signature|credential|security-token)"
_AND = r"(?:[?&]|&amp;|\\u0026|%26)"
_LOOKS = re.compile(
    r"\b(?:xox[a-z](?:\.xox[a-z])?|xapp|xwfp)-[A-Za-z0-9-]{8,}"
    r"|\bwhsec_[A-Za-z0-9+/=]{8,}"
    r"|\b(?:gh[pousr]_|github_pat_|glpat-)[A-Za-z0-9_-]{16,}"
    r"|https?://hooks\.slack(?:-gov)?\.com/[^\s\"'<>|\\]*"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{0,10000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
    r"|(?i:(?P<scheme>\bbearer|\bbasic)\s+[A-Za-z0-9._~+/=%-]{8,})"
    rf"|(?i:(?P<query>(?:{_AND}{_IN_QUERY}|{_PRESIGNED})(?:=|%3D))[^\s&\"'<>|\\#]+)"
    rf"|(?i:(?P<name>(?<![a-z0-9_.-])(?<!credential[= ])-{{0,2}}{_NAME}\\{{0,3}}[\"']?[ \t]{{0,4}}[:=][ \t]{{0,4}}){_VALUE})"
    r"|(?i:(?P<flag>(?<![a-z0-9-])--?(?:[a-z0-9]{1,30}-){0,4}(?:password|passwd|passphrase|token|api-key)[ \t]{1,4})"
    rf"(?!-){_VALUE})"
    r"|(?i:(?P<cookie>\b(?:set-)?cookie:[ \t]{0,4})[^\r\n\"]+)"
    r"|(?P<userinfo>://[^\s/@:\"'<>]{0,200}:)[^\s/?#\"'<>]{1,300}(?=@)"
    r"|(?P<user>://)[A-Za-z0-9_.~%+-]{20,200}(?=@)"
)
_KEPT = ("scheme", "name", "query", "flag", "cookie", "userinfo", "user")
# One of these stands in whatever _LOOKS matches: most texts are let through without the long search.
_HINTS = (
    "xox",
    "xapp-",
    "xwfp-",
    "whsec_",
    "gh",
    "glpat-",
    "://",
    "akia",
    "asia",
    "eyj",
    "private key",
    "bearer",
    "basic",
    "secret",
    "pass",
    "pwd",
    "token",
    "cookie",
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
        return _pairs(value)
    if isinstance(value, (list, tuple)):
        return [scrub_json(inner) for inner in value]
    return value


@lru_cache(maxsize=1024)
def _name(name: str) -> str:
    """Names recur: the same few in every payload."""
    return scrub(name)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.fullmatch(name) is not None


def _pairs(value: Mapping[Any, Any]) -> dict[str, Any]:
    """As a pod has its environment, `{name: PGPASSWORD, value: …}` says the name in a field of its own."""
    told = {_name(str(name)): _field(str(name), inner) for name, inner in value.items()}
    label = value.get("name", value.get("key"))
    if isinstance(label, str) and isinstance(value.get("value"), str) and value["value"] and _is_secret(label):
        told["value"] = GONE
    return told


def _field(name: str, value: Any) -> Any:
    if not _is_secret(name) or value is None or value == "":
        return scrub_json(value)
    # A mapping under such a name is a form's block or a Kubernetes reference, not the secret itself.
    return scrub_json(value) if isinstance(value, Mapping) else GONE


def _replaced(found: re.Match[str]) -> str:
    for kept in _KEPT:
        if prefix := found[kept]:
            return _marked(kept, prefix, found[0][len(prefix) :])
    return GONE


def _marked(kept: str, prefix: str, value: str) -> str:
    """The quotes around a value stay, so that what was JSON is JSON."""
    if kept == "scheme":
        return f"{prefix} {GONE}"
    quote = _QUOTE.match(value) if kept in {"name", "flag"} else None
    if quote is None:
        return f"{prefix}{GONE}"
    return f"{prefix}{quote[0]}{GONE}{quote[0] if value[len(quote[0]) :].endswith(quote[0]) else ''}"


_QUOTE = re.compile(r"\\{0,3}[\"']")
