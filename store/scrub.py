"""Removes secrets from what is stored and logged: tokens, signing secrets, signed URLs, response URLs.

A secret is recognized by the name of its field, or by its own shape anywhere in a text. Every expression runs in linear
time: repetitions are bounded, and no two neighbours can match the same character.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from store.encode import storable

SCRUBBED = "[scrubbed]"
SECRET_DATA = ("data", "stringData")

# Endings of a secret's name. Kubernetes names references to secrets with hyphens (`image-pull-secret`), environment
# variables use `_`, and headers begin with `x-`: that distinguishes a reference from the secret itself.
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
"""Names of fields that contain a secret. Plurals (`secrets`, `keys`) don't match: they are lists of names."""

# Quoted as JSON or a shell does it, quoted inside a JSON text, never closed, or bare.
_VALUE = (
    r"""(?:"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*'|\\{1,3}["'].{0,300}?\\{1,3}["']|\\{0,3}["'][^\r\n]*"""
    r"""|(?:(?:bearer|basic)[ \t]+)?[^\s"'\\]+)"""
)
_IN_QUERY = r"(?:signature|sig|token|access_token|secret|password|key|awsaccesskeyid)"
_PRESIGNED = r"x-(?:amz|goog)-(?:signature|credential|security-token)"
_AND = r"(?:[?&]|&amp;|\\u0026|%26)"
# Keys with a vendor's prefix. The shapes follow the vendors' own documentation.
_KEYS = (
    r"\b(?:xox[a-z](?:\.xox[a-z])?|xapp|xwfp)-[A-Za-z0-9-]{8,}"  # Slack
    r"|\bwhsec_[A-Za-z0-9+/=]{8,}"
    r"|\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_-]{16,}"
    r"|\b(?:glpat|gldt|glrt|glcbt|glptt|glft|glimt|glagent|glsoat|glffct)-[A-Za-z0-9_.-]{16,}"
    r"|\bGR1348941[A-Za-z0-9_-]{20,}"  # GitLab runner registration
    r"|\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"  # AWS
    r"|\bAIza[A-Za-z0-9_-]{35}"  # Google API
    r"|\bGOCSPX-[A-Za-z0-9_-]{20,}|\bya29\.[A-Za-z0-9_.-]{20,}|\bGOOG[A-Z0-9]{20,60}\b"
    r"|(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}"  # Azure client secret
    r"|\b[A-Za-z0-9+/]{76}\+(?:ASt|AC[A-Za-z0-9])[A-Za-z0-9+/]{5,6}(?:==?)?"  # Azure storage and service keys
    r"|\bdop_v1_[a-f0-9]{32,}|\bdo[or]_v1_[a-f0-9]{32,}"  # DigitalOcean
    r"|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[A-Za-z0-9_-]{50,}|\brubygems_[a-f0-9]{40,}"
    r"|\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"
    r"|\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,}"  # Stripe
    r"|\bsk-(?=[a-z0-9_-]{0,60}[A-Z])[A-Za-z0-9_-]{20,}"
    r"|\bhf_[A-Za-z0-9]{30,}|\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
    r"|\b(?:hvs|hvb|hvr)\.[A-Za-z0-9_-]{20,}|\b[a-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{40,}"  # HashiCorp
    r"|\bglsa_[A-Za-z0-9]{20,}_[a-f0-9]{8}|\bglc_[A-Za-z0-9+/=]{30,}"  # Grafana
    r"|\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}|\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|\bNRAK-[A-Z0-9]{27}"
    r"|\bAGE-SECRET-KEY-1[A-Z0-9]{50,}|\bATATT3[A-Za-z0-9_=-]{50,}|\blin_api_[A-Za-z0-9]{30,}|\bsq0[a-z]{3}-[A-Za-z0-9_-]{22,}"
    r"|\b\d{8,10}:AA[A-Za-z0-9_-]{32,}"  # Telegram bot
    r"|\bK10[a-f0-9]{64}::[A-Za-z0-9:._-]+|\bsha256~[A-Za-z0-9_-]{40,}"  # k3s, OpenShift
)
# A person who knows such an address can write into the chat.
_CHAT_WEBHOOKS = (
    r"https?://(?:hooks\.slack(?:-gov)?\.com/"
    r"|(?:[a-z0-9-]{1,40}\.)?discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/"
    r"|[a-z0-9-]{1,60}\.webhook\.office\.com/|outlook\.office(?:365)?\.com/webhook"
    r"|[a-z0-9.-]{1,80}\.logic\.azure\.com(?::443)?/|[a-z0-9.-]{1,80}\.api\.powerplatform\.com/"
    r"|chat\.googleapis\.com/v1/spaces/|api\.telegram\.org/bot|events\.pagerduty\.com/integration/"
    r"|hooks\.zapier\.com/|[a-z0-9.-]{1,80}/hooks/[a-z0-9]{26}\b)[^\s\"'<>|\\]*"
)
_PEM_LINE = r"(?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
# A complete key, with the dashes in its RFC 1421 headers; or a cut-off one, up to where it can't be key text any more.
_PEM = (
    rf"-----BEGIN {_PEM_LINE}(?:(?:(?!-----(?:BEGIN|END) )[^\x00]){{0,20000}}-----END {_PEM_LINE}"
    r"|(?:(?!-----BEGIN )[A-Za-z0-9+/=\\:,.\s-]){0,20000})"
)
# Programs that take a password by a letter: `mysql -pPASS`, `docker login -p PASS`, `redis-cli -a PASS`, `ldapsearch -w PASS`.
_BETWEEN = r"\b[^\r\n]{0,300}?[ \t]"
_PROGRAM = (
    rf"(?P<program>\b(?:(?:mysql[a-z]{{0,10}}|mariadb(?:-[a-z]{{1,10}})?|xtrabackup){_BETWEEN}-p(?=[^\s])"
    rf"|(?:mongo[a-z]{{0,10}}|sshpass|docker|podman|nerdctl|skopeo|buildah|oras|crane|helm|az|cqlsh|influx){_BETWEEN}-p[ \t]{{0,2}}"
    r"(?![ \t\d-])"
    rf"|(?:sqlcmd|bcp){_BETWEEN}-P[ \t]{{0,2}}(?![ \t-])"
    rf"|(?:redis|valkey)-cli{_BETWEEN}-a[ \t]{{1,2}}(?![ \t-])"
    rf"|ldap(?:search|modify|add|delete|passwd){_BETWEEN}-w[ \t]{{0,2}}(?![ \t-])"
    rf"|openssl{_BETWEEN}-pass(?:in|out)?[ \t]{{1,2}}(?:pass:)?(?![ \t-])"
    rf"|curl{_BETWEEN}(?:-[a-zA-Z]{{0,5}}[uU]|--(?:proxy-)?user)[ \t=]{{0,2}}[\"']?[^\s:\"'/]{{1,200}}:))"
)

_LOOKS = re.compile(
    rf"{_KEYS}"
    rf"|(?i:{_CHAT_WEBHOOKS})"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    rf"|{_PEM}"
    r"|(?i:(?P<scheme>\bbearer|\bbasic)\s+[A-Za-z0-9._~+/=%-]{8,})"
    rf"|(?i:(?P<query>(?:{_AND}{_IN_QUERY}|{_PRESIGNED})(?:=|%3D))[^\s&\"'<>|\\#]+)"
    rf"|(?i:(?P<name>(?<![a-z0-9_.-])(?<!credential[= ])-{{0,2}}{_NAME}\\{{0,3}}[\"']?[ \t]{{0,4}}[:=][ \t]{{0,4}}){_VALUE})"
    r"|(?i:(?P<flag>(?<![a-z0-9-])--?(?:[a-z0-9]{1,30}-){0,4}(?:password|passwd|passphrase|token|api-key)[ \t]{1,4})"
    rf"(?!-){_VALUE})"
    rf"|(?i:{_PROGRAM})(?:\"[^\"\r\n]*\"|'[^'\r\n]*'|[^\s\"']+)"
    r"|(?i:(?P<cookie>\b(?:set-)?cookie:[ \t]{0,4})[^\r\n\"]+)"
    r"|(?P<userinfo>://[^\s/@:\"'<>]{0,200}:)[^\s/\"'<>]{1,300}(?=@)"
    r"|(?P<user>://)[A-Za-z0-9_.~%+-]{20,200}(?=@)"
)
_KEPT = ("scheme", "name", "query", "flag", "program", "cookie", "userinfo", "user")
# Every match of _LOOKS contains one of these words, so most texts need no regular expression at all.
_HINT_WORDS = """
    xox xapp- xwfp- whsec_ gh github_pat_ gl gr1348941 a3t akia asia abia acca aiza gocspx- ya29. goog q~ +as +ac _v1_ npm_
    pypi- rubygems_ dckr_ _live_ _test_ sk- hf_ sg. hvs. hvb. hvr. atlasv1. pmak- shp nrak- age-secret- atatt3 lin_api_ sq0
    :aa k10 sha256~ :// eyj bearer basic secret pass pwd token cookie sig credential key
    mysql mariadb xtrabackup mongo docker podman nerdctl skopeo buildah oras crane helm az cqlsh influx sqlcmd bcp -cli ldap
    openssl curl
"""
_HINTS = tuple(_HINT_WORDS.split())
_SHORTEST = 6
"""Nothing shorter is matched by _LOOKS: `?sig=1`."""


def scrub(text: str) -> str:
    """Replace everything that looks like a secret; the result is safe to store and to log."""
    if len(text) >= _SHORTEST and _hinted(text.lower()):
        text = _LOOKS.sub(_replaced, _without_secret_data(text))
    return storable(text)


_KIND_SECRET = re.compile(r"""\bkind\\{0,3}["']?\s{0,4}:\s{0,4}\\{0,3}["']?Secret\b""")
_DATA = re.compile(r"""\b(?:data|stringData)\\{0,3}["']?[ \t]{0,4}:(?=\s{0,40}(?:\{|\\?n|$))""", re.MULTILINE)
_ENTRY = re.compile(
    r"""(?P<key>(?:^|[{,]|\\n|\n)\s{0,40}\\{0,3}["']?[A-Za-z0-9._-]{1,253}\\{0,3}["']?[ \t]{0,4}:\s{0,4})"""
    r"""(?P<quote>\\{0,3}["'])?(?P<value>[^\s"'\\{},|>][^\s"'\\{},]*)"""
)


def _without_secret_data(text: str) -> str:
    """Replace the values of `data` and `stringData` in a Secret's manifest: YAML, JSON, or JSON inside a text."""
    if _KIND_SECRET.search(text) is None:
        return text
    parts, at = [], 0
    for found in _DATA.finditer(text):
        if found.end() < at:
            continue
        end = _end_of_data(text, found.end(), found.start())
        parts += [text[at : found.end()], _ENTRY.sub(rf"\g<key>\g<quote>{SCRUBBED}", text[found.end() : end])]
        at = end
    return "".join([*parts, text[at:]])


def _end_of_data(text: str, start: int, field: int) -> int:
    """Return the end of a data field: the closing brace in JSON; in YAML the first line that isn't indented deeper."""
    if text[start : start + 40].lstrip()[:1] == "{":
        closing = text.find("}", start)
        return len(text) if closing < 0 else closing
    line = text.rfind("\n", 0, field) + 1
    indent = field - line
    at = text.find("\n", start)
    while 0 <= at < len(text) - 1:
        following = text.find("\n", at + 1)
        row = text[at + 1 : following if following >= 0 else len(text)]
        if row.strip() and len(row) - len(row.lstrip()) <= indent:
            return at
        at = following
    return len(text)


def _hinted(lowered: str) -> bool:
    # Every payload passes here. A plain loop takes a third of the time of any() and a tenth of one pattern's.
    for hint in _HINTS:  # noqa: SIM110
        if hint in lowered:
            return True
    return False


def scrub_json(value: Any) -> Any:
    """Scrub a JSON value; a text under a secret name is replaced whatever it looks like."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return _pairs(value)
    if isinstance(value, (list, tuple)):
        return [scrub_json(inner) for inner in value]
    return value


@lru_cache(maxsize=1024)
def _name(name: str) -> str:
    """Scrub a field's name; cached, because every payload has the same few names."""
    return scrub(name)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.fullmatch(name) is not None


def _pairs(value: Mapping[Any, Any]) -> dict[str, Any]:
    """Scrub a mapping. In a pod's environment, `{name: PGPASSWORD, value: …}`, the name is in a field of its own."""
    scrubbed = {_name(str(name)): _field(str(name), inner) for name, inner in value.items()}
    if value.get("kind") == "Secret":
        scrubbed |= {
            name: dict.fromkeys(value[name], SCRUBBED) for name in SECRET_DATA if isinstance(value.get(name), Mapping)
        }
    label = value.get("name", value.get("key"))
    if isinstance(label, str) and isinstance(value.get("value"), str) and value["value"] and _is_secret(label):
        scrubbed["value"] = SCRUBBED
    return scrubbed


def _field(name: str, value: Any) -> Any:
    if not _is_secret(name) or value is None or value == "":
        return scrub_json(value)
    # A mapping under such a name is a form's block or a Kubernetes reference, not the secret itself.
    return scrub_json(value) if isinstance(value, Mapping) else SCRUBBED


def _replaced(found: re.Match[str]) -> str:
    for kept in _KEPT:
        if prefix := found[kept]:
            return _marked(kept, prefix, found[0][len(prefix) :])
    return SCRUBBED


def _marked(kept: str, prefix: str, value: str) -> str:
    """Keep the quotes around a value, so that JSON stays valid JSON."""
    if kept == "scheme":
        return f"{prefix} {SCRUBBED}"
    quote = _QUOTE.match(value) if kept in {"name", "flag", "program"} else None
    if quote is None:
        return f"{prefix}{SCRUBBED}"
    return f"{prefix}{quote[0]}{SCRUBBED}{quote[0] if value[len(quote[0]) :].endswith(quote[0]) else ''}"


_QUOTE = re.compile(r"\\{0,3}[\"']")
