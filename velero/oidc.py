"""Signs in with a kubeconfig's `auth-provider: oidc` as client-go does: an id token, renewed with a refresh token.

New tokens are kept in memory, because the kubeconfig may be read-only. No error quotes a token or a reply.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import aiohttp

from domain.errors import Unauthenticated
from domain.json_types import Json
from velero.documents import MESSAGE_BOUNDS, BadDocument, read_json
from velero.fields import text
from velero.token import Reading, Token

_TIMEOUT = aiohttp.ClientTimeout(total=15.0)
_EXPIRY_DELTA_S = 10.0
_MAX_REPLY_BYTES = 1 << 20
_SIGN_IN = "Sign in again with your identity provider's tool, so that it writes new tokens into the kubeconfig."

ChooseProxy = Callable[[str], str | None]


@dataclass(slots=True)
class _Tokens:
    id_token: str
    refresh_token: str


def token_from_oidc(cluster: str, config: Mapping[str, str], choose_proxy: ChooseProxy) -> Token:
    """Return the token of an OpenID Connect provider. Raises Unauthenticated if its config can't be used."""
    for key in ("idp-issuer-url", "client-id"):
        if not config.get(key):
            raise _unauthenticated(cluster, f"auth-provider oidc has no {key}", f"Add {key}.")
    tokens = _Tokens(config.get("id-token", ""), config.get("refresh-token", ""))

    async def read() -> Reading:
        expires = _expiry(cluster, tokens.id_token) if tokens.id_token else None
        if expires is None or expires.timestamp() - _EXPIRY_DELTA_S <= datetime.now(UTC).timestamp():
            await _refresh(cluster, config, tokens, choose_proxy)
            expires = _expiry(cluster, tokens.id_token)
        return Reading(f"Bearer {tokens.id_token}", expires)

    return Token(read)


async def _refresh(cluster: str, config: Mapping[str, str], tokens: _Tokens, choose_proxy: ChooseProxy) -> None:
    if not tokens.refresh_token:
        raise _unauthenticated(cluster, "the id-token has expired and there is no refresh-token", _SIGN_IN)
    issuer = config["idp-issuer-url"]
    connector = aiohttp.TCPConnector(ssl=_tls(cluster, config))
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, trust_env=False) as session:
            place = f"{issuer.removesuffix('/')}/.well-known/openid-configuration"
            async with session.get(place, proxy=choose_proxy(place)) as response:
                metadata = await _read_object(cluster, response)
            endpoint = text(metadata, "token_endpoint")
            if response.status != 200 or not endpoint:
                raise _unauthenticated(cluster, f"the identity provider's discovery failed (HTTP {response.status})")
            reply = await _request_tokens(cluster, session, config, tokens, (endpoint, choose_proxy(endpoint)))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        why = f"the identity provider can't be reached: {type(error).__name__}"
        raise _unauthenticated(cluster, why) from error
    if not text(reply, "id_token"):
        raise _unauthenticated(cluster, "the identity provider returned no id_token", "Request the scope openid.")
    tokens.id_token = text(reply, "id_token")
    tokens.refresh_token = text(reply, "refresh_token") or tokens.refresh_token


async def _request_tokens(
    cluster: str,
    session: aiohttp.ClientSession,
    config: Mapping[str, str],
    tokens: _Tokens,
    route: tuple[str, str | None],
) -> Json:
    """Authenticate the client by header, then in the form, as golang.org/x/oauth2 does; a public client has no secret."""
    endpoint, proxy = route
    client, secret = config["client-id"], config.get("client-secret", "")
    form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
    named = {"client_id": client, **({"client_secret": secret} if secret else {})}
    credentials = base64.b64encode(f"{quote_plus(client)}:{quote_plus(secret)}".encode()).decode()
    status = 0
    for data, headers in ((form, {"Authorization": f"Basic {credentials}"}), ({**form, **named}, {})):
        async with session.post(endpoint, data=data, headers=headers, proxy=proxy, allow_redirects=False) as response:
            status = response.status
            reply = await _read_object(cluster, response)
        if 200 <= status < 300:
            return reply
    raise _unauthenticated(cluster, f"the identity provider refused the refresh-token (HTTP {status})", _SIGN_IN)


async def _read_object(cluster: str, response: aiohttp.ClientResponse) -> Json:
    """Return the reply's object; an empty one if the request failed."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > _MAX_REPLY_BYTES:
            raise _unauthenticated(cluster, "the identity provider's reply is too large")
    if not 200 <= response.status < 300:
        return {}
    try:
        found: Any = read_json(body, MESSAGE_BOUNDS)
    except BadDocument as error:
        raise _unauthenticated(cluster, "the identity provider's reply isn't JSON") from error
    return found if isinstance(found, dict) else {}


def _tls(cluster: str, config: Mapping[str, str]) -> ssl.SSLContext:
    """Data takes precedence over a file, as in client-go; without either, the system's authorities are trusted."""
    try:
        data = base64.b64decode(config.get("idp-certificate-authority-data", ""), validate=True).decode()
        file = config.get("idp-certificate-authority") or None
        context = ssl.create_default_context(cafile=None if data else file, cadata=data or None)
    except (OSError, ValueError) as error:
        raise _unauthenticated(cluster, "the identity provider's certificate authority can't be used") from error
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _expiry(cluster: str, id_token: str) -> datetime:
    try:
        _, payload, _ = id_token.split(".")
        claims = read_json(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), MESSAGE_BOUNDS)
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError) as error:
        raise _unauthenticated(cluster, "the id-token isn't a JSON Web Token with an expiry time", _SIGN_IN) from error


def _unauthenticated(cluster: str, why: str, fix: str = "") -> Unauthenticated:
    return Unauthenticated(cluster, f"No credentials for cluster {cluster}.", why=why, fix=fix)
