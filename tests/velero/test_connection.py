"""Kubeconfigs, in-cluster settings and TLS, against a real HTTPS server."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from domain.errors import Unauthenticated, Unreachable
from tests.velero.conftest import kubeconfig, says_json
from tests.velero.test_token import plugin, prints
from velero.api import Api
from velero.connection import Direct, InCluster, Kubeconfig, connect


async def authorization(server, access) -> str | None:
    server.other["GET /version"] = says_json({})
    api = Api("prod", access)
    try:
        await api.request("GET", "/version")
    finally:
        await api.close()
    return server.requests[-1].headers.get("Authorization")


async def test_a_token_of_the_kubeconfig(tmp_path, server):
    assert await authorization(server, kubeconfig(tmp_path, server.url, {"token": "t1"})) == "Bearer t1"


async def test_a_token_file_beside_the_kubeconfig(tmp_path, server):
    (tmp_path / "token").write_text("t2")
    assert await authorization(server, kubeconfig(tmp_path, server.url, {"tokenFile": "token"})) == "Bearer t2"


async def test_a_token_file_beside_an_address_is_read_again_when_it_is_refused(tmp_path, server):
    file = tmp_path / "token"
    file.write_text("t1")

    async def only_the_second(request: web.Request) -> web.Response:
        taken = request.headers.get("Authorization") == "Bearer t2"
        return await says_json({}, 200 if taken else 401)(request)

    server.other["GET /version"] = only_the_second
    api = Api("prod", Direct(server.url, token_file=file))
    try:
        with pytest.raises(Unauthenticated):
            await api.request("GET", "/version")
        file.write_text("t2")
        await api.request("GET", "/version")
    finally:
        await api.close()


async def test_a_token_file_that_is_missing_is_named(tmp_path, server):
    with pytest.raises(Unauthenticated) as caught:
        await authorization(server, Direct(server.url, token_file=tmp_path / "nowhere"))
    assert "token file can't be read" in caught.value.why


async def test_a_plugin_of_the_kubeconfig(tmp_path, server):
    user = {"exec": plugin(prints({"token": "t3"}))}
    assert await authorization(server, kubeconfig(tmp_path, server.url, user)) == "Bearer t3"


async def test_basic_authentication(tmp_path, server):
    user = {"username": "ada", "password": "p"}
    assert await authorization(server, kubeconfig(tmp_path, server.url, user)) == "Basic YWRhOnA="


async def test_no_user(tmp_path, server):
    assert await authorization(server, kubeconfig(tmp_path, server.url, {})) is None


async def test_an_unknown_context_is_reported_with_the_available_ones(tmp_path, server):
    access = Kubeconfig(kubeconfig(tmp_path, server.url, {}).path, "stage")
    with pytest.raises(Unreachable) as caught:
        await connect("prod", access)
    assert caught.value.why == "context 'stage' isn't in the kubeconfig; available: prod"


@pytest.mark.parametrize("content", ["{", "[]", "", "a: [b", "\x00"])
async def test_a_kubeconfig_that_is_none(tmp_path, content):
    (tmp_path / "config").write_text(content)
    with pytest.raises(Unreachable):
        await connect("prod", Kubeconfig(str(tmp_path / "config")))


async def test_no_kubeconfig():
    with pytest.raises(Unreachable) as caught:
        await connect("prod", Kubeconfig("/nowhere/config"))
    assert caught.value.why == "The kubeconfig doesn't exist."


async def test_kubeconfig_from_the_environment(tmp_path, server):
    access = kubeconfig(tmp_path, server.url, {"token": "t"})
    connection = await connect("prod", Kubeconfig(), {"KUBECONFIG": access.path})
    assert connection.url == server.url
    await connection.client.close()


async def test_a_fault_of_the_kubeconfig_does_not_quote_it(tmp_path, server):
    user = {"client-certificate-data": "aHVzaA==", "client-key-data": "aHVzaA=="}
    access = kubeconfig(tmp_path, server.url.replace("http", "https"), user)
    with pytest.raises(Unreachable) as caught:
        await connect("prod", access)
    assert caught.value.why == "its certificates can't be used (SSLError)"


async def test_a_provider_that_is_half_configured(tmp_path, server):
    access = kubeconfig(tmp_path, server.url, {"auth-provider": {"name": "oidc", "config": {"id-token": "hush"}}})
    with pytest.raises(Unauthenticated) as caught:
        await connect("prod", access)
    assert "hush" not in caught.value.why


async def test_not_in_a_cluster(tmp_path):
    with pytest.raises(Unreachable):
        await connect("prod", InCluster(tmp_path), {})


async def test_in_a_cluster(tmp_path):
    authority(tmp_path)
    (tmp_path / "token").write_text("t")
    settings = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    connection = await connect("prod", InCluster(tmp_path), settings)
    assert connection.url == "https://[fd00::1]:443"
    assert await connection.token.header() == "Bearer t"
    await connection.client.close()


def authority(directory: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that is its own authority, in ca.crt."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    from ipaddress import ip_address

    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (directory / "ca.crt").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "ca.crt", directory / "key.pem")
    return context


@pytest.fixture
async def https(tmp_path):
    """Two servers with two authorities."""
    runners, urls = [], []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        app = web.Application()
        app.router.add_get("/version", says_json({"gitVersion": name}))
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority(tmp_path / name)).start()
        runners.append(runner)
        urls.append(f"https://127.0.0.1:{runner.addresses[0][1]}")
    yield urls
    for runner in runners:
        await runner.cleanup()


async def test_the_authority_of_the_cluster_is_asked_for(tmp_path, https):
    api = Api("prod", Direct(https[0], ca=(tmp_path / "one" / "ca.crt").read_text()))
    assert await api.request("GET", "/version") == {"gitVersion": "one"}
    await api.close()


async def test_another_authority_is_not_accepted(tmp_path, https):
    api = Api("prod", Direct(https[1], ca=(tmp_path / "one" / "ca.crt").read_text()))
    with pytest.raises(Unreachable) as caught:
        await api.request("GET", "/version")
    assert caught.value.why == "Its certificate isn't trusted."
    await api.close()


async def test_verification_can_be_switched_off(https):
    api = Api("prod", Direct(https[1], verify=False))
    assert await api.request("GET", "/version") == {"gitVersion": "two"}
    await api.close()


async def test_a_rotated_authority_is_used(tmp_path, https):
    """The TLS context is built again when the file's content changes."""
    trusted = tmp_path / "trusted.crt"
    trusted.write_bytes((tmp_path / "one" / "ca.crt").read_bytes())
    access = kubeconfig(tmp_path, https[1], {}, **{"certificate-authority": "trusted.crt"})
    api = Api("prod", access)
    with pytest.raises(Unreachable):
        await api.request("GET", "/version")
    trusted.write_bytes((tmp_path / "two" / "ca.crt").read_bytes())
    api._checked = 0.0  # a minute has passed
    assert await api.request("GET", "/version") == {"gitVersion": "two"}
    await api.close()


def test_the_written_kubeconfig_is_yaml(tmp_path):
    access = kubeconfig(tmp_path, "https://x", {"token": "t"})
    assert yaml.safe_load(Path(access.path).read_text())["current-context"] == "prod"


@pytest.fixture
def proxied(monkeypatch, server):
    """The environment of a process behind a proxy, which is the scripted server."""
    for name in ("HTTP_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    return monkeypatch


async def test_the_proxy_of_the_environment_is_used(server, proxied):
    assert await authorization(server, Direct("http://cluster.invalid", "t1")) == "Bearer t1"
    assert server.requests[-1].host == "cluster.invalid"


async def test_the_proxy_gets_the_credentials_in_its_url(server, proxied):
    proxied.setenv("http_proxy", f"http://ada:p@{server.host}")
    assert await authorization(server, Direct("http://cluster.invalid", "t1")) == "Bearer t1"
    assert server.requests[-1].headers["Proxy-Authorization"] == "Basic YWRhOnA="


async def test_the_proxy_is_not_used_for_excluded_hosts(server, proxied):
    proxied.setenv("no_proxy", "cluster.invalid")
    with pytest.raises(Unreachable):
        await authorization(server, Direct("http://cluster.invalid", "t1"))


async def test_the_proxy_of_the_kubeconfig_takes_precedence(tmp_path, server, proxied):
    proxied.setenv("http_proxy", "http://127.0.0.1:1")
    access = kubeconfig(tmp_path, "http://cluster.invalid", {"token": "t1"}, **{"proxy-url": server.url})
    assert await authorization(server, access) == "Bearer t1"


async def test_netrc_is_ignored(tmp_path, server, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login mallory password p\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert await authorization(server, Direct(server.url, "t1")) == "Bearer t1"
