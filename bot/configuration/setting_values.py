"""Types of setting values. Each validates its value; the error names the value and what is allowed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from domain.duration import ALLOWED, BadDuration
from domain.duration import parse_positive as parse_duration
from domain.when import known_zone


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"must be a duration: {ALLOWED}, or a number of seconds")  # noqa: TRY004 - pydantic's way
    if isinstance(value, str):
        try:
            return parse_duration(value) / 1e9
        except BadDuration as error:
            unit = f" {error.unit!r}" if error.unit else ""
            raise ValueError(f"{value!r} {error.flaw.value}{unit}; allowed: {ALLOWED}") from None
    if not 0 < value < float("inf"):
        raise ValueError("a duration must be greater than zero and finite")
    return float(value)


def _zone(value: str) -> str:
    if not known_zone(value):
        raise ValueError(f"{value!r} isn't a time zone; use a name such as UTC or Europe/Berlin")
    return value


def matches_pattern(pattern: str, allowed: str) -> AfterValidator:
    """Validate a text by a regular expression; `allowed` describes it for people."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise ValueError(f"{value!r} isn't valid; allowed: {allowed}")
        return value

    return AfterValidator(check)


def _listening(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or " " in host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{value!r} isn't a listen address; use address:port, for example 127.0.0.1:8080")
    return value


def _network(value: str) -> str:
    try:
        ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"{value!r} isn't a network; use an address or CIDR, for example 10.0.0.0/8") from None
    return value


def address(*, encrypted: bool, allowed: str) -> Callable[[str], str]:
    """Validate a server's URL. With `encrypted`, plain http is only allowed to this machine: secrets are sent there."""

    def check(value: str) -> str:
        parts = _split(value)
        plain = (
            parts is not None and parts.scheme == "http" and (not encrypted or _is_this_machine(parts.hostname or ""))
        )
        if parts is None or not parts.hostname or not (plain or parts.scheme == "https"):
            raise ValueError(f"{_without_secrets(value)!r} isn't valid; allowed: {allowed}")
        return value

    return check


def _split(value: str) -> SplitResult | None:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return None
    return None if any(character.isspace() for character in value) else parts


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _without_secrets(value: str) -> str:
    """Remove the password and the query: errors are printed."""
    return re.sub(r"//[^/@]*@", "//…@", value.partition("?")[0])


def _if_given(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda value: check(value) if value else value)


NAME_CHARACTERS = "lowercase letters, digits, - and ."
Seconds = Annotated[float, BeforeValidator(_seconds)]
Zone = Annotated[str, AfterValidator(_zone)]
Listening = Annotated[str, AfterValidator(_listening)]
Network = Annotated[str, AfterValidator(_network)]
SlackApi = Annotated[str, AfterValidator(address(encrypted=True, allowed="https://… (http only for this machine)"))]
PublicUrl = Annotated[
    str, _if_given(address(encrypted=True, allowed="the https:// URL at which Slack reaches the bot"))
]
ServerUrl = Annotated[str, _if_given(address(encrypted=False, allowed="https://host or https://host:port"))]
RequestPath = Annotated[str, matches_pattern(r"/\S*", "a path that starts with /")]
SlashCommand = Annotated[
    str, matches_pattern(r"/[a-z0-9_-]{1,31}", "/ followed by up to 31 lowercase letters, digits, - and _")
]
ClusterName = Annotated[str, matches_pattern(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", f"up to 63 {NAME_CHARACTERS}")]
SenderName = Annotated[str, matches_pattern(r"[a-z0-9][a-z0-9._-]{0,62}", f"up to 63 {NAME_CHARACTERS} and _")]
Namespace = Annotated[
    str, matches_pattern(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "up to 63 lowercase letters, digits and -")
]

ENVIRONMENT_PREFIX = "VELERO_CHATOPS_"

SETTINGS_WITHOUT_EFFECT: Mapping[str, frozenset[str]] = {
    "slack": frozenset({"url", "secret_file", "allow_addresses", "timeout"}),
    "webhook": frozenset({"channels", "mention"}),
    "alertmanager": frozenset({"channels", "mention", "secret_file"}),
}
"""Keys: the kind of a route."""


def secret(value: SecretStr | None, file: Path | None, name: str) -> str:
    """Return a secret from the environment, else from its file, else `value`. Empty if there is none."""
    if given := os.environ.get(ENVIRONMENT_PREFIX + name):
        return given.strip()
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    return value.get_secret_value().strip() if value else ""
