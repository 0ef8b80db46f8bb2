"""Reads the Authorization header of a cluster, and reads it again when it expires or is rejected.

One reading serves all concurrent requests. It is kept for a minute, as in client-go, or less if the token expires
sooner; an exec plugin's is kept until it expires. After a 401 it is read again at once. If a reading fails, the previous one stays in use until it expires: a
plugin that hangs must not cut off a cluster whose token is still valid.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from domain.errors import Unauthenticated
from domain.json_types import Json
from velero.documents import MESSAGE_BOUNDS, BadDocument, read_json
from velero.fields import items, section, strings, text, timestamp

MAX_AGE_S = 60.0
EXEC_TIMEOUT_S = 15.0
_RENEW_BEFORE_EXPIRY_S = 10.0


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """PEM texts."""

    certificate: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """`header` is the whole Authorization value, empty with only a certificate; `expires` is when the credentials expire."""

    header: str
    expires: datetime | None = None
    certificate: ClientCertificate | None = None


ReadToken = Callable[[], Awaitable[Reading]]


class Token:
    def __init__(
        self,
        read: ReadToken,
        *,
        ttl: float = MAX_AGE_S,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._read = read
        self._ttl = ttl
        self._monotonic = monotonic
        self._wall = wall
        self._lock = asyncio.Lock()
        self._reading: Reading | None = None
        self._valid_until = 0.0

    @property
    def certificate(self) -> ClientCertificate | None:
        """Return the client certificate of the last reading."""
        return self._reading.certificate if self._reading else None

    async def header(self) -> str:
        async with self._lock:
            if self._reading is None or self._monotonic() >= self._valid_until:
                await self._renew()
            assert self._reading is not None
            return self._reading.header

    async def renew(self, rejected: str, certificate: ClientCertificate | None = None) -> str:
        """Return a new header after a 401 for `rejected`; concurrent callers share one reading."""
        async with self._lock:
            if self._reading is None or (self._reading.header, self._reading.certificate) == (rejected, certificate):
                self._reading = None
                await self._renew()
            assert self._reading is not None
            return self._reading.header

    async def _renew(self) -> None:
        try:
            reading = await self._read()
        except Unauthenticated:
            if self._reading is None or self._seconds_left(self._reading) <= 0:
                raise
            reading = self._reading
        self._reading = reading
        self._valid_until = self._monotonic() + min(
            self._ttl, max(self._seconds_left(reading) - _RENEW_BEFORE_EXPIRY_S, 1.0)
        )

    def _seconds_left(self, reading: Reading) -> float:
        return reading.expires.timestamp() - self._wall() if reading.expires else float("inf")


def fixed_token(header: str) -> Token:
    async def read() -> Reading:
        return Reading(header)

    return Token(read)


def token_from_file(cluster: str, path: Path, fallback: str = "", **clocks: Callable[[], float]) -> Token:
    """Read a projected service-account token or a kubeconfig's tokenFile; both are rotated in place.

    `fallback` is the kubeconfig's `token`, used until the file can be read.
    """

    async def read() -> Reading:
        try:
            content = await asyncio.to_thread(path.read_text)
        except (OSError, ValueError) as error:
            if fallback:
                return Reading(f"Bearer {fallback}")
            reason = error.strerror if isinstance(error, OSError) else "it isn't text"
            raise _unauthenticated(cluster, f"the token file can't be read: {reason}") from error
        if not content.strip() and not fallback:
            raise _unauthenticated(cluster, "the token file is empty")
        return Reading(f"Bearer {content.strip() or fallback}")

    return Token(read, **clocks)  # type: ignore[arg-type]


def token_from_exec(
    cluster: str,
    config: Json,
    environment: Mapping[str, str],
    *,
    timeout: float = EXEC_TIMEOUT_S,
    cluster_info: Json | None = None,
) -> Token:
    """Run a kubeconfig's exec plugin (`aws eks get-token`, `gke-gcloud-auth-plugin` …)."""
    whole = {**environment, **_plugin_environment(config, cluster_info)}

    async def read() -> Reading:
        program = await asyncio.to_thread(_find_program, text(config, "command"), environment)
        return _parse_credential(cluster, await _run_plugin(cluster, config, (program, whole), timeout), config)

    return Token(read, ttl=float("inf"))


def _find_program(command: str, environment: Mapping[str, str]) -> str | None:
    """Search the bot's own PATH, as client-go does, not one that the kubeconfig sets for the plugin."""
    return command if os.sep in command else shutil.which(command, path=environment.get("PATH"))


async def _run_plugin(cluster: str, config: Json, start: tuple[str | None, Mapping[str, str]], limit: float) -> bytes:
    command = text(config, "command")
    program, environment = start
    try:
        if program is None:
            raise FileNotFoundError(errno.ENOENT, "it isn't in PATH")
        process = await asyncio.create_subprocess_exec(
            program,
            *strings(config, "args"),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        hint = _printable(text(config, "installHint"))
        raise Unauthenticated(
            cluster,
            f"No credentials for cluster {cluster}.",
            why=f"the credential plugin {Path(command).name} can't be started: {error.strerror}",
            fix=f"Install it where the bot runs{f': {hint}' if hint else '.'}",
        ) from error
    try:
        # communicate() drains both pipes; reading them one after the other deadlocks if a plugin prints a lot.
        async with asyncio.timeout(limit):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise _unauthenticated(
            cluster, f"the credential plugin {Path(command).name} didn't respond within {limit:g} seconds"
        ) from error
    finally:
        await _kill(process)
    if process.returncode:
        raise _unauthenticated(
            cluster, f"the credential plugin {Path(command).name} exited with code {process.returncode}"
        )
    return output


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _printable(hint: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in hint).split())[:300]


def _plugin_environment(config: Json, cluster_info: Json | None) -> dict[str, str]:
    spec = {"interactive": False, **({"cluster": cluster_info} if cluster_info is not None else {})}
    info = {"apiVersion": text(config, "apiVersion"), "kind": "ExecCredential", "spec": spec}
    named = {text(item, "name"): text(item, "value") for item in items(config, "env") if text(item, "name")}
    return {**named, "KUBERNETES_EXEC_INFO": json.dumps(info)}


def _parse_credential(cluster: str, output: bytes, config: Json) -> Reading:
    plugin = Path(text(config, "command")).name
    try:
        answer = read_json(output, MESSAGE_BOUNDS)
    except BadDocument as error:
        raise _unauthenticated(
            cluster, f"the credential plugin {plugin} returned something that isn't an ExecCredential"
        ) from error
    version = text(answer, "apiVersion") if isinstance(answer, dict) else ""
    if version and version != text(config, "apiVersion"):
        raise _unauthenticated(
            cluster, f"the credential plugin {plugin} returned another apiVersion than the kubeconfig sets"
        )
    status = section(answer, "status")
    token = text(status, "token")
    certificate, key = text(status, "clientCertificateData"), text(status, "clientKeyData")
    if bool(certificate) != bool(key):
        raise _unauthenticated(cluster, f"the credential plugin {plugin} returned a certificate or a key, not both")
    if not token and not certificate:
        raise _unauthenticated(cluster, f"the credential plugin {plugin} returned no token and no client certificate")
    return Reading(
        f"Bearer {token}" if token else "",
        timestamp(status, "expirationTimestamp"),
        ClientCertificate(certificate, key) if certificate else None,
    )


def _unauthenticated(cluster: str, why: str) -> Unauthenticated:
    return Unauthenticated(cluster, f"No credentials for cluster {cluster}.", why=why)
