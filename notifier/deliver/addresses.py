"""Decides which addresses a webhook may call.

A host name is resolved once; the address is checked and pinned for the connection. So a name that resolves to another
address between the check and the connection (DNS rebinding) reaches nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from threading import Thread

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from domain.errors import NotAccepted, Undeliverable

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) → addresses. Raises OSError for an unknown name."""

MOST_LOOKUPS = 64

_NAT64 = ip_network("64:ff9b::/96")
_NAMED = (
    (ip_network("169.254.169.254/32"), "a cloud metadata service"),
    (ip_network("fd00:ec2::254/128"), "a cloud metadata service"),
    (ip_network("168.63.129.16/32"), "a cloud provider's internal service"),
    (ip_network("100.64.0.0/10"), "a shared carrier address range"),
    (ip_network("192.0.0.0/24"), "reserved"),  # one of them is a provider's metadata service
    (ip_network("192.88.99.0/24"), "reserved"),
    (ip_network("2001::/32"), "a tunnel address"),
    (ip_network("3fff::/20"), "reserved"),
    (ip_network("fec0::/10"), "a private network"),
)
"""Networks that some versions of `ipaddress` report as public."""


@dataclass(frozen=True, slots=True)
class Place:
    """`address` is the checked address; the connection uses it and doesn't resolve the name again."""

    url: str
    host: str
    port: int
    address: str


async def place_of(url: str, allowed: Sequence[str], resolve: Resolve) -> Place:
    """Raises Undeliverable for a refused address, NotAccepted for a name that doesn't resolve now."""
    host, port = parts_of(url)
    try:
        found = await resolve(host, port)
    except OSError:
        raise NotAccepted(f"Host {host} can't be resolved.", code="dns") from None
    networks = [ip_network(each, strict=False) for each in allowed]
    refused = ""
    for text in found:
        why = refusal(ip_address(text.partition("%")[0]), networks)
        if not why:
            return Place(url, host, port, text)
        refused = refused or f"{host} is {text}: {why}"
    if not refused:
        raise NotAccepted(f"Host {host} has no IP address.", code="dns")
    raise Undeliverable(
        f"The receiver's address isn't allowed: {refused}. To allow it, add it to allow_addresses of the receiver.",
        code="address-refused",
    )


def parts_of(url: str) -> tuple[str, int]:
    """(host, port). Raises Undeliverable."""
    try:
        # The same parser as the HTTP client: two parsers that disagree about the host would let a URL bypass the check.
        read = URL(url)
        host, port = read.raw_host, read.port
    except ValueError:
        raise Undeliverable("The receiver's URL isn't valid.", code="address-refused") from None
    if read.scheme not in {"http", "https"} or not host or not port:
        raise Undeliverable("The receiver's URL must use http or https.", code="address-refused")
    if read.user is not None or read.password is not None:
        raise Undeliverable("The receiver's URL must not contain a user name or password.", code="address-refused")
    return host, port


def refusal(address: Address, allowed: Sequence[Network]) -> str:
    """The reason why an address is refused; empty if it is allowed. IPv4 wrapped in IPv6 is judged as IPv4."""
    if any(address in network for network in allowed if network.version == address.version):
        return ""
    inner = _inner(address)
    if inner is not None:
        return refusal(inner, allowed)
    for network, words in _NAMED:
        if network.version == address.version and address in network:
            return words
    for words, holds in (
        ("loopback", address.is_loopback),
        ("link-local", address.is_link_local),
        ("unspecified", address.is_unspecified),
        ("multicast", address.is_multicast),
        ("a private network", address.is_private),
        ("reserved", address.is_reserved or not address.is_global),
    ):
        if holds:
            return words
    return ""


def _inner(address: Address) -> IPv4Address | None:
    if not isinstance(address, IPv6Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


class Lookups:
    """Resolves names by the system, each name once at a time and in a thread of its own.

    A name server that doesn't respond blocks its thread for long, and the shared threads also read cluster tokens.
    """

    def __init__(self) -> None:
        self._under_way: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        known = self._under_way.get((host, port))
        if known is None:
            if len(self._under_way) >= MOST_LOOKUPS:
                raise OSError("too many DNS lookups in progress")
            known = self._begin(host, port)
        return await asyncio.shield(known)

    def _begin(self, host: str, port: int) -> asyncio.Future[Sequence[str]]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[str]] = loop.create_future()
        self._under_way[host, port] = found

        def over(addresses: Sequence[str], error: OSError | None) -> None:
            del self._under_way[host, port]
            if found.cancelled():
                return
            if error is None:
                found.set_result(addresses)
            else:
                found.set_exception(error)
                found.exception()  # the caller may be gone; this marks the exception as retrieved

        def ask() -> None:
            addresses, fault = _addresses(host, port)
            with suppress(RuntimeError):  # the event loop is closed
                loop.call_soon_threadsafe(over, addresses, fault)

        Thread(target=ask, name=f"lookup {host}", daemon=True).start()
        return found


def _addresses(host: str, port: int) -> tuple[Sequence[str], OSError | None]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return (), error
    except UnicodeError:
        return (), OSError("not a valid host name")
    return list(dict.fromkeys(str(each[4][0]) for each in found)), None


class Pinned(AbstractResolver):
    """Resolves every name to the one checked address."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        del family
        address = self._place.address
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=0)]

    async def close(self) -> None:
        return


def session_to(place: Place, seconds: float) -> aiohttp.ClientSession:
    """A session for one call: no proxy, no cookies, no other address."""
    connector = aiohttp.TCPConnector(resolver=Pinned(place), use_dns_cache=False, force_close=True, limit=1)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=seconds),
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )
