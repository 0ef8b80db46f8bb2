"""Fetches one file by a signed address: no redirects, no proxy, no credentials of ours, nothing of the address told."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp

from domain.errors import DownloadError, NotUploaded
from velero.artifacts.hosts import check_host

_CHUNK = 1 << 18
_CERTIFICATE = (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)


class UntrustedUrl(DownloadError):
    """The store's certificate is signed by nobody whom we know; nothing was transferred."""


class ObjectStore:
    """`hosts` is this cluster's allow-list; `ca` PEM text of the store's own authority."""

    def __init__(self, hosts: tuple[str, ...], *, connect_timeout: float = 10.0) -> None:
        self._hosts = hosts
        self._connect_timeout = connect_timeout

    async def chunks(self, url: str, what: str, *, within: float, ca: str = "") -> AsyncGenerator[bytes, None]:
        """The body as it comes. `what` names the file to people."""
        verdict = check_host(url, self._hosts)
        if not verdict.allowed:
            fix = f"Add {verdict.host} to object_store_hosts of this cluster." if verdict.host else ""
            raise DownloadError(f"{what} can't be downloaded.", why=verdict.why, fix=fix)
        limits = aiohttp.ClientTimeout(total=within, sock_connect=self._connect_timeout)
        try:
            async with _session(limits, ca) as session, session.get(url, allow_redirects=False) as response:
                _check(response.status, what)
                async for chunk in response.content.iter_chunked(_CHUNK):
                    yield chunk
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # The library's words quote the address, and the address is a bearer secret: neither is passed on.
            kind = UntrustedUrl if isinstance(error, _CERTIFICATE) else DownloadError
            raise kind(f"{what} couldn't be downloaded from {verdict.host}.", why=_cause(error, within)) from None


@asynccontextmanager
async def _session(limits: aiohttp.ClientTimeout, ca: str) -> AsyncGenerator[aiohttp.ClientSession, None]:
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=ca)) if ca else aiohttp.TCPConnector()
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=limits,
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},
    ) as session:
        yield session


def _check(status: int, what: str) -> None:
    """Velero signs addresses without looking whether there is anything: 404 is an answer, not a fault."""
    if status == 404:
        raise NotUploaded(f"{what} doesn't exist.", why="Velero hasn't uploaded it yet")
    if 300 <= status < 400:
        raise DownloadError(f"{what} can't be downloaded.", why="the object store redirects to another address")
    if status != 200:
        raise DownloadError(f"{what} couldn't be downloaded.", why=f"the object store returned HTTP {status}")


def _cause(error: Exception, within: float) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return "its certificate isn't trusted"
        case TimeoutError():
            return f"no response within {within:g} seconds"
        case aiohttp.ClientConnectorDNSError():
            return "its host name can't be resolved"
        case aiohttp.ClientConnectorError():
            return "connection failed"
        case _:
            return "the response was cut off"
