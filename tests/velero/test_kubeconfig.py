"""Every field of client-go's Cluster, Context, AuthInfo and ExecConfig: what it changes on the wire, or why it is refused."""

import base64
import json
import ssl
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from domain.errors import ClusterError, Unauthenticated, Unreachable
from tests.velero.conftest import says_json
from velero.api import Api
from velero.connection import Kubeconfig
from velero.kubeconfig import FIELDS, client_certificate, read_sources, resolve_context

# k8s.io/client-go v0.35 tools/clientcmd/api/v1/types.go
CLIENT_GO = {
    "cluster": "server tls-server-name insecure-skip-tls-verify certificate-authority certificate-authority-data "
    "proxy-url disable-compression extensions",
    "context": "cluster user namespace extensions",
    "user": "client-certificate client-certificate-data client-key client-key-data token tokenFile as as-uid as-groups "
    "as-user-extra username password auth-provider exec extensions",
    "exec": "command args env apiVersion installHint provideClusterInfo interactiveMode",
}
V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"
PRINTS_T = 'print(\'{"status": {"token": "t"}}\')'


def plugin(code: str = PRINTS_T, **fields) -> dict:
    return {"command": sys.executable, "args": ["-c", code], "apiVersion": V1, "interactiveMode": "Never", **fields}


@dataclass(frozen=True)
class Row:
    """A field with the rest that it needs, and the request's headers (None: not sent), the refusal, or the test for it."""

    kind: str
    name: str
    user: dict = field(default_factory=dict)
    cluster: dict = field(default_factory=dict)
    sends: dict = field(default_factory=dict)
    refused: str = ""
    test: str = ""


AUTHORIZED = {"Authorization": ["Bearer t"]}
IMPERSONATED = {"token": "t", "as": "ada"}
TABLE = (
    Row("cluster", "server", cluster={"server": "10.0.0.1:6443"}, refused="server isn't an http"),
    Row("cluster", "server", cluster={"server": "https://ada:hush@10.0.0.1"}, refused="server contains credentials"),
    Row("cluster", "server", {"token": "t"}, test="test_a_query_of_the_server_is_left_out"),
    Row("cluster", "tls-server-name", test="test_the_name_in_the_servers_certificate"),
    Row("cluster", "insecure-skip-tls-verify", test="test_verification_is_skipped"),
    Row(
        "cluster",
        "insecure-skip-tls-verify",
        cluster={"insecure-skip-tls-verify": True, "certificate-authority-data": "aHVzaA=="},
        refused="insecure-skip-tls-verify and a certificate authority are both set",
    ),
    Row("cluster", "insecure-skip-tls-verify", cluster={"insecure-skip-tls-verify": "no"}, refused="of type boolean"),
    Row(
        "cluster",
        "certificate-authority",
        cluster={"certificate-authority": "nowhere.crt"},
        refused="can't be read: No such file",
    ),
    Row("cluster", "certificate-authority", cluster={"certificate-authority": "empty"}, refused="authority is empty"),
    Row("cluster", "certificate-authority-data", cluster={"certificate-authority-data": "?"}, refused="of type base64"),
    Row(
        "cluster",
        "certificate-authority-data",
        cluster={"certificate-authority-data": "aHVzaA==", "certificate-authority": "ca.crt"},
        refused="certificate-authority and certificate-authority-data are both set",
    ),
    Row(
        "cluster", "proxy-url", cluster={"proxy-url": "socks5://ada:hush@p:1080"}, refused="scheme socks5, which isn't"
    ),
    Row("cluster", "proxy-url", cluster={"proxy-url": "p:3128"}, refused="proxy-url isn't a valid URL"),
    Row("cluster", "proxy-url", test="test_the_proxy_is_used"),
    Row("cluster", "disable-compression", sends={"Accept-Encoding": ["gzip, deflate"]}),
    Row(
        "cluster", "disable-compression", cluster={"disable-compression": True}, sends={"Accept-Encoding": ["identity"]}
    ),
    Row("cluster", "extensions", test="test_a_plugin_gets_the_cluster"),
    Row("context", "cluster", test="test_the_first_file_wins"),
    Row("context", "user", test="test_the_first_file_wins"),
    Row("context", "namespace", {"token": "t"}, sends=AUTHORIZED),
    Row("context", "extensions", {"token": "t"}, sends=AUTHORIZED),
    Row("user", "client-certificate", test="test_a_client_certificate"),
    Row("user", "client-certificate", {"client-certificate": "c.crt"}, refused="is set without client-key"),
    Row("user", "client-certificate-data", test="test_a_client_certificate"),
    Row(
        "user",
        "client-certificate-data",
        {"client-certificate": "c.crt", "client-certificate-data": "aHVzaA==", "client-key": "k"},
        refused="client-certificate and client-certificate-data are both set",
    ),
    Row("user", "client-key", test="test_a_client_certificate"),
    Row("user", "client-key", test="test_an_encrypted_key_is_refused"),
    Row("user", "client-key-data", test="test_a_client_certificate"),
    Row("user", "token", {"token": "t"}, sends=AUTHORIZED),
    Row("user", "token", {"token": "t", "exec": plugin("raise SystemExit(1)")}, sends=AUTHORIZED),
    Row("user", "token", {"token": 12345}, refused="token of the user isn't a value of type text"),
    Row("user", "token", {"token": "hush\n"}, refused="token contains a line break"),
    Row("user", "tokenFile", {"token": "old", "tokenFile": "token"}, sends=AUTHORIZED),
    Row("user", "tokenFile", {"token": "t", "tokenFile": "nowhere"}, sends=AUTHORIZED),
    Row("user", "as", IMPERSONATED, sends={**AUTHORIZED, "Impersonate-User": ["ada"]}),
    Row("user", "as", {"as": "ada\r\nX: y"}, refused="as contains a line break"),
    Row("user", "as-uid", {**IMPERSONATED, "as-uid": "7"}, sends={"Impersonate-Uid": ["7"]}),
    Row("user", "as-uid", {"as-uid": "7"}, refused="as-uid is set without as"),
    Row("user", "as-groups", {**IMPERSONATED, "as-groups": ["b", "a"]}, sends={"Impersonate-Group": ["b", "a"]}),
    Row("user", "as-groups", {**IMPERSONATED, "as-groups": "b"}, refused="of type list of texts"),
    Row(
        "user",
        "as-user-extra",
        {**IMPERSONATED, "as-user-extra": {"example.com/team%": ["a", "b"]}},
        sends={"Impersonate-Extra-example.com%2Fteam%25": ["a", "b"]},
    ),
    Row("user", "username", {"username": "ada", "password": "p"}, sends={"Authorization": ["Basic YWRhOnA="]}),
    Row("user", "username", {"username": "ada", "token": "hush"}, refused="token and username are set together"),
    Row("user", "password", {"password": "hush"}, refused="password is set without username"),
    Row("user", "auth-provider", {"auth-provider": {"name": "gcp"}}, refused="gcp was removed from Kubernetes"),
    Row("user", "auth-provider", {"auth-provider": {"name": "azure"}}, refused="azure was removed from Kubernetes"),
    Row("user", "auth-provider", {"auth-provider": {"name": "x"}}, refused="auth-provider 'x' isn't known"),
    Row("user", "auth-provider", {"auth-provider": {"name": "oidc"}}, refused="oidc has no idp-issuer-url"),
    Row("user", "auth-provider", {"auth-provider": {"name": "oidc"}, "exec": plugin()}, refused="both set"),
    Row("user", "auth-provider", test="test_an_oidc_provider_renews_the_token"),
    Row("user", "exec", {"exec": plugin()}, sends=AUTHORIZED),
    Row("user", "exec", {"exec": "hush"}, refused="exec of the user isn't a value of type object"),
    Row("user", "extensions", {"token": "t", "extensions": [{"name": "x", "extension": {}}]}, sends=AUTHORIZED),
    Row("exec", "command", {"exec": plugin(command="")}, refused="exec has no command"),
    Row("exec", "command", {"exec": plugin(command="./bin/own", args=[])}, sends=AUTHORIZED),
    Row("exec", "command", {"exec": plugin(command="./nowhere")}, refused="nowhere can't be started"),
    Row("exec", "args", {"exec": plugin(args=["-c", PRINTS_T])}, sends=AUTHORIZED),
    Row(
        "exec", "args", {"exec": plugin(args=["-c", 1])}, refused="args of the exec isn't a value of type list of texts"
    ),
    Row(
        "exec",
        "env",
        {
            "exec": plugin(
                "import os; " + PRINTS_T.replace('"t"}}\'', "\"' + os.environ['WHO'] + '\"}}'"),
                env=[{"name": "WHO", "value": "t"}],
            )
        },
        sends=AUTHORIZED,
    ),
    Row("exec", "env", {"exec": plugin(env=[{"value": "t"}])}, refused="env variable without a name"),
    Row("exec", "apiVersion", {"exec": plugin(apiVersion=V1BETA1)}, sends=AUTHORIZED),
    Row("exec", "apiVersion", {"exec": plugin(apiVersion="")}, refused="exec has the apiVersion ''"),
    Row("exec", "apiVersion", {"exec": plugin(apiVersion=V1BETA1.replace("beta", "alpha"))}, refused="v1alpha1'"),
    Row(
        "exec",
        "apiVersion",
        {"exec": plugin(PRINTS_T.replace("{", f'{{"apiVersion": "{V1BETA1}", ', 1))},
        refused="returned another apiVersion",
    ),
    Row("exec", "installHint", test="test_the_install_hint_is_shown"),
    Row("exec", "provideClusterInfo", test="test_a_plugin_gets_the_cluster"),
    Row("exec", "interactiveMode", {"exec": plugin(interactiveMode="IfAvailable")}, sends=AUTHORIZED),
    Row("exec", "interactiveMode", {"exec": plugin(interactiveMode="Always")}, refused="interactiveMode Always"),
    Row(
        "exec", "interactiveMode", {"exec": plugin(interactiveMode="Sometimes")}, refused="interactiveMode 'Sometimes'"
    ),
)


def test_every_field_of_the_four_types_is_read_and_has_a_row():
    fields = {kind: set(names.split()) for kind, names in CLIENT_GO.items()}
    assert {kind: set(names) for kind, names in FIELDS.items()} == fields
    assert {(row.kind, row.name) for row in TABLE} == {(kind, name) for kind in fields for name in fields[kind]}
    assert {row.test for row in TABLE if row.test} <= set(globals())
    assert all(row.sends or row.refused or row.test for row in TABLE)


def write(directory: Path, user: dict, cluster: dict, **context) -> Kubeconfig:
    chosen = {"cluster": "c", "user": "u", "namespace": "elsewhere", "extensions": [], **context}
    written = {
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": chosen}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    (directory / "config").write_text(yaml.safe_dump(written))
    return Kubeconfig(str(directory / "config"))


async def version(access: Kubeconfig) -> dict:
    api = Api("prod", access)
    try:
        return await api.request("GET", "/version")
    finally:
        await api.close()


@pytest.mark.parametrize(
    "row", [row for row in TABLE if not row.test], ids=lambda row: f"{row.kind} {row.name} {row.refused or 'sent'}"
)
async def test_a_field_is_honored_or_refused_by_name(tmp_path, server, row):
    server.other["GET /version"] = says_json({})
    (tmp_path / "token").write_text("t\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "own").write_text(f"#!{sys.executable}\n{PRINTS_T}\n")
    (tmp_path / "bin" / "own").chmod(0o755)
    access = write(tmp_path, row.user, {"server": server.url, **row.cluster})
    if row.refused:
        with pytest.raises(ClusterError) as caught:
            await version(access)
        assert row.refused in caught.value.why
        assert "hush" not in caught.value.why + caught.value.fix
        assert server.requests == []
        return
    await version(access)
    headers = server.requests[-1].headers
    assert {name: headers.getall(name) for name in row.sends} == row.sends


async def test_unknown_fields_and_nulls_have_no_effect(tmp_path, server):
    server.other["GET /version"] = says_json({})
    await version(write(tmp_path, {"token": "t", "tokenfile": "x", "exec": None}, {"server": server.url, "x": 1}))
    assert server.requests[-1].headers["Authorization"] == "Bearer t"


def test_a_query_of_the_server_is_left_out():
    """As in client-go; a path stays."""
    source = {
        "contexts": [{"name": "prod", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://x/clusters/a?hush=1#part"}}],
    }
    assert resolve_context("prod", [(Path("/a/config"), source)], "prod").server["server"] == "https://x/clusters/a"


async def test_a_plugin_is_searched_in_the_bots_own_path(tmp_path, server):
    """One that the kubeconfig sets is for the plugin alone."""
    (tmp_path / "own").write_text("#!/bin/sh\n")
    (tmp_path / "own").chmod(0o755)
    user = {"exec": plugin(command="own", env=[{"name": "PATH", "value": str(tmp_path)}])}
    with pytest.raises(Unauthenticated) as caught:
        await version(write(tmp_path, user, {"server": server.url}))
    assert caught.value.why == "the credential plugin own can't be started: it isn't in PATH"


async def test_the_proxy_is_used(tmp_path, server):
    server.other["GET /version"] = says_json({})
    await version(write(tmp_path, {}, {"server": "http://cluster.invalid", "proxy-url": server.url}))
    assert server.requests[-1].host == "cluster.invalid"


async def test_the_install_hint_is_shown(tmp_path, server):
    missing = plugin(command="not-on-this-machine", installHint="brew install it\x1b[1m")
    with pytest.raises(Unauthenticated) as caught:
        await version(write(tmp_path, {"exec": missing}, {"server": server.url}))
    assert caught.value.fix == "Install it where the bot runs: brew install it [1m"


async def test_a_plugin_gets_the_cluster(tmp_path, server):
    """With provideClusterInfo, in the form that client-go writes; without it, the spec has no cluster."""
    server.other["GET /version"] = says_json({})
    code = (
        "import os, json; info = os.environ['KUBERNETES_EXEC_INFO'];"
        "print(json.dumps({'status': {'token': info.encode().hex()}}))"
    )
    (tmp_path / "ca.crt").write_text(pair("ca")[0])
    cluster = {
        "server": server.url,
        "tls-server-name": "api",
        "certificate-authority": "ca.crt",
        "disable-compression": True,
        "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}}],
    }
    specs = []
    for wanted in (True, False):
        await version(write(tmp_path, {"exec": plugin(code, provideClusterInfo=wanted)}, cluster))
        sent = server.requests[-1].headers["Authorization"].removeprefix("Bearer ")
        specs.append(json.loads(bytes.fromhex(sent))["spec"])
    authority = base64.b64encode((tmp_path / "ca.crt").read_bytes()).decode()
    expected = {
        "server": server.url,
        "tls-server-name": "api",
        "certificate-authority-data": authority,
        "disable-compression": True,
        "config": {"audience": "a"},
    }
    assert specs == [{"interactive": False, "cluster": expected}, {"interactive": False}]


def pair(name: str, host: str = "") -> tuple[str, str]:
    """A certificate that is its own authority, and its key, as PEM texts."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    hosts = [x509.DNSName(host) if host else x509.IPAddress(ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem).decode(), private.decode()


@pytest.fixture
async def https(tmp_path):
    """Starts a server with a certificate; it answers with the client's name and refuses the names in `refused`."""
    runners = []

    async def start(own: tuple[str, str], *clients: tuple[str, str], refused: tuple[str, ...] = ()) -> str:
        async def answer(request: web.Request) -> web.Response:
            certificate = request.transport.get_extra_info("peercert")
            name = certificate["subject"][0][0][1] if certificate else ""
            return await says_json({"name": name}, 401 if name in refused else 200)(request)

        (tmp_path / "server.pem").write_text("".join(own))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.pem")
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata="".join(certificate for certificate, _ in clients))
        app = web.Application()
        app.router.add_get("/version", answer)
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        return f"https://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


def data(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()


async def test_the_name_in_the_servers_certificate(tmp_path, https):
    own = pair("server", "api.internal")
    cluster = {"server": await https(own), "certificate-authority-data": data(own[0])}
    assert await version(write(tmp_path, {}, {**cluster, "tls-server-name": "api.internal"})) == {"name": ""}
    with pytest.raises(Unreachable) as caught:
        await version(write(tmp_path, {}, cluster))
    assert caught.value.why == "Its certificate isn't trusted."


async def test_verification_is_skipped(tmp_path, https):
    cluster = {"server": await https(pair("server")), "insecure-skip-tls-verify": True}
    assert await version(write(tmp_path, {}, cluster)) == {"name": ""}


@pytest.mark.parametrize("certificate_form", ["", "-data"])
@pytest.mark.parametrize("key_form", ["", "-data"])
async def test_a_client_certificate(tmp_path, https, certificate_form, key_form):
    """It takes precedence over an exec plugin, as in client-go; files lie where the kubeconfig does."""
    own, client = pair("server"), pair("ada")
    (tmp_path / "ca.crt").write_text(own[0])
    user = {"exec": plugin("raise SystemExit(1)")}
    for name, form, content in zip(
        ("client-certificate", "client-key"), (certificate_form, key_form), client, strict=True
    ):
        (tmp_path / f"{name}.pem").write_text(content)
        user[f"{name}{form}"] = data(content) if form else f"{name}.pem"
    cluster = {"server": await https(own, client), "certificate-authority": "ca.crt"}
    assert await version(write(tmp_path, user, cluster)) == {"name": "ada"}


def test_an_encrypted_key_is_refused():
    """Python would ask for its passphrase on a terminal."""
    user = {
        "client-certificate-data": data("x"),
        "client-key-data": data("-----BEGIN ENCRYPTED PRIVATE KEY-----"),
    }
    with pytest.raises(Unreachable) as caught:
        client_certificate("prod", user)
    assert caught.value.why == "client-key is encrypted"


async def test_a_plugins_client_certificate_and_its_successor(tmp_path, https):
    """After a 401 the plugin runs again, and the new certificate needs a new connection."""
    own, first, second = pair("server"), pair("first"), pair("second")
    for number, (certificate, key) in enumerate((first, second), 1):
        status = {"clientCertificateData": certificate, "clientKeyData": key}
        (tmp_path / f"{number}.json").write_text(json.dumps({"status": status}))
    code = (
        f"from pathlib import Path; home = Path({str(tmp_path)!r}); runs = home / 'runs';"
        "number = 2 if runs.exists() else 1; runs.touch(); print((home / f'{number}.json').read_text())"
    )
    cluster = {
        "server": await https(own, first, second, refused=("first",)),
        "certificate-authority-data": data(own[0]),
    }
    assert await version(write(tmp_path, {"exec": plugin(code)}, cluster)) == {"name": "second"}


def test_the_first_file_wins():
    """For each name, and for the current context; paths are relative to the file that holds them."""
    first = {
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"tokenFile": "t", "exec": {"command": "../bin/p", "apiVersion": V1}}}],
    }
    second = {
        "clusters": [{"name": "c", "cluster": {"server": "https://x", "certificate-authority": "ca.crt"}}],
        "users": [{"name": "u", "user": {"token": "other"}}],
        "current-context": "prod",
    }
    third = {"clusters": [{"name": "c", "cluster": {"server": "https://other"}}], "current-context": "other"}
    sources = [(Path("/a/config"), first), (Path("/b/config"), second), (Path("/c/config"), third)]
    entry = resolve_context("prod", sources, "")
    assert entry.server == {"server": "https://x", "certificate-authority": "/b/ca.crt"}
    assert entry.user["tokenFile"] == "/a/t"
    assert entry.user["exec"]["command"] == "/bin/p"
    assert "token" not in entry.user
    assert entry.files == (Path("/b/ca.crt"),)


def test_a_name_that_one_file_defines_twice_is_refused():
    users = [{"name": "u", "user": {"token": "a"}}, {"name": "u", "user": {"token": "b"}}]
    source = {
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://x"}}],
        "users": users,
    }
    with pytest.raises(Unreachable) as caught:
        resolve_context("prod", [(Path("/a/config"), source)], "prod")
    assert caught.value.why == "user 'u' is defined twice in config"


def test_files_that_do_not_exist_are_left_out_and_anchors_are_refused(tmp_path):
    (tmp_path / "one").write_text("current-context: prod")
    assert len(read_sources("prod", f"{tmp_path}/nowhere::{tmp_path}/one")) == 1
    (tmp_path / "one").write_text("a: &x {token: hush}\nb: *x")
    with pytest.raises(Unreachable) as caught:
        read_sources("prod", f"{tmp_path}/one")
    assert caught.value.why == "one can't be read: it has an anchor or an alias (&name, *name): write the value out"


def id_token(expires: datetime) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": expires.timestamp()}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


OLD, VALID = id_token(datetime.now(UTC) - timedelta(hours=1)), id_token(datetime.now(UTC) + timedelta(hours=1))


def oidc(server, **config: str) -> dict:
    return {"auth-provider": {"name": "oidc", "config": {"idp-issuer-url": server.url, "client-id": "a b", **config}}}


async def test_an_oidc_token_that_is_valid_is_sent(tmp_path, server):
    server.other["GET /version"] = says_json({})
    await version(write(tmp_path, oidc(server, **{"id-token": VALID}), {"server": server.url}))
    assert [request.path for request in server.requests] == ["/version"]
    assert server.requests[-1].headers["Authorization"] == f"Bearer {VALID}"


async def test_an_oidc_provider_renews_the_token(tmp_path, server):
    """A public client is named in the form, without a secret, when the provider refuses the header."""

    async def answer(request: web.Request) -> web.Response:
        if "Authorization" in request.headers:
            return await says_json({"error": "invalid_client"}, 401)(request)
        return await says_json({"id_token": VALID})(request)

    server.other["GET /version"] = says_json({})
    server.other["GET /.well-known/openid-configuration"] = says_json({"token_endpoint": f"{server.url}/token"})
    server.other["POST /token"] = answer
    user = oidc(server, **{"id-token": OLD, "refresh-token": "r 1"})
    await version(write(tmp_path, user, {"server": server.url}))
    assert server.requests[-1].headers["Authorization"] == f"Bearer {VALID}"
    assert server.requests[1].headers["Authorization"] == "Basic " + data("a+b:")
    form = b"grant_type=refresh_token&refresh_token=r+1"
    assert server.bodies[1:3] == [form, form + b"&client_id=a+b"]


async def test_an_oidc_refresh_token_is_kept_until_the_provider_returns_another(tmp_path, server):
    replies = [{"id_token": OLD}, {"id_token": OLD, "refresh_token": "r2"}, {"id_token": VALID}]

    async def answer(request: web.Request) -> web.Response:
        return await says_json(replies.pop(0))(request)

    server.other["GET /version"] = says_json({}, 401)
    server.other["GET /.well-known/openid-configuration"] = says_json({"token_endpoint": f"{server.url}/token"})
    server.other["POST /token"] = answer
    api = Api("prod", write(tmp_path, oidc(server, **{"refresh-token": "r1"}), {"server": server.url}))
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await api.request("GET", "/version")
    await api.close()
    sent = [body.decode() for body in server.bodies if b"refresh_token" in body]
    assert [body.rpartition("=")[2] for body in sent] == ["r1", "r1", "r2"]


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"id-token": OLD}, "the id-token has expired and there is no refresh-token"),
        ({"id-token": "hush"}, "the id-token isn't a JSON Web Token with an expiry time"),
        ({"refresh-token": "hush"}, "the identity provider's discovery failed (HTTP 404)"),
        ({"refresh-token": "hush", "idp-certificate-authority-data": "?"}, "certificate authority can't be used"),
    ],
)
async def test_an_oidc_provider_that_gives_no_token(tmp_path, server, config, why):
    with pytest.raises(Unauthenticated) as caught:
        await version(write(tmp_path, oidc(server, **config), {"server": server.url}))
    assert why in caught.value.why
