"""Downloads a file from a signed URL: without redirects, proxy or credentials, and without showing the URL anywhere."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp

from domain.errors import DownloadError, NotUploaded
from velero.artifacts.hosts import check_host

_CHUNK = 1 << 18
_CERTIFICATE_ERRORS = (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)


class UntrustedUrl(DownloadError):
    """The certificate of the object store isn't trusted; nothing was transferred."""


class ObjectStore:
    """`hosts` is the allow-list of this cluster; `ca` is the PEM text of the store's own authority."""

    def __init__(self, hosts: tuple[str, ...], *, connect_timeout: float = 10.0) -> None:
        self._hosts = hosts
        self._connect_timeout = connect_timeout

    async def chunks(self, url: str, title: str, *, within: float, ca: str = "") -> AsyncGenerator[bytes, None]:
        """Yield the body in chunks. `title` names the file in error messages. Raises DownloadError."""
        check = check_host(url, self._hosts)
        if not check.allowed:
            fix = f"Add {check.host} to object_store_hosts of this cluster." if check.host else ""
            raise DownloadError(f"{title} can't be downloaded.", why=check.why, fix=fix)
        limits = aiohttp.ClientTimeout(total=within, sock_connect=self._connect_timeout)
        try:
            async with _session(limits, ca) as session, session.get(url, allow_redirects=False) as response:
                _check_status(response.status, title)
                async for chunk in response.content.iter_chunked(_CHUNK):
                    yield chunk
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # The library's message quotes the URL, which is a bearer secret: neither is passed on.
            kind = UntrustedUrl if isinstance(error, _CERTIFICATE_ERRORS) else DownloadError
            raise kind(
                f"{title} couldn't be downloaded from {check.host}.", why=_describe_failure(error, within)
            ) from None


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


def _check_status(status: int, title: str) -> None:
    """Check the status. Velero signs a URL without checking that the file exists, so 404 means NotUploaded."""
    if status == 404:
        raise NotUploaded(f"{title} doesn't exist.", why="Velero hasn't uploaded it yet.")
    if 300 <= status < 400:
        raise DownloadError(f"{title} can't be downloaded.", why="The object store redirects to another address.")
    if status != 200:
        raise DownloadError(f"{title} couldn't be downloaded.", why=f"The object store returned HTTP {status}.")


def _describe_failure(error: Exception, within: float) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return "Its certificate isn't trusted."
        case TimeoutError():
            return f"No response within {within:g} seconds."
        case aiohttp.ClientConnectorDNSError():
            return "Its host name can't be resolved."
        case aiohttp.ClientConnectorError():
            return "Connection failed."
        case _:
            return "The response was cut off."
