"""Reads a kubeconfig as client-go does: merges its files, checks every field of the chosen context, resolves paths.

`FIELDS` lists all fields of client-go's Cluster, Context, AuthInfo and ExecConfig (k8s.io/client-go/tools/clientcmd).
Each is honored or refused by name, and so is a value of the wrong type: a field that is dropped could change who the
bot is or whom it trusts. Unknown fields have no meaning for kubectl either. Two rules differ from client-go's:
credentials are also sent to a server with http://, and `interactiveMode` may be missing. No error quotes a secret.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from domain.errors import Unreachable
from domain.json_types import Json
from velero.documents import MANIFEST_BOUNDS, BadDocument, read_yaml
from velero.fields import items, section, string_map, strings, text
from velero.token import ClientCertificate

Sources = list[tuple[Path, Json]]

FIELDS: Mapping[str, Mapping[str, str]] = {
    "cluster": {
        "server": "text",
        "tls-server-name": "text",
        "insecure-skip-tls-verify": "boolean",
        "certificate-authority": "text",
        "certificate-authority-data": "base64",
        "proxy-url": "text",
        "disable-compression": "boolean",
        "extensions": "list of objects",
    },
    # The bot names a namespace in every request, so the context's default has no effect.
    "context": {"cluster": "text", "user": "text", "namespace": "text", "extensions": "list of objects"},
    "user": {
        "client-certificate": "text",
        "client-certificate-data": "base64",
        "client-key": "text",
        "client-key-data": "base64",
        "token": "text",
        "tokenFile": "text",
        "as": "text",
        "as-uid": "text",
        "as-groups": "list of texts",
        "as-user-extra": "object of lists of texts",
        "username": "text",
        "password": "text",
        "auth-provider": "object",
        "exec": "object",
        "extensions": "list of objects",
    },
    "exec": {
        "command": "text",
        "args": "list of texts",
        "env": "list of objects",
        "apiVersion": "text",
        "installHint": "text",
        "provideClusterInfo": "boolean",
        "interactiveMode": "text",
    },
}
EXEC_VERSIONS = frozenset({"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"})
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEADER_KEY_ESCAPED = re.compile(rb"[^!#$&'*+\-.^_`|~0-9A-Za-z]")
_REMOVED_PROVIDERS = {"gcp": "gke-gcloud-auth-plugin", "azure": "kubelogin"}


class BadKubeconfig(ValueError):
    def __init__(self, why: str, fix: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.fix = fix


@dataclass(frozen=True, slots=True)
class KubeconfigEntry:
    """One context with checked fields and absolute paths. `files` hold its certificates."""

    server: Json
    user: Json
    files: tuple[Path, ...]

    @property
    def plugin(self) -> Json:
        """Return the exec plugin to run; client-go runs none if the user has other credentials."""
        others = ("token", "tokenFile", "username", "client-certificate", "client-certificate-data")
        return {} if any(self.user.get(key) for key in others) else section(self.user, "exec")


def read_sources(cluster: str, path_list: str) -> Sources:
    """Read the files of KUBECONFIG in their order, without those that don't exist. Raises Unreachable."""
    found: Sources = []
    for part in path_list.split(os.pathsep):
        path = Path(part).expanduser().absolute()
        try:
            data = read_yaml(path.read_text(), MANIFEST_BOUNDS) if part else None
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise _unusable(cluster, BadKubeconfig(_unreadable(path, error))) from error
        if part:
            found.append((path, data if isinstance(data, dict) else {}))
    if not found:
        raise _unusable(cluster, BadKubeconfig("The kubeconfig doesn't exist."))
    return found


def resolve_context(cluster: str, sources: Sources, context: str) -> KubeconfigEntry:
    """Merge kubeconfigs: the first file that defines an entry wins. Raises Unreachable. Pure."""
    try:
        name = context or next(
            (text(data, "current-context") for _, data in sources if data.get("current-context")), ""
        )
        chosen, _ = _find_entry(sources, "context", name)
        server, server_home = _find_entry(sources, "cluster", text(chosen, "cluster"))
        user_name = text(chosen, "user")
        user, user_home = _find_entry(sources, "user", user_name) if user_name else (Json(), Path())
        server, user = _with_absolute_paths(server, server_home), _with_absolute_paths(user, user_home)
        _check_server(server)
        server["server"] = re.split("[?#]", text(server, "server"))[0]
        _check_user(user)
        if plugin := section(user, "exec"):
            _check_plugin(plugin)
            user = {**user, "exec": _with_absolute_command(plugin, user_home)}
    except BadKubeconfig as error:
        raise _unusable(cluster, error) from error
    paths = [text(server, "certificate-authority"), text(user, "client-certificate"), text(user, "client-key")]
    return KubeconfigEntry(server, user, tuple(Path(path) for path in paths if path))


def client_certificate(cluster: str, user: Json) -> ClientCertificate | None:
    """Read the user's certificate and key from their data or files. Raises Unreachable."""
    if not (text(user, "client-certificate") or text(user, "client-certificate-data")):
        return None
    try:
        pair = ClientCertificate(_pem(user, "client-certificate"), _pem(user, "client-key"))
        if "ENCRYPTED" in pair.key:
            raise BadKubeconfig("client-key is encrypted", "Use a key without a passphrase.")
    except BadKubeconfig as error:
        raise _unusable(cluster, error) from error
    return pair


def server_authority(cluster: str, server: Json) -> str:
    """Read the server's certificate authority from its data or file. Raises Unreachable."""
    try:
        authority = _pem(server, "certificate-authority")
        if _first_set(server, "certificate-authority") and not authority.strip():
            raise BadKubeconfig("certificate-authority is empty", "Add the certificate, or remove the field.")
    except BadKubeconfig as error:
        raise _unusable(cluster, error) from error
    return authority


def exec_cluster(server: Json, authority: str) -> Json:
    """Return the cluster as `provideClusterInfo` passes it to an exec plugin."""
    keys = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url", "disable-compression")
    info = {key: server[key] for key in keys if server.get(key)}
    if authority:
        info["certificate-authority-data"] = base64.b64encode(authority.encode()).decode()
    extensions = {text(item, "name"): item.get("extension") for item in items(server, "extensions")}
    return {**info, "config": extensions.get(_EXEC_EXTENSION)}


def extra_headers(entry: KubeconfigEntry) -> tuple[tuple[str, str], ...]:
    """Return the headers of every request: impersonation, and no compression where it is disabled."""
    user = entry.user
    headers = [("Impersonate-User", text(user, "as"))] if text(user, "as") else []
    if text(user, "as-uid"):
        headers.append(("Impersonate-Uid", text(user, "as-uid")))
    headers += [("Impersonate-Group", group) for group in strings(user, "as-groups")]
    for key, values in section(user, "as-user-extra").items():
        headers += [(f"Impersonate-Extra-{_header_key(key)}", value) for value in values]
    if entry.server.get("disable-compression"):
        headers.append(("Accept-Encoding", "identity"))
    return tuple(headers)


def _header_key(key: str) -> str:
    return _HEADER_KEY_ESCAPED.sub(lambda match: b"%%%02X" % match[0][0], key.encode()).decode()


def _find_entry(sources: Sources, kind: str, name: str) -> tuple[Json, Path]:
    known: list[str] = []
    for path, data in sources:
        same = [item for item in items(data, f"{kind}s") if text(item, "name") == name]
        if len(same) > 1:
            raise BadKubeconfig(f"{kind} {name!r} is defined twice in {path.name}", "Remove one of them.")
        if same:
            return _checked(kind, same[0].get(kind)), path.parent
        known += [text(item, "name") for item in items(data, f"{kind}s")]
    missing = f"{kind} {name!r} isn't in the kubeconfig" if name else f"the kubeconfig names no {kind}"
    raise BadKubeconfig(f"{missing}; available: {', '.join(known) or 'none'}")


def _checked(kind: str, source: object) -> Json:
    """Return the known fields that have a value. Raises BadKubeconfig for a value of the wrong type."""
    if source is None:
        return {}
    if not isinstance(source, dict):
        raise BadKubeconfig(f"{kind} isn't an object")
    known = {key: source[key] for key in FIELDS[kind] if source.get(key) is not None}
    for key, value in known.items():
        expected = FIELDS[kind][key]
        if not _TYPES[expected](value):
            fix = "Put the value in quotes." if expected == "text" and isinstance(value, (bool, int, float)) else ""
            raise BadKubeconfig(f"{key} of the {kind} isn't a value of type {expected}", fix)
    return known


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_base64(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        _decode_pem(value)
    except binascii.Error:
        return False
    return True


_TYPES: Mapping[str, Callable[[object], bool]] = {
    "text": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "base64": _is_base64,
    "object": lambda value: isinstance(value, dict),
    "list of texts": _is_texts,
    "list of objects": lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
    "object of lists of texts": lambda value: isinstance(value, dict) and all(map(_is_texts, value.values())),
}


def _decode_pem(value: str) -> str:
    """Leave out what isn't ASCII: a PEM text can hold it only in comments, and Python's TLS doesn't accept it."""
    return base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True).decode("ascii", "ignore")


def _with_absolute_paths(source: Json, home: Path) -> Json:
    keys = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
    return {**source, **{key: str(home / source[key]) for key in keys if source.get(key)}}


def _with_absolute_command(plugin: Json, home: Path) -> Json:
    """Resolve a command with a separator; one without is searched in PATH."""
    command = text(plugin, "command")
    return {**plugin, "command": os.path.normpath(home / command) if os.sep in command else command}


def _check_server(server: Json) -> None:
    address = text(server, "server")
    try:
        url = urlsplit(address)
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BadKubeconfig("server isn't an http:// or https:// address", "Set server to https://HOST:PORT.")
    if url.username is not None:
        raise BadKubeconfig("server contains credentials", "Put them into username and password of the user.")
    _refuse_both(server, "certificate-authority", "certificate-authority-data")
    if server.get("insecure-skip-tls-verify") and _first_set(server, "certificate-authority"):
        raise BadKubeconfig(
            "insecure-skip-tls-verify and a certificate authority are both set",
            "Remove insecure-skip-tls-verify to verify the server's certificate.",
        )
    _check_proxy(text(server, "proxy-url"))


def _check_proxy(proxy: str) -> None:
    if not proxy:
        return
    try:
        url = urlsplit(proxy)
        scheme, host = url.scheme, url.hostname
    except ValueError:
        scheme, host = "", None
    if scheme in {"socks5", "socks5h"}:
        raise BadKubeconfig(
            f"proxy-url has the scheme {scheme}, which isn't supported",
            "Set proxy-url to an HTTP proxy (http:// or https://) that allows CONNECT to the cluster.",
        )
    if scheme not in {"http", "https"} or not host:
        raise BadKubeconfig("proxy-url isn't a valid URL with the scheme http or https", "Set it to http://HOST:PORT.")


def _check_user(user: Json) -> None:
    if _first_set(user, "client-certificate"):
        _refuse_both(user, "client-certificate", "client-certificate-data")
        _refuse_both(user, "client-key", "client-key-data")
        if not _first_set(user, "client-key"):
            raise BadKubeconfig("client-certificate is set without client-key", "Add client-key or client-key-data.")
    methods = [key for key in ("token", "tokenFile", "username", "password") if user.get(key)]
    if {"username", "password"} & set(methods) and {"token", "tokenFile"} & set(methods):
        raise BadKubeconfig(f"{' and '.join(methods)} are set together", "Keep one way to authenticate.")
    if methods == ["password"]:
        raise BadKubeconfig("password is set without username", "Add username.")
    extras = [key for key in ("as-uid", "as-groups", "as-user-extra") if user.get(key)]
    if extras and not user.get("as"):
        raise BadKubeconfig(f"{extras[0]} is set without as", "Add as with the user to impersonate.")
    for key in ("token", "as", "as-uid"):
        if _CONTROL.search(text(user, key)):
            raise BadKubeconfig(f"{key} contains a line break or another control character", "Remove it.")
    values = [*strings(user, "as-groups"), *(item for each in section(user, "as-user-extra").values() for item in each)]
    if any(_CONTROL.search(value) for value in values):
        raise BadKubeconfig("as-groups or as-user-extra contains a control character", "Remove it.")
    if "auth-provider" in user:
        _check_provider(user)


def _check_provider(user: Json) -> None:
    provider = section(user, "auth-provider")
    name = text(provider, "name")
    if "exec" in user:
        raise BadKubeconfig("auth-provider and exec are both set", "Keep one of them.")
    if name in _REMOVED_PROVIDERS:
        raise BadKubeconfig(
            f"auth-provider {name} was removed from Kubernetes", f"Use the exec plugin {_REMOVED_PROVIDERS[name]}."
        )
    if name != "oidc":
        raise BadKubeconfig(f"auth-provider {name!r} isn't known", "Use oidc or an exec plugin.")
    config = provider.get("config")
    if config is not None and (not isinstance(config, dict) or len(string_map(provider, "config")) != len(config)):
        raise BadKubeconfig("config of auth-provider has a value that isn't text", "Put the value in quotes.")


def _check_plugin(plugin: Json) -> None:
    _checked("exec", plugin)
    if not text(plugin, "command"):
        raise BadKubeconfig("exec has no command", "Add the command of the credential plugin.")
    if text(plugin, "apiVersion") not in EXEC_VERSIONS:
        raise BadKubeconfig(
            f"exec has the apiVersion {text(plugin, 'apiVersion')!r}",
            f"Set it to {' or '.join(sorted(EXEC_VERSIONS))}, whichever the plugin supports.",
        )
    for variable in items(plugin, "env"):
        if not text(variable, "name") or not isinstance(variable.get("value") or "", str):
            raise BadKubeconfig("exec has an env variable without a name or with a value that isn't text")
    mode = text(plugin, "interactiveMode")
    if mode == "Always":
        raise BadKubeconfig("exec has interactiveMode Always, but the bot has no terminal", "Use another plugin.")
    if mode not in {"", "Never", "IfAvailable"}:
        raise BadKubeconfig(f"exec has the interactiveMode {mode!r}", "Set it to Never or IfAvailable.")


def _first_set(source: Json, key: str) -> str:
    return text(source, key) or text(source, f"{key}-data")


def _refuse_both(source: Json, first: str, second: str) -> None:
    if source.get(first) and source.get(second):
        raise BadKubeconfig(f"{first} and {second} are both set", "Remove one of them.")


def _pem(source: Json, key: str) -> str:
    """Return the text of a field's data or file."""
    if data := text(source, f"{key}-data"):
        return _decode_pem(data)
    try:
        return Path(text(source, key)).read_text("ascii", "ignore") if text(source, key) else ""
    except OSError as error:
        raise BadKubeconfig(f"{key} can't be read: {error.strerror}") from error


def _unreadable(path: Path, error: Exception) -> str:
    """Describe the error without the file's text, which holds secrets."""
    if isinstance(error, OSError):
        return f"{path.name} can't be read: {error.strerror}"
    return f"{path.name} can't be read" + (f": {error}" if isinstance(error, BadDocument) else "")


def _unusable(cluster: str, error: BadKubeconfig) -> Unreachable:
    message = f"The connection to cluster {cluster} isn't configured correctly."
    return Unreachable(cluster, message, why=error.why, fix=error.fix)
