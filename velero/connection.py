"""Connects to a cluster by a kubeconfig's context, from inside the cluster, or by an address from the settings.

Only this module imports the kubernetes package, and uses Configuration and ApiClient (TLS, proxies, connection pool).
The package's kubeconfig loader drops fields in silence, reads credential plugins and token files only once, without a
timeout, and hides their errors (docs/adr/0005-kubernetes-client.md): `velero/kubeconfig.py`, `velero/token.py` and
`velero/oidc.py` read those instead. A kubeconfig holds secrets: no error here quotes its text.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import importlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from domain.errors import Unreachable
from velero.fields import section, string_map, text
from velero.kubeconfig import (
    KubeconfigEntry,
    client_certificate,
    exec_cluster,
    extra_headers,
    read_sources,
    resolve_context,
    server_authority,
)
from velero.oidc import token_from_oidc
from velero.token import ClientCertificate, Token, fixed_token, token_from_exec, token_from_file

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """`path` may list several files, as KUBECONFIG does; empty means KUBECONFIG, else ~/.kube/config."""

    path: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True)
class InCluster:
    directory: Path = SERVICE_ACCOUNT


@dataclass(frozen=True, slots=True)
class Direct:
    """`ca` is PEM text; empty means the system's authorities. Files take precedence over texts and are reread on change."""

    url: str
    token: str = ""
    ca: str = ""
    verify: bool = True
    token_file: Path | None = None
    ca_file: Path | None = None


Access = Kubeconfig | InCluster | Direct


@dataclass(frozen=True, slots=True)
class Connection:
    """`client` is the package's ApiClient. `files` hold the certificates of its TLS context, `files_hash` their content.

    `headers` belong to every request. `plugin_certificate` is the one that an exec plugin gave the TLS context.
    """

    client: Any
    token: Token
    url: str
    files: tuple[Path, ...] = ()
    files_hash: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    plugin_certificate: ClientCertificate | None = None

    def is_outdated(self) -> bool:
        return bool(self.files) and hash_files(self.files) != self.files_hash


def hash_files(files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in files:
        try:
            digest.update(path.read_bytes())
        except OSError:
            digest.update(b"?")
    return digest.hexdigest()


async def connect(cluster: str, access: Access, environment: Mapping[str, str] | None = None) -> Connection:
    """Prepare a connection; nothing is sent yet. Raises Unreachable or Unauthenticated if the settings can't be used."""
    settings = os.environ if environment is None else environment
    match access:
        case Direct():
            configuration = await _new_configuration()
            _configure_direct(configuration, access)
            files = (access.ca_file,) if access.ca_file else ()
            return _connection(cluster, configuration, _direct_token(cluster, access), files)
        case InCluster():
            return await _in_cluster(cluster, access, settings)
        case Kubeconfig():
            return await _from_kubeconfig(cluster, access, settings)


async def _new_configuration() -> Any:
    # The import takes 0.75 s: in a thread, so that the event loop isn't blocked.
    module = await asyncio.to_thread(importlib.import_module, "kubernetes.aio.client")
    configuration = module.Configuration()
    # Go's clients don't enforce RFC 5280 strictly; many cluster authorities would fail the strict check of Python 3.13.
    configuration.disable_strict_ssl_verification = True
    return configuration


_CONNECTED: ContextVar[list[bool] | None] = ContextVar("connected", default=None)


@contextmanager
def track_connections() -> Iterator[list[bool]]:
    """Yield a list that stays empty until a connection is established (name, socket, TLS), so that nothing was sent.

    The exception alone can't tell: aiohttp sends a DELETE again on a second connection when the first one breaks.
    """
    attempts: list[bool] = []
    token = _CONNECTED.set(attempts)
    try:
        yield attempts
    finally:
        _CONNECTED.reset(token)


async def _record_connection(*_: object) -> None:
    if (attempts := _CONNECTED.get()) is not None:
        attempts.append(True)


def _connection_trace() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_record_connection)
    trace.on_connection_reuseconn.append(_record_connection)
    return trace


def _connection(
    cluster: str,
    configuration: Any,
    token: Token,
    files: tuple[Path, ...],
    certificate: ClientCertificate | None = None,
) -> Connection:
    # With trust_env, aiohttp reads the proxy settings and ~/.netrc for every request, each in a thread; a netrc entry
    # for the host then makes every request with a token fail.
    configuration.client_session_kwargs = {"trust_env": False, "trace_configs": [_connection_trace()]}
    configuration.proxy = configuration.proxy or proxy_from_environment(configuration.host)
    try:
        with _certificate_files(certificate) as (configuration.cert_file, configuration.key_file):
            client = importlib.import_module("kubernetes.aio.client").ApiClient(configuration)
    except (OSError, ValueError) as error:
        why = f"its certificates can't be used ({type(error).__name__})"
        raise Unreachable(
            cluster, f"The connection to cluster {cluster} isn't configured correctly.", why=why
        ) from error
    return Connection(client, token, configuration.host.rstrip("/"), files, hash_files(files))


@contextmanager
def _certificate_files(certificate: ClientCertificate | None) -> Iterator[tuple[str | None, str | None]]:
    """Yield files of the certificate and its key: a TLS context loads them only from files, while it is built."""
    if certificate is None:
        yield None, None
        return
    with tempfile.TemporaryDirectory(prefix="velero-chatops-") as directory:
        paths = Path(directory, "client.crt"), Path(directory, "client.key")
        for path, content in zip(paths, (certificate.certificate, certificate.key), strict=True):
            path.write_text(content)
        yield str(paths[0]), str(paths[1])


def proxy_from_environment(url: str) -> str | None:
    """Return the proxy by HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as kubectl does; None for a direct connection."""
    target = urlsplit(url)
    return None if proxy_bypass(target.netloc) else getproxies().get(target.scheme)


def _configure_direct(configuration: Any, access: Direct) -> None:
    configuration.host = access.url
    configuration.verify_ssl = access.verify
    configuration.ca_cert_data = access.ca or None
    configuration.ssl_ca_cert = str(access.ca_file) if access.ca_file else None


def _direct_token(cluster: str, access: Direct) -> Token:
    if access.token_file is not None:
        return token_from_file(cluster, access.token_file)
    return fixed_token(f"Bearer {access.token}" if access.token else "")


async def _in_cluster(cluster: str, access: InCluster, environment: Mapping[str, str]) -> Connection:
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise Unreachable(
            cluster, f"Cluster {cluster} is set to in_cluster, but the bot doesn't run in a Kubernetes cluster."
        )
    configuration = await _new_configuration()
    authority = access.directory / "ca.crt"
    configuration.host = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    configuration.ssl_ca_cert = str(authority)
    return _connection(cluster, configuration, token_from_file(cluster, access.directory / "token"), (authority,))


async def _from_kubeconfig(cluster: str, access: Kubeconfig, environment: Mapping[str, str]) -> Connection:
    paths = access.path or environment.get("KUBECONFIG", "") or str(Path.home() / ".kube" / "config")
    sources = await asyncio.to_thread(read_sources, cluster, paths)
    entry = resolve_context(cluster, sources, access.context)
    configuration = await _new_configuration()
    certificate = await asyncio.to_thread(_configure_entry, cluster, configuration, entry)
    token = _entry_token(cluster, entry, environment, configuration.ca_cert_data or "")
    if entry.plugin:
        # A plugin may return a client certificate, and the TLS context has to have it.
        await token.header()
        certificate = token.certificate
    files = (*entry.files, *(path for path, _ in sources))
    connection = await asyncio.to_thread(_connection, cluster, configuration, token, files, certificate)
    return replace(connection, headers=extra_headers(entry), plugin_certificate=token.certificate)


def _configure_entry(cluster: str, configuration: Any, entry: KubeconfigEntry) -> ClientCertificate | None:
    server = entry.server
    configuration.host = text(server, "server")
    configuration.verify_ssl = not server.get("insecure-skip-tls-verify")
    configuration.ca_cert_data = server_authority(cluster, server) or None
    configuration.tls_server_name = text(server, "tls-server-name") or None
    configuration.proxy = text(server, "proxy-url") or None
    return client_certificate(cluster, entry.user)


def _entry_token(cluster: str, entry: KubeconfigEntry, environment: Mapping[str, str], authority: str) -> Token:
    """Choose the source as client-go does: a token, then basic authentication, then an exec plugin or auth-provider."""
    user = entry.user
    if text(user, "tokenFile"):
        return token_from_file(cluster, Path(text(user, "tokenFile")), text(user, "token"))
    if text(user, "token"):
        return fixed_token(f"Bearer {text(user, 'token')}")
    if text(user, "username"):
        credentials = f"{text(user, 'username')}:{text(user, 'password')}".encode()
        return fixed_token(f"Basic {base64.b64encode(credentials).decode()}")
    if plugin := entry.plugin:
        wants = plugin.get("provideClusterInfo")
        info = exec_cluster(entry.server, authority) if wants else None
        return token_from_exec(cluster, plugin, environment, cluster_info=info)
    if "auth-provider" in user:
        return token_from_oidc(cluster, string_map(section(user, "auth-provider"), "config"), proxy_from_environment)
    return fixed_token("")
