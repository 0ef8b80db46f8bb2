"""Checks the host of a download URL against the allow-list: anyone who may set a storage location controls that URL."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HostCheck:
    """`host` may be shown; the URL never is."""

    allowed: bool
    host: str = ""
    why: str = ""


def check_host(url: str, allowed: tuple[str, ...]) -> HostCheck:
    """Check a URL. An entry is `host` or `*.domain`, each with or without a port; without one, the scheme's default. Pure."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return HostCheck(False, why="its URL isn't valid")
    host = (parts.hostname or "").rstrip(".").lower()
    if parts.scheme not in _DEFAULT_PORTS or not host:
        return HostCheck(False, why="its URL must use http or https")
    if parts.username is not None or parts.password is not None:
        return HostCheck(False, host, "its URL contains a user name")
    shown = host if port == _DEFAULT_PORTS[parts.scheme] else f"{host}:{port}"
    if any(_matches(entry, host, port, _DEFAULT_PORTS[parts.scheme]) for entry in allowed):
        return HostCheck(True, shown)
    return HostCheck(False, shown, f"{shown} isn't in object_store_hosts of this cluster")


def _matches(entry: str, host: str, port: int, default: int) -> bool:
    name, wanted = _split_host_and_port(entry.strip().lower())
    if port != (wanted or default):
        return False
    if name.startswith("*."):
        return host.endswith(name[1:]) and len(host) > len(name) - 1
    return host == name.rstrip(".")


def _split_host_and_port(entry: str) -> tuple[str, int]:
    """Split into host and port; the brackets of an IPv6 address aren't part of the host."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, _port(rest.removeprefix(":"))
    if entry.count(":") > 1:
        return entry, 0
    name, _, port = entry.partition(":")
    return name, _port(port)


def _port(digits: str) -> int:
    return int(digits) if digits.isdecimal() and len(digits) < 6 else 0
