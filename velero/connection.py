"""Connects to a cluster by a kubeconfig's context, from inside the cluster, or by an address from the settings.

Only this module imports the kubernetes package, and uses Configuration and ApiClient (TLS, proxies, connection pool).
The package's kubeconfig loader reads credential plugins and token files only once, without a timeout, and hides their
errors (docs/adr/0005-kubernetes-client.md), so `velero/token.py` reads those instead. A kubeconfig holds secrets: no
error here quotes its text.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from domain.errors import Unauthenticated, Unreachable
from domain.json_types import Json
from velero.documents import CONFIG_MAP_BOUNDS, BadDocument, read_yaml
from velero.fields import items, section, text
from velero.token import Reading, Token, fixed_token, token_from_exec, token_from_file

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LOADER_TIMEOUT = 15.0


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
    """`client` is the package's ApiClient. `files` hold the certificates of its TLS context, `files_hash` their content."""

    client: Any
    token: Token
    url: str
    files: tuple[Path, ...] = ()
    files_hash: str = ""

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


def _connection(cluster: str, configuration: Any, token: Token, files: tuple[Path, ...]) -> Connection:
    # With trust_env, aiohttp reads the proxy settings and ~/.netrc for every request, each in a thread; a netrc entry
    # for the host then makes every request with a token fail.
    configuration.client_session_kwargs = {"trust_env": False, "trace_configs": [_connection_trace()]}
    configuration.proxy = configuration.proxy or proxy_from_environment(configuration.host)
    try:
        client = importlib.import_module("kubernetes.aio.client").ApiClient(configuration)
    except (OSError, ValueError) as error:
        why = f"its certificates can't be used ({type(error).__name__})"
        raise Unreachable(
            cluster, f"The connection to cluster {cluster} isn't configured correctly.", why=why
        ) from error
    return Connection(client, token, configuration.host.rstrip("/"), files, hash_files(files))


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
    entry = resolve_context(cluster, await asyncio.to_thread(_read_all, cluster, paths), access.context)
    configuration = await _new_configuration()
    loaded = await _load(cluster, entry, configuration)
    token = _token(cluster, entry, loaded, environment)
    return _connection(cluster, configuration, token, entry.files)


@dataclass(frozen=True, slots=True)
class KubeconfigEntry:
    """One context of a kubeconfig, with absolute paths. `plain` is the part that the package's loader may read."""

    user: Json
    plain: Json
    files: tuple[Path, ...]


def resolve_context(cluster: str, sources: list[tuple[Path, Json]], context: str) -> KubeconfigEntry:
    """Merge kubeconfigs as kubectl does: the first file that defines an entry wins. Raises Unreachable. Pure."""
    name = context or next((text(data, "current-context") for _, data in sources if text(data, "current-context")), "")
    chosen, _ = _find_entry(cluster, sources, "contexts", "context", name)
    server, server_home = _find_entry(cluster, sources, "clusters", "cluster", text(chosen, "cluster"))
    user_name = text(chosen, "user")
    user, user_home = _find_entry(cluster, sources, "users", "user", user_name) if user_name else (Json(), Path())
    server, user = _with_absolute_paths(server, server_home), _with_absolute_paths(user, user_home)
    known = {key: value for key, value in user.items() if key not in {"exec", "token", "tokenFile"}}
    plain = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": server}],
        "users": [{"name": "c", "user": known}],
    }
    paths = [text(server, "certificate-authority"), text(user, "client-certificate"), text(user, "client-key")]
    return KubeconfigEntry(user, plain, tuple(Path(path) for path in paths if path))


def _find_entry(
    cluster: str, sources: list[tuple[Path, Json]], listing: str, inner: str, name: str
) -> tuple[Json, Path]:
    known: list[str] = []
    for path, data in sources:
        for item in items(data, listing):
            if text(item, "name") == name:
                return section(item, inner), path.parent
            known.append(text(item, "name"))
    missing = f"{inner} {name!r} isn't in the kubeconfig" if name else f"the kubeconfig names no {inner}"
    why = f"{missing}; available: {', '.join(known) or 'none'}"
    raise Unreachable(cluster, f"The connection to cluster {cluster} isn't configured correctly.", why=why)


_PATH_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def _with_absolute_paths(source: Json, home: Path) -> Json:
    return {**source, **{key: str(home / source[key]) for key in _PATH_KEYS if text(source, key)}}


def _unreadable(path: Path, error: Exception) -> str:
    """Describe the error without the file's text, which holds secrets."""
    return f"{path.name} can't be read" + (f": {error}" if isinstance(error, BadDocument) else "")


def _read_all(cluster: str, path_list: str) -> list[tuple[Path, Json]]:
    paths = [Path(part).expanduser().absolute() for part in path_list.split(os.pathsep) if part]
    found: list[tuple[Path, Json]] = []
    for path in paths:
        try:
            data = read_yaml(path.read_text(), CONFIG_MAP_BOUNDS)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise Unreachable(
                cluster,
                f"The connection to cluster {cluster} isn't configured correctly.",
                why=_unreadable(path, error),
            ) from error
        found.append((path, data if isinstance(data, dict) else {}))
    if not found:
        raise Unreachable(
            cluster,
            f"The connection to cluster {cluster} isn't configured correctly.",
            why="the kubeconfig doesn't exist",
        )
    return found


async def _load(cluster: str, entry: KubeconfigEntry, configuration: Any) -> Any:
    """Let the package read server, certificates, proxy, OpenID Connect and basic authentication."""
    module = await asyncio.to_thread(importlib.import_module, "kubernetes.aio.config")
    try:
        async with asyncio.timeout(_LOADER_TIMEOUT):
            return await module.load_kube_config_from_dict(entry.plain, client_configuration=configuration)
    except (module.ConfigException, OSError, ValueError, KeyError, TypeError) as error:
        # Its message may quote the kubeconfig, which holds secrets: only the type of the error is shown.
        raise Unauthenticated(
            cluster, f"The kubeconfig of cluster {cluster} can't be used.", why=type(error).__name__
        ) from error


def _token(cluster: str, entry: KubeconfigEntry, loaded: Any, environment: Mapping[str, str]) -> Token:
    if text(entry.user, "token"):
        return fixed_token(f"Bearer {text(entry.user, 'token')}")
    if text(entry.user, "tokenFile"):
        return token_from_file(cluster, Path(text(entry.user, "tokenFile")))
    if section(entry.user, "exec"):
        return token_from_exec(cluster, section(entry.user, "exec"), environment)
    if "auth-provider" in entry.user:
        return Token(_auth_provider_reader(cluster, entry))
    return fixed_token(getattr(loaded, "token", "") or "")


def _auth_provider_reader(cluster: str, entry: KubeconfigEntry) -> Any:
    """Return a reader for OpenID Connect: the loader refreshes an expired id token and keeps the new one in the entry."""

    async def read() -> Reading:
        loaded = await _load(cluster, entry, await _new_configuration())
        return Reading(getattr(loaded, "token", "") or "")

    return read
